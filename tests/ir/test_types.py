"""Integer intervals: width and sign follow from the ends, and the operations are exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcompiler.errors import GraphError
from qcompiler.ir.types import IntType, TensorType

integers = st.integers(-(2**70), 2**70)
small = st.integers(-40, 40)


@st.composite
def intervals(draw: st.DrawFn, ends: st.SearchStrategy[int] = integers) -> IntType:
    lo, hi = sorted((draw(ends), draw(ends)))
    return IntType(lo, hi)


def fits(value: int, bits: int, signed: bool) -> bool:
    if signed:
        return -(2 ** (bits - 1)) <= value < 2 ** (bits - 1)
    return 0 <= value < 2**bits


@given(intervals() | intervals(small))
def test_bits_hold_both_ends_and_are_least(elem: IntType) -> None:
    assert elem.signed == (elem.lo < 0)
    assert elem.bits >= 1
    assert fits(elem.lo, elem.bits, elem.signed) and fits(elem.hi, elem.bits, elem.signed)
    if elem.bits > 1:
        narrower = elem.bits - 1
        assert not (fits(elem.lo, narrower, elem.signed) and fits(elem.hi, narrower, elem.signed))


@pytest.mark.parametrize(
    ("lo", "hi", "bits", "signed"),
    [
        (0, 0, 1, False),
        (0, 1, 1, False),
        (0, 15, 4, False),
        (0, 16, 5, False),
        (-1, -1, 1, True),
        (-1, 0, 1, True),
        (-1, 1, 2, True),
        (-7, 7, 4, True),
        (-8, 7, 4, True),
        (-9, 7, 5, True),
        (-8, 8, 5, True),
        (-63, 63, 7, True),
        (-100, -90, 8, True),
    ],
)
def test_widths(lo: int, hi: int, bits: int, signed: bool) -> None:
    assert (IntType(lo, hi).bits, IntType(lo, hi).signed) == (bits, signed)


@given(intervals())
def test_text_is_read_back(elem: IntType) -> None:
    assert IntType.parse(str(elem)) == elem


@pytest.mark.parametrize("text", ["", "[1..0]", "[0..x]", "0..1", "[0..1] ", "[0.5..1]", "s4"])
def test_text_that_is_no_type(text: str) -> None:
    with pytest.raises(GraphError):
        IntType.parse(text)


def test_empty_interval() -> None:
    with pytest.raises(GraphError, match=r"lo 1 is above hi 0"):
        IntType(1, 0)


@given(intervals(small), intervals(small))
def test_sum_and_union_are_the_sets_they_stand_for(a: IntType, b: IntType) -> None:
    values_a, values_b = range(a.lo, a.hi + 1), range(b.lo, b.hi + 1)
    sums = {x + y for x in (a.lo, a.hi) for y in (b.lo, b.hi)}
    assert a + b == IntType(min(sums), max(sums))
    assert a.union(b) == IntType(
        min(*values_a, *values_b, a.lo, b.lo), max(*values_a, *values_b, a.hi, b.hi)
    )


@given(intervals(small), st.integers(-9, 9))
def test_scaled_reaches_both_products(elem: IntType, factor: int) -> None:
    products = [factor * x for x in range(elem.lo, elem.hi + 1)]
    assert elem.scaled(factor) == IntType(min(products), max(products))


@given(intervals(small), st.lists(small, max_size=6))
def test_membership(elem: IntType, values: list[int]) -> None:
    inside = [elem.lo <= v <= elem.hi for v in values]
    assert [v in elem for v in values] == inside
    assert elem.holds(np.array(values, np.int64)) == all(inside)


def test_tensor_type() -> None:
    assert str(TensorType((3, 4, 5), IntType(-7, 7))) == "3x4x5 [-7..7]"
    assert str(TensorType((10,))) == "10 real"
    with pytest.raises(GraphError, match="integer tensor was expected"):
        _ = TensorType((10,)).integers
