"""Convolutions: direct, and through Winograd tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qcompiler.errors import GraphError
from qcompiler.ir.geometry import pool_size, require_rank
from qcompiler.ir.integer.base import Array, IntegerOp
from qcompiler.ir.types import IntType, TensorType
from qcompiler.ir.winograd import Tile, tile


@dataclass(frozen=True, eq=False)
class Conv(IntegerOp):
    """Exact cross-correlation, no bias.

    weight (O, I/groups, KH, KW) int64; the border of ``padding`` (top, left, bottom, right) holds
    ``pad_code``.
    """

    weight: Array
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    pad_code: int = 0

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        require_rank(x.shape, 3)
        out, per_group, kh, kw = self.weight.shape
        if per_group * self.groups != x.shape[0] or out % self.groups:
            raise GraphError(f"weight {self.weight.shape} does not fit {x.shape[0]} channels")
        if any(self.padding) and self.pad_code not in x.integers:
            raise GraphError(f"pad code {self.pad_code} is outside {x.elem}")
        h, w = pool_size(x.shape[1:], (kh, kw), self.stride, self.padding, self.dilation)
        lo, hi = self.channel_range(x.integers)
        return [TensorType((out, h, w), IntType(int(lo.min()), int(hi.max())))]

    def channel_range(self, x: IntType) -> tuple[Array, Array]:
        """Least and largest accumulator of each output channel, int64 (O,)."""
        flat = self.weight.reshape(len(self.weight), -1).astype(np.int64)
        low, high = flat * x.lo, flat * x.hi
        return np.minimum(low, high).sum(1), np.maximum(low, high).sum(1)


@dataclass(frozen=True, eq=False)
class WinogradConv(IntegerOp):
    """A 3x3 ``Conv`` of stride 1 by tiles of ``m`` x ``m`` outputs: the same values and type.

    weight (O, I, 3, 3) int64; padding and pad_code are those of ``Conv``. Tiles cover more than
    the outputs where these are no multiple of ``m``: what they read beyond the padded input is any
    code, and what they make of it is cut off. ``out_size`` (rows, columns) says how many outputs
    are kept where the input already holds all that the tiles read; by default all there are.
    """

    weight: Array
    m: int
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_code: int = 0
    out_size: tuple[int, int] | None = None

    @property
    def tile(self) -> Tile:
        return tile(self.m)

    @property
    def direct(self) -> Conv:
        """The convolution that this computes, before its outputs are cut to ``out_size``."""
        return Conv(self.weight, padding=self.padding, pad_code=self.pad_code)

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        self.tile.weights(self.weight[:1])  # refuses what is not 3x3
        (whole,) = self.direct.infer(inputs)
        rows, columns = self.out_size or whole.shape[1:]
        if not (1 <= rows <= whole.shape[1] and 1 <= columns <= whole.shape[2]):
            raise GraphError(f"{rows}x{columns} outputs of {whole.shape[1]}x{whole.shape[2]}")
        return [TensorType((whole.shape[0], rows, columns), whole.elem)]
