"""Shapes of windows, slices and borders: the one place for the formulas."""

from __future__ import annotations

from collections.abc import Sequence

from qcompiler.errors import GraphError
from qcompiler.ir.types import Shape


def pool_size(
    size: Sequence[int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
) -> tuple[int, int]:
    """Output rows and columns of a window over (H, W); padding is (top, left, bottom, right)."""
    top, left, bottom, right = padding
    padded = (size[0] + top + bottom, size[1] + left + right)
    out = []
    for n, k, s, d in zip(padded, kernel, stride, dilation, strict=True):
        if k < 1 or s < 1 or d < 1:
            raise GraphError(f"kernel {k}, stride {s} and dilation {d} must be at least 1")
        if (rest := n - ((k - 1) * d + 1)) < 0:
            raise GraphError(f"a window of {(k - 1) * d + 1} does not fit a size of {n}")
        out.append(rest // s + 1)
    return out[0], out[1]


def unread_edges(
    size: Sequence[int],
    kernel: Sequence[int],
    stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> tuple[int, int]:
    """Last rows and columns of (H, W) that no window over it reaches."""
    h, w = (
        (n - ((k - 1) * d + 1)) % s
        for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)
    )
    return h, w


def require_rank(shape: Sequence[int], rank: int) -> None:
    if len(shape) != rank:
        raise GraphError(f"an input with {rank} axes was expected, this has shape {tuple(shape)}")


def sliced(
    shape: Sequence[int], rows: tuple[int, int, int], columns: tuple[int, int, int]
) -> Shape:
    """Shape of (C, H, W) after a slice; rows and columns are (first, step, number)."""
    require_rank(shape, 3)
    for (first, step, count), size in zip((rows, columns), shape[1:], strict=True):
        if first + step * (count - 1) >= size:
            raise GraphError(f"slice reaches outside {shape[1]}x{shape[2]}")
    return (shape[0], rows[2], columns[2])


def bordered(shape: Sequence[int], pads: Sequence[tuple[int, int]]) -> Shape:
    """Shape of (C, H, W) with so much before and behind each axis."""
    require_rank(shape, 3)
    return tuple(n + a + b for n, (a, b) in zip(shape, pads, strict=True))


def gated(shape: Sequence[int], gate: Sequence[int]) -> Shape:
    """Shape of (C, H, W) times (C, 1, 1)."""
    require_rank(shape, 3)
    if tuple(gate) != (shape[0], 1, 1):
        raise GraphError(f"cannot multiply channels of {tuple(shape)} by {tuple(gate)}")
    return tuple(shape)
