"""Names and slices of the hard-wired unit, and what cannot be; it is simulated in tests/rtl."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.errors import GraphError
from qcompiler.hardware.hardwired import HardwiredUnit
from qcompiler.ir import hardware as hw
from qcompiler.ir.types import IntType


def wired(weight: list[list[int]], pe: int = 1, simd: int = 1, digit: int = 1) -> hw.Hardwired:
    w = np.array(weight)[:, :, None, None]
    return hw.Hardwired("y", w, (len(w), 1, 1), IntType(-1000, 1000), pe, simd, digit)


def stream(lanes: int, channels: int = 4, repeat: int = 1) -> hw.StreamType:
    order = hw.Order((1, 1), (1, 1), (1, 1), 1, repeat)
    return hw.StreamType("x", (channels, 1, 1), IntType(-8, 7), lanes, order)


def test_the_op_takes_a_window_once() -> None:
    op = wired([[1, 2, 3, 4], [5, 6, 7, 8]], pe=2, simd=2)
    (y,) = op.infer([stream(2)])
    assert (y.shape, y.lanes, op.beats, op.words) == ((2, 1, 1), 2, 2, 1)
    for wrong in (stream(1), stream(2, repeat=3)):
        with pytest.raises(GraphError, match="takes a window stream of 2 lanes, read once"):
            op.infer([wrong])
    with pytest.raises(GraphError, match="3 PE and 2 SIMD do not divide"):
        op.folded(3, 2).infer([stream(2)])
    with pytest.raises(GraphError, match="conv: 2 outputs of 4 inputs do not fold to 3 × 2"):
        HardwiredUnit.of("conv", op.folded(3, 2), IntType(-8, 7))


def test_cycles_are_those_of_the_slowest_part() -> None:
    op = wired([[1, 2, 3, 4], [5, 6, 7, 8]])
    assert op.pace == 11  # bits of a result
    assert op.folded(1, 1, 4).pace == 4  # input beats
    assert op.folded(2, 4, 4).pace == 3
    assert op.folded(2, 4, 4).plan(IntType(0, 1)).period == 3


def test_low_zeros_of_results_are_not_computed() -> None:
    op = wired([[8, 16, -8, 24]], pe=1, simd=4)
    plan = op.plan(IntType(-8, 7))
    assert plan.bits == 11 - 3
    assert HardwiredUnit.of("u", op, IntType(-8, 7)).result(0).endswith(", 3'd0}")


def test_what_cannot_be_wired() -> None:
    assert hw.unwirable(np.ones((4, 4, 3, 3)), 1) is None
    assert hw.unwirable(np.ones((4, 2, 3, 3)), 2) == "it has 2 groups"
    many = np.full((64, 64, 3, 3), 5)
    assert "pairs of digits, more than 400,000" in str(hw.unwirable(many, 1))
