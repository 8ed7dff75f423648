"""Bit planes stand for exactly the weights they encode, and hold no dead plane."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcompiler.ir.planes import Planes, encode, sign_magnitude, twos_complement

Array = np.ndarray[Any, Any]
ENCODERS = [twos_complement, sign_magnitude, encode]


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
    ],
)
def test_the_shortest_list(values: list[int], signs: tuple[int], exps: tuple[int]) -> None:
    weight = np.array(values).reshape(-1, 1, 1, 1)
    planes = encode(weight)
    check(planes, weight)
    assert (planes.signs, planes.exps) == (signs, exps)


@given(st.lists(st.integers(-40, 40), min_size=1, max_size=12))
def test_never_longer_than_either_list(values: list[int]) -> None:
    weight = np.array(values).reshape(-1, 1, 1, 1)
    lengths = len(twos_complement(weight)), len(sign_magnitude(weight))
    assert len(encode(weight)) == min(lengths)
