"""Parts of the multiplier array, after ``templates/multiplier_array.v.j2``.

The blocks of xc7 have registers for operands and products and an adder behind them: Yosys puts both
input registers, the products and the first sum of two into them, of one lane the accumulator. The
blocks of ECP5 are used as bare multipliers.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from qcompiler.estimate.carry import adder_cells, counter_cells
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.memory import weight_rom_cost
from qcompiler.estimate.parts import Parts, counter_bits, counter_features, even
from qcompiler.ir import hardware as hw
from qcompiler.ir.hardware import StreamType
from qcompiler.ir.products import ProductPlan, signed_bits

_LEAST_PRODUCT = {"ecp5": 0, "xc7": 9}
"""Bits of the narrowest product that Yosys gives a block; families without blocks are absent."""

MultiplierPrice = Callable[[int, int], Cost]
"""(pe, simd) -> LUT, flip-flops, block RAMs and multipliers."""


def uses_block(plan: ProductPlan, acc_bits: int, family: str) -> bool:
    """Yosys maps the products to multiplier blocks and not to LUTs.

    Args:
        plan: Of one output.
        acc_bits: Bits of a result.
        family: Key of the cost model.
    """
    operands = signed_bits(plan.act), signed_bits(plan.weight)
    least = _LEAST_PRODUCT.get(family)
    return least is not None and min(operands) > 1 and min(plan.product_bits, acc_bits) >= least


def multipliers(
    op: hw.MultiplierArray, inputs: tuple[StreamType, ...], outputs: object, family: str
) -> list[Parts]:
    """The multipliers, their sums, the weight ROM and the counters beside them."""
    plan = op.plan(inputs[0].elem)
    return [multiplier_parts(plan, op.pe, op.groups * op.repeat, op.acc.bits, family)]


def multiplier_parts(plan: ProductPlan, pe: int, sets: int, acc_bits: int, family: str) -> Parts:
    """An array of ``pe`` outputs.

    Args:
        plan: Of one output.
        pe: Outputs at a time.
        sets: Results until the weights start over.
        acc_bits: Bits of a result.
        family: Key of the cost model.
    """
    depth, block = sets * plan.beats, uses_block(plan, acc_bits, family)
    inside = block and family == "xc7"  # registers and the first adder are the block's
    parts = plan.partial_beats if plan.spills else 1
    counters = counter_features(family, plan.beats, depth, parts)
    operands = signed_bits(plan.act), plan.weight_bits
    adders = _adders(plan, acc_bits, inside)
    accumulators = _accumulators(plan, acc_bits, inside)
    features = {
        "one": 1.0,
        "add": pe * sum(even(bits, family) for bits in adders),
        "accumulate": pe * sum(even(bits, family) for bits in accumulators),
        "soft": 0 if block or min(operands) == 1 else pe * plan.simd * prod(operands),
        "negate": pe * plan.simd * max(operands) if min(operands) == 1 else 0,
        "counters": counters["step"] + counters["last"],
    }
    ff = counter_bits(plan.beats, depth, parts) + pe * _registers(plan, acc_bits, inside)
    ff += _control(plan, family) + (0 if inside else 2 * plan.simd * plan.act.bits)
    rom = weight_rom_cost(pe * plan.simd * plan.weight_bits, depth, family)
    dsp = pe * plan.simd if block else 0
    carry = pe * sum(adder_cells(bits, family) for bits in adders + accumulators)
    if not block:  # a product by 0 and -1, or of LUTs: both end in an adder
        width = max(operands) if min(operands) == 1 else sum(operands)
        carry += pe * plan.simd * adder_cells(width, family)
    carry += counter_cells(family, plan.beats, depth, parts)
    return Parts("multipliers", features, Cost(ff=ff, dsp=dsp, carry=carry) + rom)


def _adders(plan: ProductPlan, acc_bits: int, inside: bool) -> list[int]:
    """Width of each adder of one output's tree that is not in a block."""
    levels = plan.levels[1 if inside else 0 :]
    nodes = [node for level in levels for node in level if node.right is not None]
    return [min(node.width, acc_bits) for node in nodes]


def _accumulators(plan: ProductPlan, acc_bits: int, inside: bool) -> list[int]:
    """Width of each accumulator; results of one beat are not accumulated."""
    if plan.beats == 1:
        return []
    first = plan.partial_width if plan.has_partial else acc_bits
    found = [] if inside and plan.simd == 1 else [min(first, acc_bits)]
    return found + [acc_bits] * plan.spills


def _registers(plan: ProductPlan, acc_bits: int, inside: bool) -> int:
    """Flip-flops of one output: products, tree, accumulators and the result."""
    widths = [[plan.product_bits] * plan.simd]
    widths += [[node.width for node in level] for level in plan.levels]
    widths += [[plan.partial_width]] * plan.has_partial + [[acc_bits]] * plan.has_wide
    outside = widths[2 if inside else 0 :]
    return sum(min(bits, acc_bits) for level in outside for bits in level) + acc_bits


def _control(plan: ProductPlan, family: str) -> int:
    """Bits beside the data; xc7 keeps most of them in shift registers of LUTs."""
    if family == "xc7":
        return 9
    ff = 6 + 3 * plan.result_stage + (plan.beats > 1) * (plan.depth + 1)
    return ff + (2 * (plan.depth + 2) + 1 if plan.spills else 0)
