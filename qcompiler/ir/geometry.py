"""Sizes of sliding windows: the one place for the formula."""

from __future__ import annotations

from collections.abc import Sequence

from qcompiler.errors import GraphError


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


def require_rank(shape: Sequence[int], rank: int) -> None:
    if len(shape) != rank:
        raise GraphError(f"an input with {rank} axes was expected, this has shape {tuple(shape)}")
