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
from qcompiler.estimate.memory import ahead_rom_cost, ram_cost, table_lut, weight_rom_cost
from qcompiler.estimate.parts import Parts, clog2, counter_features, even
from qcompiler.ir import hardware as hw
from qcompiler.ir.hardware import StreamType
from qcompiler.ir.plane_steps import Boundary, Schedule

FoldingPrice = Callable[[hw.BitSerialArray], tuple[float, int]]
"""Array in a folding -> (LUT, block RAMs)."""


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


class StepSizes(NamedTuple):
    """What choices from step to step take: bits in each PE, and LUTs once."""

    select: int  # of one more shift in the slot tree, at the accumulator or of the result
    mixed: int  # of joins that add in some steps and subtract in others
    tables: float


def step_sizes(schedule: Schedule, width: int, acc_bits: int, family: str) -> StepSizes:
    """Sizes of what a schedule asks for.

    Args:
        schedule: The plane steps.
        width: Bits of a sum over the lanes.
        acc_bits: Bits of a result.
        family: Family of the device.
    """
    select, mixed = 0, 0
    for left, right, size in _joins(schedule.slots):
        found = set()
        for kind in schedule.kinds:
            (a, b) = (slot - schedule.slots for slot in (left, right))
            if -a <= len(kind):
                found.add((kind[a][1] - kind[b][1], kind[a][0] != kind[b][0]))
        select += (width + size) * max(len({shift for shift, _ in found}) - 1, 0)
        mixed += (width + size) * (len({negate for _, negate in found}) > 1)
    shifts = {action.shift for action in schedule.actions if isinstance(action, Boundary)}
    select += acc_bits * max(len(shifts - {0}) - 1, 0)  # unshifted the sum is kept, too
    if len(schedule.results) > 1:  # an inversion shares the LUT with one more shift
        select += acc_bits * max(len({result.shift for result in schedule.results}) - 1, 1)
    return StepSizes(select, mixed, _tables(schedule, family))


def _tables(schedule: Schedule, family: str) -> float:
    """LUTs of what is looked up for each step; for the few of one result the counters pay."""
    count = len(schedule.steps)
    if len(schedule.lists) == 1:
        return 0.0
    bits = 1 + clog2(len(schedule.actions) + 1) + clog2(len(schedule.results))
    if schedule.slots > 1 and len(schedule.kinds) < count:
        bits += clog2(len(schedule.kinds))
    return bits * table_lut(count, family)


def _joins(slots: int) -> list[tuple[int, int, int]]:
    """Joins of the slot tree: last slots of both sides, slots of the left one."""
    found, ends = [], [(slot, 1) for slot in range(slots)]
    while len(ends) > 1:
        pairs = list(zip(ends[::2], ends[1::2], strict=False))
        found += [(left[0], right[0], left[1]) for left, right in pairs]
        joined = [(right[0], left[1] + right[1]) for left, right in pairs]
        ends = joined + ends[2 * len(pairs) :]
    return found


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
    steps: StepSizes | None = None,
    kind: str = "array",
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
        steps: What its plane steps take beside, `step_sizes`.
        kind: Whose coefficients: `array_kind`.
    """
    table = COEFFICIENTS[kind][family]
    tree = lane_tree(simd, act_bits, family, signed=signed)
    merge, _ = slot_tree(planes, tree.width)
    lut = (
        table["one"]
        + table["add"] * tree.pair
        + pe * planes * (table["gate"] * tree.gate + table["add"] * tree.add)
        + pe * (table["merge"] * merge + table["accumulate"] * even(acc_bits, family))
    )
    if steps is not None:
        lut += table["tables"] * steps.tables
        lut += pe * (table["select"] * steps.select + table["mixed"] * steps.mixed)
    return lut + (ahead_rom_cost(pe * simd * planes, depth, family).lut if depth else 0.0)


def array_kind(op: hw.BitSerialArray) -> str:
    """Whose coefficients price an array: without a lane tree Yosys maps the gates otherwise."""
    return "depthwise" if isinstance(op, hw.DepthwiseArray) else "array"


def array_price(family: str) -> Callable[[hw.BitSerialArray, hw.Window, StreamType], FoldingPrice]:
    """What the folding of an array decides: the array, its weight ROM and its line buffer.

    Args:
        family: Key of the cost model.

    Returns:
        For an array, its window and the stream that the window reads, the price of each folding.
    """

    def of(op: hw.BitSerialArray, window: hw.Window, x: StreamType) -> FoldingPrice:
        act = x.elem
        row = (window.reshape or x.shape)[2] * x.shape[0]

        @cache
        def schedule(pe: int, planes: int, per_fold: bool) -> Schedule:
            return op.folded(pe, 1, planes, per_fold).schedule

        def price(folded: hw.BitSerialArray) -> tuple[float, int]:
            pe, simd, planes = folded.pe, folded.simd, folded.planes
            lanes = folded.input_lanes
            rom = ahead_rom_cost(pe * simd * planes, folded.weight_words, family)
            buffer = ram_cost(lanes * act.bits, window.rows * (row // lanes), family)
            width = lane_tree(simd, act.bits, family, signed=act.signed).width
            plan = schedule(pe, planes, folded.per_fold)
            steps = step_sizes(plan, width, op.acc.bits, family)
            lut = array_lut(
                pe, simd, planes, act.bits, op.acc.bits, family,
                signed=act.signed, steps=steps, kind=array_kind(op),
            )  # fmt: skip
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
    act, acc, schedule = inputs[0].elem, op.acc.bits, op.schedule
    beats, depth, count = op.beats, op.weight_words, len(schedule.steps)
    tree = lane_tree(op.simd, act.bits, family, signed=act.signed)
    merge, merge_ff = slot_tree(op.planes, tree.width)
    term = tree.width + (op.planes if op.planes > 1 else 0)
    stages = tree.levels + clog2(op.planes)
    counters = counter_features(family, beats, count, depth)
    steps = step_sizes(schedule, tree.width, acc, family)
    features = {
        "one": 1.0,
        "add": tree.pair + op.pe * op.planes * tree.add,
        "gate": op.pe * op.planes * tree.gate,
        "merge": op.pe * merge,
        "accumulate": op.pe * even(acc, family),
        "mixed": op.pe * steps.mixed,
        "select": op.pe * steps.select,
        "tables": steps.tables,
        "counters": counters["step"] + counters["last"],
    }
    held = 2 * op.input_lanes * act.bits + op.simd // 2 * (act.bits + 1)
    wide = max(acc - min(result.shift for result in schedule.results), term)
    per_pe = op.planes * tree.ff + merge_ff + wide + acc
    actions = clog2(len(schedule.actions) + (beats > 1))
    delayed = 2 + actions + clog2(len(schedule.results))  # bits beside the data
    control = 6 + stages + delayed * (2 if family == "xc7" else stages + 1)  # xc7 shifts in LUTs
    ff = held + op.pe * per_pe + control + clog2(beats) + clog2(count) + clog2(depth)
    price = ahead_rom_cost if op.ahead else weight_rom_cost
    rom = price(op.pe * op.simd * op.planes, depth, family)
    return [Parts(array_kind(op), features, Cost(ff=ff) + rom)]
