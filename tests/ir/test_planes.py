"""Bit planes stand for exactly the weights they encode, and hold no dead plane."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcompiler.ir.planes import (
    Planes,
    canonical,
    encode,
    sign_magnitude,
    signed_digits,
    twos_complement,
)

Array = np.ndarray[Any, Any]
PARTS = [twos_complement, sign_magnitude, canonical]
ENCODERS = [*PARTS, encode]


def check(planes: Planes, weight: Array) -> None:
    np.testing.assert_array_equal(planes.weights(), weight)
    assert planes.bits.dtype == np.uint8
    assert planes.bits.shape == (len(planes), *weight.shape)
    assert all(plane.any() for plane in planes.bits), "a dead plane"
    assert planes.bits.size == 0 or planes.bits.max() == 1
    assert list(planes.exps) == sorted(planes.exps, reverse=True), "most significant first"
    assert len(set(zip(planes.signs, planes.exps, strict=True))) == len(planes)


@pytest.mark.parametrize("encoder", ENCODERS)
@given(values=st.lists(st.integers(-300, 300), min_size=1, max_size=24))
def test_any_range(encoder: Any, values: list[int]) -> None:
    weight = np.array(values, np.int64).reshape(1, -1, 1, 1)
    check(encoder(weight), weight)


@pytest.mark.parametrize("encoder", ENCODERS)
@given(
    ends=st.tuples(st.integers(-(2**20), 2**20), st.integers(-(2**20), 2**20)),
    seed=st.integers(0, 2**32),
)
def test_random_ranges(encoder: Any, ends: tuple[int, int], seed: int) -> None:
    lo, hi = sorted(ends)
    weight = np.random.default_rng(seed).integers(lo, hi + 1, (3, 2, 2, 1))
    check(encoder(weight), weight)


@pytest.mark.parametrize(
    ("values", "signs", "exps"),
    [
        ([0, 0], (), ()),
        ([1, 0], (1,), (0,)),
        ([-1, 0], (-1,), (0,)),
        ([-1, 1], (-1, 1), (1, 0)),  # of two lists as long, two's complement
        ([4, 0], (1,), (2,)),
        ([-4, -4], (-1,), (2,)),
        ([9, 1], (1, 1), (3, 0)),  # a gap of two dead planes
        ([-8, 0], (-1,), (3,)),
        ([-3, -1], (-1, -1), (1, 0)),
        ([-9, 9], (-1, 1, -1, 1), (3, 3, 0, 0)),
        ([-7, 7, 5], (-1, 1, 1, 1), (3, 2, 1, 0)),
        ([7, 0], (1, -1), (3, 0)),  # 8 - 1: canonical
        ([-31, 0], (-1, 1), (5, 0)),  # of three lists as long, two's complement
        ([240, 0, -240], (-1, 1, -1, 1), (8, 8, 4, 4)),  # ±(256 - 16): a gap of three planes
        ([31, -32, 15], (-1, 1, 1, -1), (5, 5, 4, 0)),
        ([36, -32, -28, -4], (-1, 1, -1, 1), (5, 5, 2, 2)),  # -28 = -32 + 4
    ],
)
def test_the_shortest_list(values: list[int], signs: tuple[int], exps: tuple[int]) -> None:
    weight = np.array(values).reshape(-1, 1, 1, 1)
    planes = encode(weight)
    check(planes, weight)
    assert (planes.signs, planes.exps) == (signs, exps)


@given(st.lists(st.integers(-40, 40), min_size=1, max_size=12))
def test_never_longer_than_the_shortest_part(values: list[int]) -> None:
    weight = np.array(values).reshape(-1, 1, 1, 1)
    chosen, lengths = encode(weight), [len(part(weight)) for part in PARTS]
    assert len(chosen) == min(lengths)
    first = PARTS[lengths.index(len(chosen))](weight)
    assert (chosen.signs, chosen.exps) == (first.signs, first.exps), "the order decides ties"


@given(st.integers(-(2**40), 2**40))
def test_canonical_digits_have_no_neighbours(value: int) -> None:
    planes = canonical(np.array([value]))
    exps = list(planes.exps)
    assert all(high - low >= 2 for high, low in pairwise(exps))
    assert len(exps) <= (abs(value).bit_length() + 1) // 2 + 1
    assert len(exps) <= min(len(twos_complement(np.array([value]))), abs(value).bit_count())


@pytest.mark.parametrize("winner", PARTS)
def test_each_wins_somewhere(winner: Any) -> None:
    values = {
        twos_complement: range(-8, 8),
        sign_magnitude: (48, 32, 16, -1),
        canonical: (15, 60, 240, 0),
    }
    weight = np.array(values[winner]).reshape(-1, 1, 1, 1)
    lengths = [len(part(weight)) for part in PARTS]
    assert lengths.index(min(lengths)) == PARTS.index(winner)
    assert len(encode(weight)) == min(lengths)


@given(exps=st.sets(st.integers(0, 12), min_size=1, max_size=4), seed=st.integers(0, 2**32))
def test_masks_of_a_bit_level_training(exps: set[int], seed: int) -> None:
    """Signed sums of the same few powers of two, as a training of masked bits leaves them."""
    live = sorted(exps)
    digits = np.random.default_rng(seed).integers(-1, 2, (len(live), 4, 3, 1, 1))
    weight = np.tensordot(np.array([1 << e for e in live]), digits, 1)
    planes = encode(weight)
    check(planes, weight)
    assert len(planes) <= live[-1] - live[0] + 2, "no more than two's complement from end to end"
    if all(high - low >= 2 for low, high in pairwise(live)):
        assert len(planes) <= 2 * len(live), "a plane for each sign"


@given(st.integers(-(1 << 40), 1 << 40))
def test_signed_digits_are_canonical(value: int) -> None:
    digits = signed_digits(value)
    assert sum(sign << place for place, sign in digits) == value
    assert all(high - low > 1 for (low, _), (high, _) in pairwise(digits))
