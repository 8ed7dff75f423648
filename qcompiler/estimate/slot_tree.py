"""Registers and carry cells of the slot tree of an array: joins of planes, bit by bit.

``q = right ± (left << shift)``: the bits of ``right`` below the least shift pass as they are, if no
step subtracts while others add. Registers in a row go into LUTs on Xilinx 7.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from qcompiler.estimate.carry import adder_cells
from qcompiler.estimate.parts import LEAST_RUN, SHIFT_BITS
from qcompiler.ir.plane_steps import Schedule
from qcompiler.ir.types import IntType

Join = tuple[int, bool]
"""(Shift of the left side, it is subtracted)."""


class SlotRegisters(NamedTuple):
    """Of one PE.

    Args:
        width: Bits of the term that the accumulator takes.
        ff: Flip-flops.
        shift: LUTs that hold registers in a row.
        carry: Carry cells.
        asked: Levels, counted from 0, whose joins are not the same in all steps.
    """

    width: int
    ff: int
    shift: int
    carry: int
    asked: tuple[int, ...]


class _Sum(NamedTuple):
    last: int  # slot, counted from the last one
    lo: int
    hi: int
    runs: tuple[int, ...]  # of each bit: registers in a row that hold it


@lru_cache(maxsize=4096)  # the folding search asks often
def slot_registers(schedule: Schedule, lane_sum: IntType, family: str) -> SlotRegisters:
    """What joins the lane sums of the slots, of which each is in a register.

    Args:
        schedule: The plane steps.
        lane_sum: Values of a sum over the lanes.
        family: Key of the cost model.
    """
    lo, hi = lane_sum.lo, lane_sum.hi
    sums = [
        _Sum(slot - schedule.slots, lo, hi, (1,) * _width(lo, hi)) for slot in range(schedule.slots)
    ]
    ff = carry = level = 0
    ended: list[int] = []
    asked: list[int] = []
    while len(sums) > 1:
        joined = []
        for left, right in zip(sums[::2], sums[1::2], strict=False):
            joins = joins_of(schedule, left.last, right.last)
            asked += [level] if len(joins) > 1 and level not in asked else []
            out, cells = _join(left, right, joins, family)
            low = sum(run > 1 for run in out.runs)
            ended += [*left.runs, *right.runs[low:]]
            carry += cells
            joined.append(out)
        if len(sums) % 2:
            last = sums[-1]
            joined.append(last._replace(runs=tuple(run + 1 for run in last.runs)))
        sums, level = joined, level + 1
        ff += sum(len(each.runs) for each in sums)
    ended += sums[0].runs
    shifted = [run for run in ended if run >= LEAST_RUN] if family == "xc7" else []
    luts = sum(-(-run // SHIFT_BITS) for run in shifted)
    return SlotRegisters(len(sums[0].runs), ff - sum(shifted), luts, carry, tuple(asked))


def _join(left: _Sum, right: _Sum, joins: set[Join], family: str) -> tuple[_Sum, int]:
    """The sum of two, and its carry cells."""
    lo, hi = right.lo, right.hi
    for shift, subtract in joins:
        ends = [left.lo << shift, left.hi << shift]
        if subtract:
            ends = [-end for end in reversed(ends)]
        lo, hi = min(lo, right.lo + ends[0]), max(hi, right.hi + ends[1])
    width, mixed = _width(lo, hi), len({subtract for _, subtract in joins}) > 1
    low = 0 if mixed else min(min(shift for shift, _ in joins), len(right.runs))
    runs = tuple(run + 1 for run in right.runs[:low]) + (1,) * (width - low)
    cells = adder_cells(width + 1 if mixed else width - low, family)  # + 1: the carry in
    return _Sum(right.last, lo, hi, runs), cells


def joins_of(schedule: Schedule, left: int, right: int) -> set[Join]:
    """How two slots, counted from the last one, are joined in the steps that fill both."""
    found = {
        (kind[left][1] - kind[right][1], kind[left][0] != kind[right][0])
        for kind in schedule.kinds
        if -left <= len(kind)
    }
    return found or {(0, False)}


def _width(lo: int, hi: int) -> int:
    """Bits that hold all of ``[lo, hi]``."""
    if lo >= 0:
        return max(hi.bit_length(), 1)
    return max((-lo - 1).bit_length(), max(hi, 0).bit_length()) + 1
