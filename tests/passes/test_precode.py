"""ScaleShift to a pre-code and a Lookup of that: how far from the exact step table, and counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qcompiler.ir import integer
from qcompiler.ir.nn import QuantSpec
from qcompiler.ir.types import IntType
from qcompiler.passes.clipped_affine import ClippedAffine
from qcompiler.passes.precode import PRE_BITS, code_differences, pre_quantizer
from qcompiler.passes.requantize import FEW, requantize
from tests.passes.test_clipped_affine import by_table
from tests.passes.test_requantize import by_definition

Array = np.ndarray[Any, Any]
SPECS = {
    "signed": QuantSpec.uniform(6 / 127, -127, 127),
    "from -3/8": QuantSpec(np.array(6 / 255), np.array(5 / 255), np.array(-0.375), 0, 255),
    "with a zero point": QuantSpec.uniform(2 / 255, 0, 255, -48 * 2 / 255),
    "6 bits": QuantSpec.uniform(6 / 63, 0, 63, -0.375),
}


def layer(rng: np.random.Generator, channels: int = 6) -> ClippedAffine:
    scale = rng.normal(0, 0.004, channels)
    scale[rng.integers(0, channels)] = 0
    return ClippedAffine.affine(scale, rng.normal(0, 1, channels), channels).then_hard_swish()


def looked_up(pre: integer.ScaleShift, op: integer.Lookup, x: Array) -> Array:
    return np.asarray(op.table[by_definition(pre, x) - pre.out.lo])


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_few_codes_differ_by_one_and_all_are_counted(spec: QuantSpec, seed: int) -> None:
    function, domain = layer(np.random.default_rng(seed)), IntType(-1500, 1600)
    chosen = requantize(function, domain, spec, "auto")
    assert chosen.kind == "ScaleShift+Lookup" and chosen.pre is not None
    assert isinstance(chosen.op, integer.Lookup)
    assert chosen.pre.out.lo == 0 and len(chosen.op.table) == chosen.pre.out.hi + 1 <= 2**PRE_BITS
    x = np.arange(domain.lo, domain.hi + 1)
    got = looked_up(chosen.pre, chosen.op, x)
    want = function.codes(np.broadcast_to(x, got.shape), spec)
    assert np.abs(got - want).max() <= 1
    assert int((got != want).sum()) == chosen.differences
    assert chosen.domain == got.size
    assert chosen.differences <= (FEW if len(chosen.op.table) <= 2048 else 0.05) * got.size


@pytest.mark.parametrize("seed", range(20))
def test_differences_of_unrelated_tables_are_counted(seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    domain = IntType(-int(rng.integers(0, 300)), int(rng.integers(0, 300)))
    out = IntType(-3, int(rng.integers(4, 60)))
    n = int(rng.integers(0, 9))
    m, r = rng.integers(-(2**n), 2**n + 1, 4), rng.integers(-(2**n) * 9, 2**n * 9, 4)
    pre = integer.ScaleShift(m, r, n, out, out)
    op = integer.Lookup(rng.integers(0, 4, out.hi - out.lo + 1), IntType(0, 3))
    thresholds = np.sort(rng.integers(domain.lo - 9, domain.hi + 9, (4, 5)), axis=1)
    exact = integer.StepTable(thresholds, rng.integers(0, 4, (4, 6)), IntType(0, 3))
    x = np.arange(domain.lo, domain.hi + 1)
    want = by_table(exact.thresholds, exact.table, x)
    differing = int((looked_up(pre, op, x) != want).sum())
    assert code_differences(pre, op, exact, domain) == differing


def test_ties_of_the_straight_part_are_ties_of_the_grid() -> None:
    """From 3 on h-swish is the identity: no code may differ there but by the multiplier's error."""
    function = ClippedAffine.affine(1 / 512, 0.0, 1).then_hard_swish()
    spec = QuantSpec.uniform(7 / 127, -127, 127)
    chosen = requantize(function, IntType(3 * 512, 8 * 512), spec, "auto")
    assert chosen.pre is not None and chosen.differences <= 2


def test_the_narrowest_pre_code_that_will_do() -> None:
    function, domain = layer(np.random.default_rng(0)), IntType(-1500, 1600)
    few = requantize(function, domain, QuantSpec.uniform(6 / 31, 0, 31, -0.375), "auto")
    many = requantize(function, domain, SPECS["from -3/8"], "auto")
    assert isinstance(few.op, integer.Lookup) and isinstance(many.op, integer.Lookup)
    assert len(few.op.table) <= 2**9 < len(many.op.table)


@pytest.mark.parametrize(
    "function",
    [
        layer(np.random.default_rng(1)).then_affine(np.array([1.0, 2, 1, 1, 1, 1]), np.zeros(6)),
        layer(np.random.default_rng(1)).then_affine(0.0, 1.0),
        ClippedAffine.affine(1e9, 0.0, 2).then_hard_swish(),
        ClippedAffine.affine(0.0, -9.0, 2).then_hard_swish(),
    ],
    ids=["channels differ behind", "constant", "scale too large", "flat"],
)
def test_step_tables_where_there_is_no_pre_code(function: ClippedAffine) -> None:
    domain, spec = IntType(-500, 500), SPECS["signed"]
    chosen = requantize(function, domain, spec, "auto")
    assert isinstance(chosen.op, integer.StepTable) and chosen.pre is None
    assert chosen.differences == 0


def test_modes() -> None:
    function, domain = layer(np.random.default_rng(2)), IntType(-500, 500)
    kinds = {
        (mode, bits): requantize(
            function, domain, QuantSpec.uniform(6 / (2**bits - 1), 0, 2**bits - 1, -0.375), mode
        ).kind
        for mode in ("auto", "exact", "scale")
        for bits in (4, 5)
    }
    both = "ScaleShift+Lookup"
    assert [kinds[mode, 4] for mode in ("auto", "exact", "scale")] == ["StepTable"] * 2 + [both]
    assert [kinds[mode, 5] for mode in ("auto", "exact", "scale")] == [both, "StepTable", both]


def test_the_grid_covers_what_the_codes_depend_on() -> None:
    function, spec = layer(np.random.default_rng(3)), SPECS["from -3/8"]
    grid = pre_quantizer(function, IntType(-5000, 5000), spec, 12)
    assert grid is not None
    values = grid.values()
    assert values[0] <= -3 and values[-1] >= 6 - 0.375 - 6 / 255
    assert grid.spec.hi <= 4095
    parts = float(spec.step_in) / float(grid.spec.step_in)
    assert round(parts) % 2 == 1 and parts == pytest.approx(round(parts))


def test_a_pre_code_that_loses_a_channel_is_not_taken() -> None:
    """The shift fits the steepest channel; one 2^20 times flatter would get the multiplier 0."""
    scale = np.array([0.5, 0.5 / 2**20] * 3)
    function = ClippedAffine.affine(scale, -1.0, 6).then_hard_swish()
    chosen = requantize(function, IntType(-(2**22), 2**22), SPECS["signed"], "auto")
    assert chosen.kind == "StepTable" and chosen.differences == 0
