"""The Winograd unit's price against what Yosys 0.70 makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.estimate.model import module_cost
from qcompiler.ir import hardware as hw
from qcompiler.ir.types import IntType


def unit(m: int, pe: int, simd: int, channels: int = 64) -> tuple[hw.Winograd, hw.StreamType]:
    """A layer of ±63 x ±63 on 32x32 outputs."""
    w = np.random.default_rng(0).integers(-63, 64, (channels, channels, 3, 3))
    reach = int(np.abs(w).sum((1, 2, 3)).max()) * 63
    op = hw.Winograd("y", w, m, (channels, 32, 32), IntType(-reach, reach), pe=pe, simd=simd)
    side = op.tile.cover(32)
    return op, hw.StreamType("x", (channels, side, side), IntType(-63, 63), simd, op.order)


@pytest.mark.parametrize(
    ("family", "lut", "ff", "carry", "bram"),
    [("ecp5", 2753, 3567, 758, 50), ("xc7", 1574, 1669, 241, 48)],
)
def test_a_whole_unit(family: str, lut: int, ff: int, carry: int, bram: int) -> None:
    op, x = unit(2, 8, 8)
    cost = module_cost(op, [x], op.infer([x]), family)
    assert cost.lut == pytest.approx(lut, rel=0.15)
    assert cost.ff == pytest.approx(ff, rel=0.02)
    assert cost.carry == pytest.approx(carry, abs=2)
    assert (cost.bram, cost.dsp) == (bram, 64)


@pytest.mark.parametrize("family", ["ecp5", "xc7"])
def test_a_multiplier_for_each_pe_and_lane(family: str) -> None:
    for m, pe, simd in ((2, 4, 2), (4, 2, 8), (4, 1, 1)):
        op, x = unit(m, pe, simd, 16)
        assert module_cost(op, [x], op.infer([x]), family).dsp == pe * simd


def test_lanes_that_take_turns_are_cheap() -> None:
    """Few input words and many output beats leave no time for turns, so transforms are wide."""
    op, x = unit(2, 8, 8)
    wide, y = unit(2, 8, 64)  # one word: no turns behind the products
    narrow = module_cost(op, [x], op.infer([x]), "ecp5")
    assert module_cost(wide, [y], wide.infer([y]), "ecp5").lut > narrow.lut
    assert (op.plan(x.elem).output_turns, wide.plan(y.elem).output_turns) == (8, 1)
