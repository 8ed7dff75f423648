"""Parts of the modules that compute: weighted sums, scaling, pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from qcompiler.estimate.carry import adder_cells, comparator_cells, counter_cells
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.memory import columns, ram_cost, rom_cost_of
from qcompiler.estimate.parts import Parts, clog2, counter_bits, delay_cost, even
from qcompiler.ir import hardware as hw
from qcompiler.ir.add_terms import Term
from qcompiler.ir.hardware import StreamType
from qcompiler.ir.types import IntType

Types = Sequence[StreamType]

# Operand bits of one multiplier block, the wider one first, and the least product worth one.
_MULTIPLIER = {"ecp5": (18, 18, 0), "xc7": (25, 18, 9)}


def add(op: hw.Add, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    """Products by constants, shifted copies, and a tree of sums with a register a level.

    Each sum is as wide as its values, less the zeros below both sides. On Xilinx 7 the two highest
    bits of a sum, copies of both signs, share a LUT.
    """
    out, muls = outputs[0].elem.bits, (op.a_mul, op.b_mul)
    adders = carry = negatives = ff = dsp = 0
    sums: list[tuple[IntType, int]] = []  # values of a register, zeros below them
    for first, second in op.terms.pairs:
        values = _values(first, inputs, muls)
        zeros = first.shift
        if first.product:
            mul = muls[first.operand]
            x = inputs[first.operand].elem
            dsp += multiplier_blocks(x.bits, abs(mul).bit_length() + 1, family)
            zeros = (mul & -mul).bit_length() - 1
        elif second is not None:
            values = values + _values(second, inputs, muls)
            zeros = min(zeros, second.shift)
            top = max(first.shift, second.shift)
            bits = max(min(values.bits, out) - top, 0)
            shared = family == "xc7" and not (first.minus or second.minus)
            adders += even(bits, family) - shared
            carry += adder_cells(bits, family)
        elif first.minus:
            negatives += values.bits - zeros
            carry += adder_cells(values.bits - zeros, family)
        if not first.product or family != "xc7":  # else the register is the multiplier's
            ff += min(values.bits, out) - zeros
        sums.append((values, zeros))
    while len(sums) > 1:
        joined, before = [], (adders, carry)
        for (low, below), (high, above) in zip(sums[::2], sums[1::2], strict=False):
            total, zeros = low + high, min(below, above)
            bits = min(total.bits, out) - max(below, above)
            adders += even(bits, family) - (family == "xc7")
            carry += adder_cells(bits, family)
            joined.append((total, zeros))
        if len(sums) == 2 and family == "xc7" and op.terms.products:
            (adders, carry), sums = before, joined  # the last sum and its register are the block's
            break
        sums = joined + sums[2 * len(joined) :]
        ff += sum(min(values.bits, out) - zeros for values, zeros in sums)
    features = {"one": 1, "sum": op.lanes * adders, "negate": op.lanes * negatives}
    lane = op.lanes
    fixed = Cost(ff=lane * ff + 2 * op.latency, dsp=lane * dsp, carry=lane * carry)
    return [Parts("add", features, fixed)]


def _values(term: Term, inputs: Types, muls: tuple[int, int]) -> IntType:
    elem = inputs[term.operand].elem
    if term.product:
        return elem.scaled(muls[term.operand])
    return elem.scaled(-(1 << term.shift) if term.minus else 1 << term.shift)


def multiplier_blocks(a: int, b: int, family: str) -> int:
    """Multiplier blocks of a signed product of ``a`` by ``b`` bits; 0 where the family has none.

    A part of one bit is left to LUTs.
    """
    parts = _multiplier_parts(a, b, family)
    if parts < 2:
        return parts
    wide, narrow, _ = _MULTIPLIER[family]
    a, b = max(a, b), min(a, b)
    return -(-max(a - 1, wide) // wide) * -(-max(b - 1, narrow) // narrow)


def _multiplier_parts(a: int, b: int, family: str) -> int:
    """Products of at most a block's width that make up one; 0 where none goes into a block."""
    if family not in _MULTIPLIER:
        return 0
    wide, narrow, least = _MULTIPLIER[family]
    a, b = max(a, b), min(a, b)
    return -(-a // wide) * -(-b // narrow) if a + b >= least else 0


def scale(op: hw.Scale, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    """A product, a sum, a shift and a clamp a lane; the sum goes into the block on xc7."""
    (x,), words = inputs, inputs[0].words
    operand, m, r = x.elem.bits + (not x.elem.signed), _signed_bits(op.m), _signed_bits(op.r)
    product = operand + m
    total = max(product, r) + 1
    out, kept = outputs[0].elem.bits, max(total - op.n, 1)
    factor = m - (int(op.m.min()) >= 0)  # a sign that is always 0 is no input
    dsp = multiplier_blocks(operand, factor, family)
    joined = max(_multiplier_parts(operand, factor, family) - 1, 0)
    inside = family == "xc7" and dsp == 1
    features = {
        "one": 1,
        "sum": 0 if inside else op.lanes * even(total, family),
        "partial": op.lanes * joined * product,
        "soft": 0 if dsp else op.lanes * operand * m * (1 if words > 1 else 0.35),
        "clamp": op.lanes * kept,
        "out": op.lanes * out,
        "bits": clog2(words),
    }
    entries, offsets = _constants(op, m, r)
    rom = rom_cost_of(entries, op.lanes * (m + r), family, counted=words > 64)
    ff = op.lanes * out + clog2(words) + 4
    if not inside:  # else the block has registers for all but the constants
        ff += x.width + op.lanes * (product + kept) + offsets
    carry = counter_cells(family, words)
    if not inside:  # the sum, the comparison with the largest code, parts of the product
        low = _MULTIPLIER[family][1] - 1 if joined else 0
        cells = adder_cells(total, family) + comparator_cells(kept, family, constant=True)
        carry += op.lanes * (cells + joined * adder_cells(product - low, family))
    fixed = Cost(ff=ff, dsp=op.lanes * dsp, carry=carry) + delay_cost(4, family)  # of tlast
    return [Parts("scale", features, fixed + rom)]


def _constants(op: hw.Scale, m_bits: int, r_bits: int) -> tuple[Any, int]:
    """Contents of the ROM of m and r, and the registers that r passes beside the product.

    Equal registers are one, whatever their lanes.
    """
    entries = np.zeros(len(op.m) // op.lanes, object)
    registers: set[tuple[int, ...]] = set()
    for lane in range(op.lanes):
        m = op.m[lane :: op.lanes].astype(object) & (1 << m_bits) - 1
        r = op.r[lane :: op.lanes].astype(object) & (1 << r_bits) - 1
        entries |= (m | r << m_bits) << lane * (m_bits + r_bits)
        registers |= columns(r, r_bits)
    return entries, len(registers)


def _signed_bits(values: Any) -> int:
    """Two's-complement width that holds all of ``values``."""
    lo, hi = min(int(values.min()), -1), max(int(values.max()), 0)
    return max((-lo - 1).bit_length(), hi.bit_length()) + 1


def _count(x: StreamType) -> int:
    """Beats of a pool."""
    assert x.order is not None
    return x.order.kernel[0] * x.order.kernel[1]


def max_pool(op: hw.MaxPool, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    ff = inputs[0].width + 2 + clog2(_count(inputs[0]))
    x = inputs[0]
    bits, cells = x.elem.bits, comparator_cells(x.elem.bits, family)
    chained = bits if family == "xc7" else 2 * cells + bits % 2  # LUT sites of the comparison
    features = {
        "one": 1,
        "compare": x.lanes * chained if cells else 0,
        "choose": x.width if cells else 0,
        "short": 0 if cells else x.width,  # both in LUTs without a chain
        "bits": clog2(_count(x)),
    }
    carry = x.lanes * cells + counter_cells(family, _count(x))
    return [Parts("max_pool", features, Cost(ff=ff, carry=carry))]


def sum_pool(op: hw.SumPool, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    ff = outputs[0].width + 2 + clog2(_count(inputs[0]))
    y = outputs[0]
    features = {
        "one": 1,
        "sum": y.lanes * even(y.elem.bits, family),
        "width": y.width,
        "bits": clog2(_count(inputs[0])),
    }
    carry = y.lanes * adder_cells(y.elem.bits, family) + counter_cells(family, _count(inputs[0]))
    return [Parts("sum_pool", features, Cost(ff=ff, carry=carry))]


def global_sum(op: hw.GlobalSum, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    (x,), width = inputs, outputs[0].width
    bits = counter_bits(x.words, x.pixels)
    held = Cost(ff=width)
    if x.words > 1:  # Yosys registers the address once more, so that the read counts as registered
        ram = ram_cost(width, x.words, family)
        if ram.bram:  # which cannot read what is being written: that goes round it
            held = ram + Cost(width, width + 1)
        else:
            held = replace(ram, ff=ram.ff - width + (0 if family == "ice40" else clog2(x.words)))
    features = {"one": 1, "width": width, "bits": bits}
    carry = x.lanes * adder_cells(outputs[0].elem.bits, family)
    carry += counter_cells(family, x.words, x.pixels)
    return [Parts("global_sum", features, Cost(ff=width + 2 + bits, carry=carry) + held)]
