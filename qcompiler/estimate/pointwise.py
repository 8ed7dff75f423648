"""Parts of the modules that work value by value: tables of codes and gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qcompiler.estimate.arithmetic import multiplier_blocks
from qcompiler.estimate.carry import adder_cells, counter_cells
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.memory import ram_cost, rom_cost_of
from qcompiler.estimate.parts import Parts, clog2, counter_bits, counter_features, even
from qcompiler.ir import hardware as hw
from qcompiler.ir.hardware import StreamType

Types = Sequence[StreamType]


def lookup(op: hw.Lookup, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    """A ROM a lane with a registered read, and two flip-flops."""
    rom = rom_cost_of(op.rom(inputs[0].elem), op.out.bits, family)
    features = {"one": 1, "rom": 0 if rom.bram else op.lanes * rom.lut}
    kept = rom if rom.bram else replace(rom, lut=0)
    return [Parts("lookup", features, Cost.sum([kept] * op.lanes) + Cost(ff=2))]


def multiply(op: hw.Multiply, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    """A product a lane, the gate's memory, and counters of its words and of pixels."""
    x, gate = inputs
    p, q = op.operands(x.elem, gate.elem)
    dsp = multiplier_blocks(p.bits, q.bits, family)
    inside = dsp == 1 and family == "xc7"  # the block has registers for operands and product
    held = ram_cost(op.lanes * q.bits, x.words, family)
    if x.words == 1:
        held = Cost(ff=op.lanes * q.bits * (1 if inside else 2))
    zeros = [(op.x_zero, p.bits)] * (not inside) + [(op.gate_zero, q.bits)]  # or in the block
    subtracted = [bits for zero, bits in zeros if zero]
    features = {
        "one": 1,
        "bits": 2 * clog2(x.words),
        "zeros": op.lanes * sum(even(bits, family) for bits in subtracted),
        "partial": op.lanes * max(dsp - 1, 0) * outputs[0].elem.bits,
        "soft": 0 if dsp else op.lanes * p.bits * q.bits,
        **counter_features(family, x.words, x.words, x.pixels),
    }
    ff = 5 + counter_bits(x.words, x.words, x.pixels)
    if not inside:
        ff += op.lanes * (p.bits + outputs[0].elem.bits)
    carry = counter_cells(family, x.words, x.words, x.pixels)
    carry += op.lanes * sum(adder_cells(bits, family) for bits in subtracted)
    carry += 0 if dsp else op.lanes * adder_cells(p.bits + q.bits, family)
    return [Parts("multiply", features, Cost(ff=ff, dsp=op.lanes * dsp, carry=carry) + held)]
