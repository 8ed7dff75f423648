"""The window formula against counting the positions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcompiler.errors import GraphError
from qcompiler.ir.geometry import pool_size, require_rank


def positions(n: int, before: int, after: int, kernel: int, stride: int, dilation: int) -> int:
    starts = range(-before, n + after, stride)
    return sum(start + (kernel - 1) * dilation < n + after for start in starts)


sizes = st.integers(1, 3)


@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    kernel=st.tuples(sizes, sizes),
    stride=st.tuples(sizes, sizes),
    dilation=st.tuples(sizes, sizes),
    padding=st.tuples(*[st.integers(0, 3)] * 4),
)
def test_counts_every_position(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> None:
    top, left, bottom, right = padding
    expected = (
        positions(size[0], top, bottom, kernel[0], stride[0], dilation[0]),
        positions(size[1], left, right, kernel[1], stride[1], dilation[1]),
    )
    if 0 in expected:
        with pytest.raises(GraphError, match="does not fit"):
            pool_size(size, kernel, stride, padding, dilation)
    else:
        assert pool_size(size, kernel, stride, padding, dilation) == expected


@pytest.mark.parametrize("zero", ["kernel", "stride", "dilation"])
def test_zero_is_refused(zero: str) -> None:
    arguments = {"kernel": (1, 1), "stride": (1, 1), "dilation": (1, 1)} | {zero: (1, 0)}
    with pytest.raises(GraphError, match="at least 1"):
        pool_size((4, 4), **arguments)


def test_rank() -> None:
    require_rank((1, 2, 3), 3)
    with pytest.raises(GraphError, match=r"3 axes was expected, this has shape \(5,\)"):
        require_rank((5,), 3)
