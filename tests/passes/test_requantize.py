"""ScaleShift: what it computes, and how its differences from exact rounding are counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qcompiler.ir import integer
from qcompiler.ir.nn import QuantSpec
from qcompiler.ir.types import IntType
from qcompiler.passes.clipped_affine import ClippedAffine
from qcompiler.passes.requantize import M_BITS, N_MAX, _differences, requantize, scale_shift
from tests.passes.test_clipped_affine import by_table, random_function, random_spec

Array = np.ndarray[Any, Any]

WIDE = IntType(-(2**20), 2**20)


def by_definition(op: integer.ScaleShift, x: Array) -> Array:
    """Python integers, so that nothing wraps."""
    rows = []
    for m, r in zip(op.m.tolist(), op.r.tolist(), strict=True):
        shifted = [(int(v) * m + r) >> op.n for v in x]
        rows.append([min(max(code, op.clamp.lo), op.clamp.hi) for code in shifted])
    return np.array(rows)


def random_op(rng: np.random.Generator, channels: int, spec: QuantSpec) -> integer.ScaleShift:
    """Multipliers of both signs and zero that have nothing to do with any function."""
    n = int(rng.integers(0, 12))
    m = rng.integers(-(2**n) - 2, 2**n + 3, channels)
    m[rng.random(channels) < 0.2] = 0
    r = rng.integers(-(2**n) * 20, 2**n * 20 + 1, channels)
    ends = np.sort(rng.integers(spec.lo, spec.hi + 1, 2))
    clamp = IntType(int(ends[0]), int(ends[1]))
    return integer.ScaleShift(m, r, n, clamp, IntType(spec.lo, spec.hi))


@pytest.mark.parametrize("seed", range(60))
def test_differences_against_brute_force(seed: int) -> None:
    """Of an op from the same function, and of an op from nowhere with the same direction."""
    rng = np.random.default_rng(seed)
    lo = int(rng.integers(-300, 100))
    domain = IntType(lo, lo + int(rng.integers(0, 500)))
    function, spec = random_function(rng, 6), random_spec(rng)
    x = np.arange(domain.lo, domain.hi + 1)
    exact = requantize(function, domain, spec, "exact").op
    assert isinstance(exact, integer.StepTable)
    want = by_table(exact.thresholds, exact.table, x)
    ops = [scale_shift(function, spec, domain), random_op(rng, 6, spec)]
    rising = function.scale >= 0
    for op in ops:
        if op is None:
            continue
        m = np.where(rising, np.abs(op.m), -np.abs(op.m))
        op = integer.ScaleShift(m, op.r, op.n, op.clamp, op.out)
        count = int((by_definition(op, x) != want).sum())
        # where codes differ by several, the distance in steps counts as that many values
        steps = int(np.abs(by_definition(op, x) - want).sum())
        found = _differences(op, exact, domain)
        zero = op.m == 0
        if zero.any():
            assert count <= found <= steps
        else:
            assert found == steps


@pytest.mark.parametrize("seed", range(40))
def test_scale_shift_is_off_by_one_at_rounding_boundaries_alone(seed: int) -> None:
    rng = np.random.default_rng([seed, 5])
    function = ClippedAffine.affine(rng.normal(0, 0.02, 5), rng.normal(0, 3, 5), 5)
    if seed % 2:
        function = function.then_clip(0.0, np.inf)
    spec = QuantSpec.uniform(0.1, *((0, 255) if seed % 2 else (-127, 127)))
    domain = IntType(-3000, 3000)
    chosen = requantize(function, domain, spec, "auto")
    assert isinstance(chosen.op, integer.ScaleShift)
    x = np.arange(domain.lo, domain.hi + 1)
    got = by_definition(chosen.op, x)
    want = function.codes(np.broadcast_to(x, (5, len(x))), spec)
    differs = got != want
    assert np.abs(got - want).max() <= 1
    assert int(differs.sum()) == chosen.differences
    assert chosen.domain == 5 * len(x)
    real = (function.scale[:, None] * x + function.shift[:, None]) / float(spec.step_in)
    # the error of m, at most half a unit of 2^-n, times x, and of r, one unit
    limit = (0.5 * np.abs(x) + 1) / 2.0**chosen.op.n
    boundary = np.abs(real - np.floor(real) - 0.5)
    assert (boundary <= limit)[differs].all()


def test_multipliers_use_their_width() -> None:
    function = ClippedAffine.affine(np.array([1e-3, -7e-4]), 0.0, 2)
    op = scale_shift(function, QuantSpec.uniform(0.5, -127, 127), WIDE)
    assert op is not None
    assert 2 ** (M_BITS - 1) <= np.abs(op.m).max() < 2**M_BITS
    assert op.n <= N_MAX and (op.m < 0).tolist() == [False, True]
    spec = QuantSpec.uniform(0.5, -127, 127)
    tiny = scale_shift(ClippedAffine.affine(1e-15, 0.0, 1), spec, WIDE)
    assert tiny is not None and tiny.n == N_MAX


def test_products_beyond_64_bits_get_a_step_table() -> None:
    function = ClippedAffine.affine(1e-15, 0.0, 1)
    domain = IntType(-(2**50), 2**50)
    spec = QuantSpec.uniform(0.5, -7, 7)
    assert scale_shift(ClippedAffine.affine(1.0, 0.0, 1), spec, domain) is None
    assert isinstance(requantize(function, domain, spec, "exact").op, integer.StepTable)


def test_rounds_half_up() -> None:
    spec = QuantSpec.uniform(1.0, -127, 127)
    op = scale_shift(ClippedAffine.affine(0.5, 0.0, 1), spec, WIDE)
    assert op is not None
    np.testing.assert_array_equal(
        by_definition(op, np.arange(-4, 5))[0], [-2, -1, -1, 0, 0, 1, 1, 2, 2]
    )


@pytest.mark.parametrize(
    ("mode", "hi", "kind"),
    [
        ("auto", 15, integer.StepTable),
        ("auto", 16, integer.ScaleShift),
        ("exact", 255, integer.StepTable),
        ("scale", 3, integer.ScaleShift),
    ],
)
def test_choice(mode: str, hi: int, kind: type) -> None:
    function = ClippedAffine.affine(0.01, 0.3, 2)
    chosen = requantize(function, IntType(-500, 500), QuantSpec.uniform(0.1, 0, hi), mode)
    assert isinstance(chosen.op, kind)


def test_step_tables_where_channels_clip_apart_or_scales_are_too_large() -> None:
    function = ClippedAffine.affine(0.01, 0.0, 2).then_clip(0.0, np.inf)
    apart = function.then_affine(np.ones(2), np.array([0.0, 5.0]))
    spec = QuantSpec.uniform(0.1, 0, 255)
    domain = IntType(-500, 500)
    assert isinstance(requantize(function, domain, spec, "scale").op, integer.ScaleShift)
    assert isinstance(requantize(apart, domain, spec, "scale").op, integer.StepTable)
    huge = ClippedAffine.affine(1e6, 0.0, 1)
    assert isinstance(requantize(huge, domain, spec, "scale").op, integer.StepTable)


@pytest.mark.parametrize("mode", ["auto", "exact"])
@pytest.mark.parametrize("channels", [1, 16])
def test_codes_are_looked_up_where_that_takes_less_memory(mode: str, channels: int) -> None:
    """256 entries of 4 bits for all channels, or 15 thresholds of 8 bits for each of them."""
    function = ClippedAffine.affine(0.02, 0.01, channels).then_hard_swish()
    domain, spec = IntType(-128, 127), QuantSpec.uniform(0.11, -7, 7)
    chosen = requantize(function, domain, spec, mode, of_codes=True)
    x = np.arange(-128, 128)
    if channels == 1:
        assert isinstance(chosen.op, integer.StepTable)
    else:
        assert isinstance(chosen.op, integer.Lookup)
        expected = function.codes(np.broadcast_to(x, (channels, 256)), spec)
        np.testing.assert_array_equal(np.tile(chosen.op.table, (channels, 1)), expected)
    assert chosen.differences == 0
    assert not isinstance(requantize(function, domain, spec, mode).op, integer.Lookup)


def test_no_lookup_of_more_codes_than_it_holds_or_of_channels_that_differ() -> None:
    spec = QuantSpec.uniform(0.1, 0, 15)
    same = ClippedAffine.affine(0.01, 0.0, 5000)
    for hi, kind in ((4095, integer.Lookup), (4096, integer.StepTable)):
        chosen = requantize(same, IntType(0, hi), spec, "auto", of_codes=True)
        assert isinstance(chosen.op, kind)
    apart = ClippedAffine.affine(np.linspace(0.01, 0.02, 5000), 0.0, 5000)
    chosen = requantize(apart, IntType(0, 255), spec, "auto", of_codes=True)
    assert isinstance(chosen.op, integer.StepTable)


def test_all_scales_zero() -> None:
    chosen = requantize(
        ClippedAffine.affine(0.0, 1.26, 1), IntType(-9, 9), QuantSpec.uniform(0.1, 0, 255), "scale"
    )
    assert isinstance(chosen.op, integer.ScaleShift)
    assert (by_definition(chosen.op, np.arange(-9, 10)) == 13).all()
    assert chosen.differences == 0
