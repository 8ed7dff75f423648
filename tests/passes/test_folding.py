"""Foldings of one array: all of them, priced, and the front that remains."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcompiler.ir import hardware as hw
from qcompiler.ir.types import IntType
from qcompiler.passes.folding import (
    Worth,
    cheapest,
    divisors,
    engine_foldings,
    fewest_lanes,
    front,
)

SHAPE = (6, 5, 5)


def array(groups: int = 1, planes: int = 4) -> hw.BitSerialArray:
    """Every channel needs all planes: each weight is a power of two, or zero if there is none."""
    powers = np.array([1 << e for e in range(planes)] or [0], np.int64)
    weight = np.broadcast_to(np.resize(powers, (6 // groups, 3, 3)), (8, 6 // groups, 3, 3)).copy()
    signs, exps = (1,) * planes, tuple(range(planes))
    return hw.BitSerialArray("a", weight, signs, exps, (8, 3, 3), IntType(0, 99), groups)


def figures(pe: int, simd: int, planes: int) -> tuple[float, int, int]:
    return pe * (3.0 + simd * planes) + 10 * planes, -(-pe * simd * planes // 8), pe * simd


def price(op: hw.BitSerialArray) -> tuple[float, int, int]:
    return figures(op.pe, op.simd, op.planes)


@given(st.integers(1, 500))
def test_divisors(n: int) -> None:
    assert list(divisors(n)) == [d for d in range(1, n + 1) if n % d == 0]


def test_filling_the_line_buffer_takes_its_time() -> None:
    """A stride skips most of what comes in: 40x40 pixels of 6 channels for 3x3 outputs."""
    best = front(engine_foldings(array(), (6, 40, 40), price), Worth())
    assert best[-1].cycles == 1600 and best[-1].simd == 6


@pytest.mark.parametrize("worth", [Worth(), Worth(3.5), Worth(100.0, 1.0), Worth(0.0, 20.0)])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("planes", [0, 1, 3, 4, 7])
def test_front(groups: int, planes: int, worth: Worth) -> None:
    def weighed(pe: int, simd: int, planes: int) -> float:
        lut, bram, dsp = figures(pe, simd, planes)
        return lut + worth.block * bram + worth.multiplier * dsp

    best = front(engine_foldings(array(groups, planes), SHAPE, price), worth)
    prices = [f.price(worth) for f in best]
    assert all(a < b for a, b in pairwise(prices))
    assert all(a.cycles > b.cycles for a, b in pairwise(best))
    count = max(planes, 1)
    every = []
    for pe in divisors(8 // groups):
        for simd in divisors(6 // groups):
            for slots in range(1, count + 1):
                folds = -(-count // slots)
                work = 9 * (8 // pe) * folds * 9 * (6 // groups // simd)
                cycles = max(work, 25 * 6 // simd, 9 * 8 // pe)
                every.append((cycles, weighed(pe, simd, slots)))
    for target in sorted({c for c, _ in every} | {1, 10**9}):
        pick = cheapest(best, target)
        within = [cost for cycles, cost in every if cycles <= target]
        assert (pick is None) == (not within)
        if pick is not None:
            assert pick.price(worth) == min(within) and pick.cycles <= target
            assert (pick.lut, pick.bram, pick.dsp) == figures(pick.pe, pick.simd, pick.planes)


@given(
    pixels=st.integers(1, 50),
    cycles=st.integers(0, 2000),
    channels=st.lists(st.integers(0, 48), min_size=1, max_size=3).filter(lambda c: c[0] > 0),
)
def test_fewest_lanes(pixels: int, cycles: int, channels: list[int]) -> None:
    lanes = fewest_lanes(pixels, cycles, *channels)
    common = [d for d in range(1, channels[0] + 1) if all(c % d == 0 for c in channels)]
    enough = [d for d in common if pixels * channels[0] // d <= cycles]
    assert lanes == (enough[0] if enough else common[-1])
