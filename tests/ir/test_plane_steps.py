"""The steps of plane lists: as few as can be, ending alike, and joined to the right sum."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcompiler.ir import hardware as hw
from qcompiler.ir.plane_steps import Boundary, Result, Schedule, Start, step_count
from qcompiler.ir.planes import FoldPlanes, encode, encode_folds
from qcompiler.ir.types import IntType

PLANES = st.sets(st.tuples(st.sampled_from((-1, 1)), st.integers(0, 9)), max_size=9).map(
    lambda planes: tuple(sorted(planes, key=lambda plane: (-plane[1], plane[0])))
)
LISTS = st.lists(PLANES, min_size=1, max_size=5).map(tuple)


@given(lists=LISTS, slots=st.integers(1, 6))
def test_planes_are_split_from_the_last(lists: tuple, slots: int) -> None:  # type: ignore[type-arg]
    schedule = Schedule(lists, slots)
    for planes, chunks in zip(lists, schedule.chunks, strict=True):
        assert len(chunks) == step_count(len(planes), slots)
        assert all(len(chunk) == slots for chunk in chunks[1:]) and 0 < len(chunks[0]) <= slots
        if planes:
            assert sum(chunks, ()) == planes
    ends = [step for step in schedule.steps if step.result is not None]
    assert len(ends) == len(lists)
    assert set(schedule.kinds) == {chunk for chunks in schedule.chunks for chunk in chunks}


@given(lists=LISTS, slots=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_horner_s_rule(lists: tuple, slots: int, seed: int) -> None:  # type: ignore[type-arg]
    """Each step's term is the sum of its planes over the least of them."""
    rng = np.random.default_rng(seed)
    schedule, total, found, want = Schedule(lists, slots), 0, [], []
    for planes, chunks in zip(schedule.lists, schedule.chunks, strict=True):
        values = iter(int(v) for v in rng.integers(-99, 99, 9))
        sums = [[next(values) if planes else 0 for _ in chunk] for chunk in chunks]
        pairs = zip(sums, chunks, strict=True)
        want.append(sum(v * s << e for row, c in pairs for v, (s, e) in zip(row, c, strict=True)))
        for row, chunk in zip(sums, chunks, strict=True):
            step = schedule.steps[len(found)]
            sign, least = chunk[-1]
            term = sum(v * s * sign << e - least for v, (s, e) in zip(row, chunk, strict=True))
            if isinstance(step.action, Boundary):
                shift = step.action.shift
                total = (~total if step.action.invert else total) << shift
                total += step.action.fill * ((1 << shift) - 1)
            else:
                total = step.action.value
            total += -term if schedule.subtracts else term
            found.append((step.result, total))
    results = [(r, t) for r, t in found if r is not None]
    assert [(~t if r.invert else t) << r.shift for r, t in results] == want


def test_lists_that_all_end_negative_are_subtracted() -> None:
    schedule = Schedule((((1, 3), (-1, 1)), ((-1, 0),)), 1)
    assert schedule.subtracts
    assert schedule.results == (Result(1, False), Result(0, False))
    assert schedule.actions == (Start(-1), Start(0), Boundary(2, True, 0))


def test_a_fold_of_zeros_borrows_a_plane_and_adds_no_kind() -> None:
    schedule = Schedule(((), ((-1, 4), (1, 2)), ()), 1)
    assert schedule.kinds == (((1, 2),), ((-1, 4),))
    assert len(schedule.steps) == 4 and len(schedule.results) == 1
    assert Schedule(((),), 3).chunks == ((((1, 0),),),)


@given(
    seed=st.integers(0, 2**32),
    groups=st.sampled_from([1, 2, 3]),
    spread=st.lists(st.sampled_from([0, 1, 3, 40]), min_size=4, max_size=4),
)
def test_lists_of_folds(seed: int, groups: int, spread: list[int]) -> None:
    rng = np.random.default_rng(seed)
    each = [rng.integers(-s, s + 1, (groups, 2, 3, 1, 1)) for s in spread]
    weight = np.concatenate(each, axis=1).reshape(8 * groups, 3, 1, 1)
    folds, layer = FoldPlanes(weight, groups), encode(weight)
    for pe in (1, 2, 4, 8):
        lists, planes = folds.lists(pe), encode_folds(weight, groups, pe)
        assert lists == tuple(tuple(zip(p.signs, p.exps, strict=True)) for p in planes)
        grouped = weight.reshape(groups, 8 // pe, pe, 3, 1, 1)
        for fold, part in enumerate(planes):
            want = grouped[:, fold].reshape(-1, 3, 1, 1)
            np.testing.assert_array_equal(part.weights(), want)
            assert len(part) <= len(layer), "never more planes than the layer"


def mixed() -> hw.BitSerialArray:
    """Pairs of channels of 6, 1, 2 and no planes."""
    weight = np.zeros((8, 2, 1, 1), np.int64)
    weight[:6, :, 0, 0] = [[-32, 21], [10, 1], [1, 0], [0, 1], [3, 1], [2, 1]]
    planes = encode(weight)
    assert len(planes) == 6
    return hw.BitSerialArray(
        "y", weight, planes.signs, planes.exps, (8, 3, 5), IntType(-999, 999), simd=2
    )


@pytest.mark.parametrize(
    ("pe", "slots", "steps", "pace"), [(2, 1, 6 + 1 + 2 + 1, 1), (4, 2, 3 + 1, 1), (1, 3, 9, 1)]
)
def test_cycles_are_those_of_each_fold(pe: int, slots: int, steps: int, pace: int) -> None:
    op = mixed().folded(pe, 2, slots, True)
    assert (op.repeat, op.rate, op.pace) == (steps, 15 * steps, pace)
    counts = [max(len(planes), 1) for planes in op.lists]
    assert op.repeat == sum(-(-count // slots) for count in counts)


def test_own_planes_are_offered_only_where_they_are_faster() -> None:
    op = mixed()
    for pe in (1, 2, 4, 8):
        for way in op.plane_foldings(pe):
            own = op.folded(pe, 2, way.planes, True).rate
            layer = op.folded(pe, 2, way.planes).rate
            assert own <= layer
            assert not way.per_fold or own < layer
        own_ways = [way.planes for way in op.plane_foldings(pe) if way.per_fold]
        assert own_ways == sorted(set(own_ways)) and bool(own_ways) == (pe < 8)


def test_folds_with_the_same_planes_may_need_fewer_than_the_layer() -> None:
    """Two's complement of one fold is sign and magnitude of the other; the layer is neither."""
    weight = np.array([-10, -8, 3, 1, 2, -10, 1, -6]).reshape(4, 2, 1, 1)
    planes = encode(weight)
    op = hw.BitSerialArray(
        "y", weight, planes.signs, planes.exps, (4, 1, 1), IntType(-99, 99)
    ).folded(2, 1, 1, True)
    assert op.lists[0] == op.lists[1] == ((-1, 3), (-1, 1), (1, 1), (1, 0))
    assert len(planes) == 5 and op.repeat == len(op.schedule.steps) == 8


def test_weights_share_one_summary_whatever_the_folding() -> None:
    op = mixed()
    ways = [op.folded(pe, simd, 1, True) for pe, simd in ((1, 1), (2, 2), (8, 1))]
    assert all(a.fold_planes is b.fold_planes for a, b in pairwise([op, *ways]))
