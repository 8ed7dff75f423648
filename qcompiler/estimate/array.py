"""LUT and FF of the bit-serial array, in plain arithmetic: the folding solver asks very often.

The structure is that of ``templates/bitserial_array.v.j2``: sums of pairs of lanes that all PEs
share, a gate for each pair, PE and slot, a tree of adders, the slot tree, the accumulator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from qcompiler.estimate.carry import adder_cells, counter_cells
from qcompiler.estimate.coefficients import COEFFICIENTS
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.memory import ahead_rom_cost, rom_cost, table_lut, weight_rom_cost
from qcompiler.estimate.parts import (
    LEAST_RUN,
    SHIFT_BITS,
    Parts,
    clog2,
    counter_features,
    delay_cost,
    even,
)
from qcompiler.estimate.slot_tree import joins_of, slot_registers
from qcompiler.ir import hardware as hw
from qcompiler.ir.hardware import StreamType
from qcompiler.ir.plane_steps import Boundary, Schedule
from qcompiler.ir.types import IntType

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
    shift: int  # LUTs that hold registers in a row
    pair_carry: int  # carry cells, of `pair`
    carry: int  # and of `add`


@cache
def lane_tree(simd: int, act_bits: int, family: str, *, signed: bool = False) -> LaneTree:
    """The tree over ``simd`` activations of ``act_bits`` bits.

    An odd value passes a level as it is: bits that widen it are constant, or copies of its sign.
    """
    pairs, odd = divmod(simd, 2)
    width = act_bits + (1 if pairs else 0)
    single = width if family == "xc7" else 2 * width - (not signed)
    gate = pairs * single + odd * act_bits
    top = family == "xc7" and not signed  # the highest bit is the carry itself
    pair, pair_carry = pairs * (even(width, family) - top), pairs * adder_cells(width, family)
    nodes = [width] * pairs + [act_bits] * odd
    passed = Passed(family)
    add, carry, ff, levels, lanes = 0, 0, sum(nodes), 1, 2
    while len(nodes) > 1:
        lanes, levels = 2 * lanes, levels + 1
        width = act_bits + clog2(min(lanes, simd))
        sums = len(nodes) // 2
        add += sums * (even(width, family) - top)
        carry += sums * adder_cells(width, family)
        passed.level(nodes)
        nodes = [width] * sums + nodes[2 * sums :]
        ff += sum(nodes)
    return LaneTree(gate, pair, add, ff - passed.ff, width, levels, passed.lut, pair_carry, carry)


class Passed:
    """Registers of a tree's last value while its levels have an odd one.

    Three and more in a row go into shift registers of LUTs on Xilinx 7.

    Attributes:
        ff: Flip-flops that are none, of one tree.
        lut: LUTs that hold them.
    """

    def __init__(self, family: str) -> None:
        self.ff = self.lut = 0
        self._run, self._family = 1, family

    def level(self, widths: Sequence[int]) -> None:
        """Next level, which reads registers of these widths."""
        if len(widths) % 2:
            self._run += 1
            return
        if self._family == "xc7" and self._run >= LEAST_RUN:
            self.ff += self._run * widths[-1]
            self.lut += -(-self._run // SHIFT_BITS) * widths[-1]
        self._run = 1


class StepSizes(NamedTuple):
    """What choices from step to step take: bits in each PE, and LUTs once."""

    select: int  # of one more shift in the slot tree or of the result
    mixed: int  # of joins that add in some steps and subtract in others
    tables: float
    base: int  # LUTs that choose what the accumulator adds to


def step_sizes(
    schedule: Schedule, width: int, acc_bits: int, family: str, *, keeps: bool = True
) -> StepSizes:
    """Sizes of what a schedule asks for.

    Args:
        schedule: The plane steps.
        width: Bits of a sum over the lanes.
        acc_bits: Bits of a result.
        family: Family of the device.
        keeps: The accumulator takes several beats a step.
    """
    select, mixed = 0, 0
    for left, right, size in _joins(schedule.slots):
        found = joins_of(schedule, left - schedule.slots, right - schedule.slots)
        select += (width + size) * max(len({shift for shift, _ in found}) - 1, 0)
        mixed += (width + size) * (len({negate for _, negate in found}) > 1)
    if len(schedule.results) > 1:  # an inversion shares the LUT with one more shift
        select += acc_bits * max(len({result.shift for result in schedule.results}) - 1, 1)
    base = acc_bits * _base_luts(schedule, family, keeps)
    return StepSizes(select, mixed, _tables(schedule, family), base)


def _base_luts(schedule: Schedule, family: str, keeps: bool) -> int:
    """LUTs of a bit of what the accumulator adds to: old values, shifted, chosen by operation.

    None where all inputs fit into the LUT of the adder, beside the term.
    """
    sources = {action.shift for action in schedule.actions if isinstance(action, Boundary)}
    sources |= {0} if keeps else set()
    inputs = len(sources) + clog2(len(schedule.actions) + keeps)
    size = 6 if family == "xc7" else 4
    return 0 if inputs < size else -(-(inputs - 1) // (size - 1))


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
    lut = (
        table["one"]
        + table["add"] * tree.pair
        + pe * planes * (table["gate"] * tree.gate + table["add"] * tree.add + tree.shift)
        + pe * table["merge"] * slot_adders(planes, tree.width)
        + pe * table["accumulate"] * even(acc_bits, family)
    )
    if steps is not None:
        lut += table["tables"] * steps.tables
        lut += pe * (table["select"] * steps.select + table["mixed"] * steps.mixed)
        lut += pe * table["base"] * steps.base
    return lut + (ahead_rom_cost(pe * simd * planes, depth, family).lut if depth else 0.0)


def array_kind(op: hw.BitSerialArray) -> str:
    """Whose coefficients price an array: without a lane tree Yosys maps the gates otherwise."""
    return "depthwise" if isinstance(op, hw.DepthwiseArray) else "array"


@cache
def slot_adders(planes: int, width: int) -> int:
    """Adder bits of joining neighbouring planes, whose sums have ``width`` bits.

    A sum over n planes has ``width + n`` bits; the low ones of an adder come from one side alone.
    """
    adders = 0
    sizes = [1] * planes
    while len(sizes) > 1:
        pairs = list(zip(sizes[::2], sizes[1::2], strict=False))
        adders += sum(width + left for left, _ in pairs)
        sizes = [left + right for left, right in pairs] + sizes[2 * len(pairs) :]
    return adders


def array(
    op: hw.BitSerialArray, inputs: tuple[StreamType, ...], outputs: object, family: str
) -> list[Parts]:
    """`array_lut`'s sizes, the counters beside them, the flip-flops and the weight ROM."""
    act, acc, schedule = inputs[0].elem, op.acc.bits, op.schedule
    beats, depth, count = op.beats, op.weight_words, len(schedule.steps)
    tree = lane_tree(op.simd, act.bits, family, signed=act.signed)
    lane_sum = IntType(op.simd * min(act.lo, 0), op.simd * act.hi)
    slots = slot_registers(schedule, lane_sum, family)
    stages = tree.levels + clog2(op.planes)
    counters = counter_features(family, beats, count, depth)
    steps = step_sizes(schedule, tree.width, acc, family, keeps=beats > 1)
    features = {
        "one": 1.0,
        "add": tree.pair + op.pe * op.planes * tree.add,
        "gate": op.pe * op.planes * tree.gate,
        "merge": op.pe * slot_adders(op.planes, tree.width),
        "accumulate": op.pe * even(acc, family),
        "mixed": op.pe * steps.mixed,
        "select": op.pe * steps.select,
        "base": op.pe * steps.base,
        "tables": steps.tables,
        "counters": counters["step"] + counters["last"],
    }
    held = 2 * op.input_lanes * act.bits + op.simd // 2 * (act.bits + 1)
    wide = max(acc - min(result.shift for result in schedule.results), slots.width)
    per_pe = op.planes * tree.ff + slots.ff + wide + acc
    ff = held + op.pe * per_pe + clog2(beats) + clog2(count) + clog2(depth)
    control = _control(schedule, beats, stages, family)
    if slots.asked:  # the kind of a step travels to the joins that ask for it
        taps = [tree.levels + level + 1 for level in slots.asked]
        bits = clog2(len(schedule.kinds))
        for before, tap in pairwise([0, *taps]):
            control += delay_cost(tap - before, family, bits)
    rom = _rom(op, op.pe * op.simd * op.planes, family)
    shift = op.pe * (op.planes * tree.shift + slots.shift)
    carry = tree.pair_carry + counter_cells(family, beats, count, depth)
    carry += op.pe * (op.planes * tree.carry + slots.carry + adder_cells(wide, family))
    fixed = Cost(lut=shift, ff=ff, carry=carry) + control + rom
    return [Parts(array_kind(op), features, fixed)]


def _rom(op: hw.BitSerialArray, width: int, family: str) -> Cost:
    """The weight ROM, of ``width`` bits a word."""
    if op.lut_rom:
        return rom_cost(width, op.weight_words, family, counted=True, in_luts=True)
    price = ahead_rom_cost if op.ahead else weight_rom_cost
    return price(width, op.weight_words, family)


def _control(schedule: Schedule, beats: int, stages: int, family: str) -> Cost:
    """Registers beside the data: valid bits, ends of results and frames, operations."""
    actions = clog2(len(schedule.actions) + (beats > 1))
    delayed = 1 + actions + clog2(len(schedule.results))
    cost = Cost(ff=4 + stages + 1) + delay_cost(stages + 1, family, delayed)
    return cost + delay_cost(stages + 3, family)  # tlast, with a register ahead and one behind
