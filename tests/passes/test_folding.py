"""Foldings of one array: all of them, and their cycles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcompiler.ir import hardware as hw
from qcompiler.ir.types import IntType
from qcompiler.passes.folding import divisors, engine_foldings, fewest_lanes

SHAPE = (6, 5, 5)


def array(groups: int = 1, planes: int = 4) -> hw.BitSerialArray:
    """Every channel needs all planes: each weight is a power of two, or zero if there is none."""
    powers = np.array([1 << e for e in range(planes)] or [0], np.int64)
    weight = np.broadcast_to(np.resize(powers, (6 // groups, 3, 3)), (8, 6 // groups, 3, 3)).copy()
    signs, exps = (1,) * planes, tuple(range(planes))
    return hw.BitSerialArray("a", weight, signs, exps, (8, 3, 3), IntType(0, 99), groups)


@given(st.integers(1, 500))
def test_divisors(n: int) -> None:
    assert list(divisors(n)) == [d for d in range(1, n + 1) if n % d == 0]


def test_filling_the_line_buffer_takes_its_time() -> None:
    """A stride skips most of what comes in: 40x40 pixels of 6 channels for 3x3 outputs."""
    found = engine_foldings(array(), (6, 40, 40))
    fastest = min(found, key=lambda f: f.cycles)
    assert fastest.cycles == 1600 and fastest.simd == 6


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("planes", [0, 1, 3, 4, 7])
def test_every_folding_and_its_cycles(groups: int, planes: int) -> None:
    count = max(planes, 1)
    every = {}
    for pe in divisors(8 // groups):
        for simd in divisors(6 // groups):
            for slots in range(1, count + 1):
                folds = -(-count // slots)
                work = 9 * (8 // pe) * folds * 9 * (6 // groups // simd)
                every[pe, simd, folds] = max(work, 25 * 6 // simd, 9 * 8 // pe)
    op = array(groups, planes)
    found = engine_foldings(op, SHAPE)
    ways = {(f.pe, f.simd, -(-count // f.planes)): f.cycles for f in found if not f.per_fold}
    assert ways == every
    for folding in found:
        folded = folding.applied(op)
        assert isinstance(folded, hw.BitSerialArray)
        assert (folded.pe, folded.simd, folded.planes) == (folding.pe, folding.simd, folding.planes)
        assert folded.per_fold == folding.per_fold


@given(
    beats=st.integers(1, 2000),
    cycles=st.integers(0, 2000),
    lanes=st.sets(st.integers(1, 48), min_size=1).map(sorted),
)
def test_fewest_lanes(beats: int, cycles: int, lanes: list[int]) -> None:
    found = fewest_lanes(lanes, beats, cycles)
    enough = [n for n in lanes if beats // n <= cycles]
    assert found == (enough[0] if enough else lanes[-1])
