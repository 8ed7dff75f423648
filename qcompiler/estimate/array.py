"""LUT and FF of the bit-serial array, in plain arithmetic: the folding solver asks very often.

The structure is that of ``templates/bitserial_array.v.j2``: sums of pairs of lanes that all PEs
share, a gate for each pair, PE and slot, a tree of adders, the slot tree, the accumulator.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from qcompiler.estimate.coefficients import COEFFICIENTS
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.memory import ram_cost, weight_rom_cost
from qcompiler.estimate.parts import Parts, clog2, counter_features, even
from qcompiler.ir import hardware as hw
from qcompiler.ir.hardware import StreamType

FoldingPrice = Callable[[int, int, int], tuple[float, int]]
"""(pe, simd, planes per cycle) -> (LUT, block RAMs)."""


class LaneTree(NamedTuple):
    """Sizes of the lane tree of one PE and slot, in bits."""

    gate: int  # LUT4s, or LUT6s, that choose 0, a, b or a + b of the pairs
    pair: int  # adders of a + b; shared by PEs and slots
    add: int  # adders
    ff: int
    width: int  # of the sum
    levels: int


@cache
def lane_tree(simd: int, act_bits: int, family: str, *, signed: bool = False) -> LaneTree:
    """The tree over ``simd`` activations of ``act_bits`` bits."""
    pairs, odd = divmod(simd, 2)
    width = act_bits + (1 if pairs else 0)
    single = width if family == "xc7" else 2 * width - (not signed)
    tree = LaneTree(pairs * single + odd * width, pairs * even(width, family), 0, 0, width, 1)
    count = pairs + odd
    add, ff, levels, lanes = 0, count * width, 1, 2
    while count > 1:
        lanes, levels = 2 * lanes, levels + 1
        width = act_bits + clog2(min(lanes, simd))
        add += count // 2 * even(width, family)
        count = (count + 1) // 2
        ff += count * width
    return tree._replace(add=add, ff=ff, width=width, levels=levels)


def array_lut(
    pe: int,
    simd: int,
    planes: int,
    act_bits: int,
    acc_bits: int,
    family: str,
    *,
    signed: bool = False,
    depth: int = 0,
) -> float:
    """LUT of an array of ``pe`` × ``simd`` × ``planes`` a cycle.

    Args:
        pe: Output channels at a time.
        simd: Inputs at a time.
        planes: Weight planes at a time.
        act_bits: Bits of an activation.
        acc_bits: Bits of a result.
        family: Key of the cost model.
        signed: Activations are signed.
        depth: Words of the weight ROM, to count its LUTs too where it is no block RAM.
    """
    table = COEFFICIENTS["array"][family]
    tree = lane_tree(simd, act_bits, family, signed=signed)
    merge, _ = slot_tree(planes, tree.width)
    lut = (
        table["one"]
        + table["add"] * tree.pair
        + pe * planes * (table["gate"] * tree.gate + table["add"] * tree.add)
        + pe * (table["merge"] * merge + table["accumulate"] * even(acc_bits, family))
    )
    return lut + (weight_rom_cost(pe * simd * planes, depth, family).lut if depth else 0.0)


def array_price(family: str) -> Callable[[hw.BitSerialArray, hw.Window, StreamType], FoldingPrice]:
    """What the folding of an array decides: the array, its weight ROM and its line buffer.

    Args:
        family: Key of the cost model.

    Returns:
        For an array, its window and the stream that the window reads, the price of each folding.
    """

    def of(op: hw.BitSerialArray, window: hw.Window, x: StreamType) -> FoldingPrice:
        out, per_group, height, width = op.weight.shape
        act, live = x.elem, max(len(op.signs), 1)
        row = (window.reshape or x.shape)[2] * x.shape[0]

        def price(pe: int, simd: int, planes: int) -> tuple[float, int]:
            depth = out // pe * -(-live // planes) * height * width * (per_group // simd)
            rom = weight_rom_cost(pe * simd * planes, depth, family)
            buffer = ram_cost(simd * act.bits, window.rows * (row // simd), family)
            lut = array_lut(pe, simd, planes, act.bits, op.acc.bits, family, signed=act.signed)
            return lut + rom.lut + buffer.lut, rom.bram + buffer.bram

        return price

    return of


@cache
def slot_tree(planes: int, width: int) -> tuple[int, int]:
    """Adder bits and flip-flops of joining neighbouring planes, whose sums have ``width`` bits.

    A sum over n planes has ``width + n`` bits; the low ones of an adder come from one side alone.
    """
    adders, ff = 0, 0
    sizes = [1] * planes
    while len(sizes) > 1:
        joined = []
        for left, right in zip(sizes[::2], sizes[1::2], strict=False):
            adders += width + left
            joined.append(left + right)
        if len(sizes) % 2:
            joined.append(sizes[-1])
        sizes = joined
        ff += sum(width + (n if n > 1 else 0) for n in sizes)
    return adders, ff


def array(
    op: hw.BitSerialArray, inputs: tuple[StreamType, ...], outputs: object, family: str
) -> list[Parts]:
    """`array_lut`'s sizes, the counters beside them, the flip-flops and the weight ROM."""
    act, acc = inputs[0].elem, op.acc.bits
    _, per_group, height, width = op.weight.shape
    beats = height * width * (per_group // op.simd)
    depth = op.groups * op.repeat * beats
    tree = lane_tree(op.simd, act.bits, family, signed=act.signed)
    merge, merge_ff = slot_tree(op.planes, tree.width)
    term = tree.width + (op.planes if op.planes > 1 else 0)
    stages = tree.levels + clog2(op.planes)
    counters = counter_features(family, beats, op.folds, depth)
    features = {
        "one": 1.0,
        "add": tree.pair + op.pe * op.planes * tree.add,
        "gate": op.pe * op.planes * tree.gate,
        "merge": op.pe * merge,
        "accumulate": op.pe * even(acc, family),
        "mixed": op.pe * term * _mixed(op),
        "counters": counters["step"] + counters["last"],
    }
    held = 2 * op.simd * act.bits + op.simd // 2 * (act.bits + 1)
    per_pe = op.planes * tree.ff + merge_ff + max(acc - op.exps[-1] if op.exps else acc, term) + acc
    steps = (
        len({(a - b) for a, b in zip(op.exps, op.exps[1:], strict=False)}) if op.folds > 1 else 0
    )
    delayed = 2 + (beats > 1) + (steps > 0)  # bits beside the data; xc7 has shift registers
    control = 6 + stages + delayed * (2 if family == "xc7" else stages + 1)
    ff = held + op.pe * per_pe + control + clog2(beats) + clog2(op.folds) + clog2(depth)
    rom = weight_rom_cost(op.pe * op.simd * op.planes, depth, family)
    return [Parts("array", features, Cost(ff=ff) + rom)]


def _mixed(op: hw.BitSerialArray) -> int:
    """Joins of two planes that add in one fold and subtract in another."""
    if op.folds < 2 or op.planes < 2:
        return 0
    found = 0
    for slot in range(0, op.planes - 1, 2):
        pairs = [op.signs[k] != op.signs[k + 1] for k in range(slot, len(op.signs) - 1, op.planes)]
        found += len(set(pairs)) > 1
    return found
