"""Thresholds against brute force over the whole domain, and composition against evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from qcompiler.ir.nn import QuantSpec
from qcompiler.ir.types import IntType
from qcompiler.passes.clipped_affine import ClippedAffine

Array = np.ndarray[Any, Any]
SEEDS = range(40)


def random_function(rng: np.random.Generator, channels: int) -> ClippedAffine:
    """Scales of both signs and zero, some channels far outside the codes, clips of all kinds."""
    scale = rng.normal(0, 1, channels) * 10.0 ** rng.uniform(-3, 0.5, channels)
    scale[rng.random(channels) < 0.2] = 0
    function = ClippedAffine.affine(scale, rng.normal(0, 8, channels), channels)
    for _ in range(rng.integers(0, 3)):
        if rng.random() < 0.5:
            lo = float(rng.normal(0, 4))
            function = function.then_clip(lo, lo + float(rng.choice([0.0, 3.0, 9.0, np.inf])))
        else:
            factor = rng.normal(0, 1, channels)
            factor[rng.random(channels) < 0.2] = 0
            function = function.then_affine(factor, rng.normal(0, 4, channels))
    return function


def random_spec(rng: np.random.Generator) -> QuantSpec:
    bits = int(rng.integers(1, 7))
    lo = int(rng.choice([0, -(2 ** (bits - 1)), -(2 ** (bits - 1)) + 1, 3]))
    hi = max(lo + 2**bits - 1 - int(rng.integers(0, 2)), lo)
    step = float(10.0 ** rng.uniform(-2, 1))
    return QuantSpec.uniform(step, lo, hi, float(rng.choice([0.0, rng.normal(0, 3)])))


def by_table(thresholds: Array, table: Array, x: Array) -> Array:
    counts = (x[None, :, None] >= thresholds[:, None, :]).sum(axis=2)
    return np.take_along_axis(table, counts, axis=1)


@pytest.mark.parametrize("seed", SEEDS)
def test_thresholds_equal_the_definition_everywhere(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lo = int(rng.integers(-400, 300))
    domain = IntType(lo, lo + int(rng.integers(0, 700)))
    function, spec = random_function(rng, 9), random_spec(rng)
    thresholds, table = function.thresholds(domain, spec)
    x = np.arange(domain.lo, domain.hi + 1)
    expected = function.codes(np.broadcast_to(x, (9, len(x))), spec)
    np.testing.assert_array_equal(by_table(thresholds, table, x), expected)
    assert (np.diff(thresholds, axis=1) >= 0).all()
    assert thresholds.size == 0 or (thresholds.min(), thresholds.max()) >= (domain.lo, domain.lo)
    assert thresholds.size == 0 or thresholds.max() <= domain.hi + 1
    assert table.shape == (9, spec.hi - spec.lo + 1)


def test_extreme_domains_are_not_scanned() -> None:
    domain = IntType(-(2**40), 2**40)
    function = ClippedAffine.affine(2.0**-38, 0.0, 1)
    thresholds, _ = function.thresholds(domain, QuantSpec.uniform(1.0, -4, 4))
    # ties go to even: 0.5 rounds to 0, 1.5 to 2, 2.5 to 2, 3.5 to 4
    expected = np.array([-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5]) * 2**38
    beyond = np.abs(thresholds[0] - expected)
    assert (beyond <= 2.0**-24 * 2**38).all()


def test_a_hand_made_table() -> None:
    """relu(-2x + 3) in steps of 2: 3, 1 -> codes 2 (1.5 to even), 0 (0.5 to even)."""
    function = ClippedAffine.affine(-2.0, 3.0, 1).then_clip(0.0, np.inf)
    thresholds, table = function.thresholds(IntType(-2, 2), QuantSpec.uniform(2.0, 0, 3))
    np.testing.assert_array_equal(by_table(thresholds, table, np.arange(-2, 3)), [[3, 2, 2, 0, 0]])


def test_ends_of_thresholds_that_nothing_or_everything_passes() -> None:
    function = ClippedAffine.affine(np.array([0.0, 0.0]), np.array([100.0, -100.0]), 2)
    thresholds, table = function.thresholds(IntType(-5, 5), QuantSpec.uniform(1.0, 0, 2))
    np.testing.assert_array_equal(thresholds, [[-5, -5], [6, 6]])
    np.testing.assert_array_equal(table, [[0, 1, 2], [0, 1, 2]])


@pytest.mark.parametrize("seed", SEEDS)
def test_composition_is_evaluation_in_order(seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    x = rng.normal(0, 20, (4, 50))
    scale, shift = rng.normal(0, 1, 4), rng.normal(0, 1, 4)
    function, y = ClippedAffine.affine(scale, shift, 4), scale[:, None] * x + shift[:, None]
    for _ in range(4):
        factor, offset = rng.normal(0, 1, 4), rng.normal(0, 5, 4)
        factor[rng.integers(0, 4)] = 0
        function, y = function.then_affine(factor, offset), factor[:, None] * y + offset[:, None]
        lo = float(rng.normal(-3, 3))
        hi = lo + float(rng.choice([1.0, 8.0, np.inf]))
        function, y = function.then_clip(lo, hi), np.clip(y, lo, hi)
    spec = QuantSpec.uniform(1e-3, -(10**9), 10**9)
    assert np.abs(function.codes(x, spec) - np.rint(y / 1e-3)).max() <= 1
    assert not np.isnan(function.low).any() and not np.isnan(function.high).any()


def hard(rng: np.random.Generator, channels: int) -> ClippedAffine:
    """One or two h-swishes between random functions; h-sigmoids now and then."""
    function = random_function(rng, channels)
    for _ in range(int(rng.integers(1, 3))):
        function = function.then_hard_swish()
        if rng.random() < 0.6:
            function = function.then_affine(rng.normal(0, 2, channels), rng.normal(0, 1, channels))
        if rng.random() < 0.4:
            function = function.then_clip(-0.25, float(rng.choice([1.0, np.inf])))
        if rng.random() < 0.2:
            function = function.then_hard_sigmoid()
    return function


def by_torch(x: Array) -> Array:
    return np.asarray(F.hardswish(torch.from_numpy(x)).numpy())


def test_hard_activations_are_those_of_torch() -> None:
    x = np.linspace(-6, 6, 241)[None]
    plain = ClippedAffine.affine(1.0, 0.0, 1)
    np.testing.assert_allclose(plain.then_hard_swish().values(x), by_torch(x), atol=1e-15)
    found = plain.then_hard_swish().then_affine(2.0, -1.0).then_hard_swish().values(x)
    np.testing.assert_allclose(found, by_torch(2 * by_torch(x) - 1), atol=1e-15)
    sigmoid = F.hardsigmoid(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(plain.then_hard_sigmoid().values(x), sigmoid, atol=1e-15)


@given(seed=st.integers(0, 10**6), lo=st.integers(-500, 300), size=st.integers(0, 600))
def test_turning_thresholds_equal_the_definition_everywhere(seed: int, lo: int, size: int) -> None:
    rng, domain = np.random.default_rng(seed), IntType(lo, lo + size)
    function, spec = hard(rng, 5), random_spec(rng)
    thresholds, table = function.thresholds(domain, spec)
    x = np.arange(domain.lo, domain.hi + 1)
    expected = function.codes(np.broadcast_to(x, (5, len(x))), spec)
    np.testing.assert_array_equal(by_table(thresholds, table, x), expected)
    assert (np.diff(thresholds, axis=1) >= 0).all()
    changes = (np.diff(expected, axis=1) != 0).sum(axis=1)
    assert thresholds.shape == (5, max(1, changes.max())), "no more than there are changes"
    assert table.shape == (5, thresholds.shape[1] + 1)
    assert ((thresholds <= domain.hi).sum(axis=1) == changes).all()


def test_an_h_swish_by_hand() -> None:
    """In steps of 1/8, x/2: falls from 0 to -3 at x = -3 and rises again."""
    function = ClippedAffine.affine(0.5, 0.0, 1).then_hard_swish()
    thresholds, table = function.thresholds(IntType(-8, 3), QuantSpec.uniform(0.125, -7, 7))
    np.testing.assert_array_equal(thresholds, [[-5, -4, -1, 0, 1, 2, 3]])
    np.testing.assert_array_equal(table, [[0, -2, -3, -2, 0, 2, 5, 7]])


@pytest.mark.parametrize("scale", [1e-3, -1e-3])
def test_fine_steps_around_the_turn(scale: float) -> None:
    """Codes so fine that a piece which ends anywhere but at the turn would miss some."""
    function = ClippedAffine.affine(scale, -1.5 + 0.3 * scale, 1).then_hard_swish()
    domain, spec = IntType(-200, 220), QuantSpec.uniform(1e-7, -(2**22), 2**22)
    thresholds, table = function.thresholds(domain, spec)
    x = np.arange(domain.lo, domain.hi + 1)
    np.testing.assert_array_equal(by_table(thresholds, table, x), function.codes(x[None], spec))


def test_large_turning_domains_are_not_scanned() -> None:
    function = ClippedAffine.affine(2.0**-36, 0.0, 1).then_hard_swish()
    thresholds, table = function.thresholds(IntType(-(2**40), 2**40), QuantSpec.uniform(1.0, -4, 4))
    np.testing.assert_array_equal(table, [[0, 1, 2, 3, 4]])
    x = thresholds[0] * 2.0**-36  # u(u + 3)/6 is 1/2 there, and so on
    codes = [0.5, 1.5, 2.5, 3.5]
    np.testing.assert_allclose(by_torch(x), codes, atol=1e-6)


def test_one_function_for_all_channels() -> None:
    function = ClippedAffine.affine(2.0, 1.0, 3).then_hard_swish().then_clip(0.0, 1.0)
    one = function.one()
    assert one is not None and one.inner is not None and len(one.scale) == len(one.inner.scale) == 1
    shift = np.array([0.0, 0.0, 1.0])
    assert function.then_affine(1.0, shift).one() is None
    assert ClippedAffine.affine(2.0, shift, 3).then_hard_swish().one() is None


def test_plain() -> None:
    function = ClippedAffine.affine(2.0, 0.0, 3)
    assert function.plain()
    assert function.then_affine(np.array([1.0, -2.0, 3.0]), np.zeros(3)).plain()
    assert not function.then_clip(0.0, np.inf).plain()
    assert not function.then_hard_swish().plain() and not function.then_hard_sigmoid().plain()
    assert not function.then_affine(np.array([1.0, 0.0, 3.0]), np.zeros(3)).plain()
