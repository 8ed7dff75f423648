"""How many products a narrow sum holds, and the plan of sums that rests on it."""

from __future__ import annotations

import pytest

from qcompiler.errors import GraphError
from qcompiler.ir.products import ProductPlan, products, products_within
from qcompiler.ir.types import IntType


@pytest.mark.parametrize(
    ("act", "weight", "count"),
    [
        (IntType(-63, 63), IntType(-63, 63), 8),
        (IntType(-127, 127), IntType(-127, 127), 2),
        (IntType(-128, 127), IntType(-128, 127), 1),
        (IntType(-128, 127), IntType(-127, 127), 2),
        (IntType(0, 255), IntType(-128, 127), 1),
        (IntType(0, 255), IntType(-127, 0), 1),
        (IntType(-1, 0), IntType(0, 1), 1 << 15),
        (IntType(0, 256), IntType(0, 128), 0),
        (IntType(-256, 0), IntType(0, 128), 1),
        (IntType(0, 0), IntType(-9, 9), 1 << 16),
    ],
)
def test_most_products_within_16_bits(act: IntType, weight: IntType, count: int) -> None:
    assert products_within(16, act, weight) == count


@pytest.mark.parametrize("bits", [6, 9])
def test_one_more_does_not_fit_for_any_small_ranges(bits: int) -> None:
    holds = IntType(-(1 << bits - 1), (1 << bits - 1) - 1)
    ends = [(lo, hi) for lo in range(-5, 6, 2) for hi in range(lo, 6, 3)]
    for a in ends:
        for b in ends:
            act, weight = IntType(*a), IntType(*b)
            one = [x * w for x in range(a[0], a[1] + 1) for w in range(b[0], b[1] + 1)]
            assert products(act, weight) == IntType(min(one), max(one))
            most = products_within(bits, act, weight)
            assert most * min(one) in holds and most * max(one) in holds
            if any(one):
                assert (most + 1) * min(one) not in holds or (most + 1) * max(one) not in holds


def plan(simd: int, beats: int, partial: int | None = 16, top: int = 63) -> ProductPlan:
    return ProductPlan.build(IntType(-top, top), IntType(-top, top), simd, beats, partial)


@pytest.mark.parametrize(
    ("simd", "beats", "chunks", "partial_beats", "partial", "wide"),
    [
        (1, 9, (1,), 8, True, True),
        (3, 9, (3,), 2, True, True),
        (4, 2, (4,), 2, True, False),
        (5, 9, (5,), 1, False, True),
        (8, 9, (8,), 1, False, True),
        (9, 9, (5, 4), 1, False, True),
        (17, 1, (6, 6, 5), 1, False, True),
    ],
)
def test_lanes_and_beats_of_a_partial_sum(
    simd: int, beats: int, chunks: tuple[int, ...], partial_beats: int, partial: bool, wide: bool
) -> None:
    found = plan(simd, beats)
    assert found.run == 8
    assert (found.chunks, found.partial_beats) == (chunks, partial_beats)
    assert (found.has_partial, found.has_wide) == (partial, wide)


@pytest.mark.parametrize("partial", [None, 16])
@pytest.mark.parametrize("simd", range(1, 20))
def test_the_tree_takes_every_lane_once_and_partial_sums_have_16_bits(
    simd: int, partial: int | None
) -> None:
    found = plan(simd, 3, partial)
    lanes, widths = [[k] for k in range(simd)], []
    for level in found.levels:
        used = [k for n in level for k in (n.left, n.right) if k is not None]
        assert sorted(used) == list(range(len(lanes)))
        lanes = [lanes[n.left] + (lanes[n.right] if n.right is not None else []) for n in level]
        for node, below in zip(level, lanes, strict=True):
            assert node.width >= (len(below) * 63 * 63).bit_length() + 1
            widths.append((len(below), node.width))
    assert [sorted(below) for below in lanes] == [list(range(simd))]
    if partial:
        assert all(width <= 16 for count, width in widths if count <= found.run)


def test_a_product_too_large_for_a_partial_sum_is_refused() -> None:
    assert plan(1, 1, top=181).run == 1
    with pytest.raises(GraphError, match="not one fits in a partial sum of 16 bits"):
        plan(1, 1, top=182)
