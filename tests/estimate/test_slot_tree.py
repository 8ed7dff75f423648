"""Registers and carry cells of the slot tree, against the generator's plan of it."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.estimate.carry import adder_cells
from qcompiler.estimate.slot_tree import slot_registers
from qcompiler.hardware.array import ArrayUnit
from qcompiler.ir.plane_steps import PlaneList, Schedule
from qcompiler.ir.planes import Planes
from qcompiler.ir.types import IntType

PLAIN: tuple[PlaneList, ...] = (((-1, 3), (1, 2), (1, 1), (1, 0)),)
MIXED: tuple[PlaneList, ...] = (
    ((-1, 9), (1, 8), (-1, 6), (1, 5), (1, 1)),
    ((1, 6), (-1, 6), (1, 0)),
    ((-1, 4), (-1, 1)),
)


@pytest.mark.parametrize("lists", [PLAIN, MIXED])
@pytest.mark.parametrize("slots", [1, 2, 3, 4, 5])
def test_registers_are_those_of_the_generator(lists: tuple[PlaneList, ...], slots: int) -> None:
    planes = [
        Planes(*zip(*each, strict=True), np.ones((len(each), 2, 1, 1, 8), np.uint8))
        for each in lists
    ]
    unit = ArrayUnit.build(
        "y", planes=planes, groups=1, pe=2, simd=8, planes_per_cycle=slots,
        act_bits=4, act_signed=False, acc_bits=20,
    )  # fmt: skip
    found = slot_registers(Schedule(lists, slots), IntType(0, 8 * 15), "ecp5")
    assert found.width == unit.term.width
    assert found.ff == sum(merge.out.width for merge in unit.merges)
    joins = [merge for merge in unit.merges if merge.right is not None]
    first = min((merge.stage for merge in unit.merges), default=0)
    assert found.asked == tuple(sorted({m.stage - first for m in joins if m.by_kind}))
    cells = 0
    for merge in joins:
        low = 0 if merge.mixed else min(merge.shifts)
        cells += adder_cells(merge.out.width + merge.mixed - low, "ecp5")
    assert found.carry == cells


def test_low_bits_pass_in_shift_registers_of_xilinx() -> None:
    """Of eight planes: two bits of the left half for three registers, of the right one four."""
    planes: PlaneList = tuple((1, 7 - k) for k in range(8))
    registers = slot_registers(Schedule((planes,), 8), IntType(0, 255), "xc7")
    plain = slot_registers(Schedule((planes,), 8), IntType(0, 255), "ecp5")
    assert registers.shift == 3  # bit 0 of both halves, bit 1 of the right one
    assert plain.ff - registers.ff == 3 + 4 + 3 and plain.shift == 0
