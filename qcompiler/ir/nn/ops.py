"""Ends, pools, sums and products of tensors, and what moves values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qcompiler.errors import GraphError
from qcompiler.ir.geometry import bordered, gated, pool_size, require_rank, sliced
from qcompiler.ir.nn.base import NNOp
from qcompiler.ir.types import Shape, TensorType


@dataclass(frozen=True, eq=False)
class Input(NNOp):
    shape: Shape

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        return [TensorType(self.shape)]


@dataclass(frozen=True, eq=False)
class Output(NNOp):
    """The network's result."""


@dataclass(frozen=True, eq=False)
class Pool(NNOp):
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        require_rank(x.shape, 3)
        h, w = pool_size(x.shape[1:], self.kernel, self.stride, self.padding, self.dilation)
        return [TensorType((x.shape[0], h, w))]


@dataclass(frozen=True, eq=False)
class MaxPool(Pool):
    """Padding never wins."""


@dataclass(frozen=True, eq=False)
class AvgPool(Pool):
    """Padding counts as zeros (count_include_pad); global pooling is a kernel of (H, W)."""


@dataclass(frozen=True, eq=False)
class Add(NNOp):
    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        a, b = inputs
        if a.shape != b.shape:
            raise GraphError(f"cannot add shapes {a.shape} and {b.shape}")
        return [TensorType(a.shape)]


@dataclass(frozen=True, eq=False)
class Mul(NNOp):
    """x (C, H, W) times a gate (C, 1, 1), channel by channel: squeeze-and-excite."""

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        x, gate = inputs
        return [TensorType(gated(x.shape, gate.shape))]


@dataclass(frozen=True, eq=False)
class Concat(NNOp):
    """Along channels."""

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        if not inputs or any(x.shape[1:] != inputs[0].shape[1:] for x in inputs):
            raise GraphError(
                f"cannot concatenate shapes {[x.shape for x in inputs]} along channels"
            )
        return [TensorType((sum(x.shape[0] for x in inputs), *inputs[0].shape[1:]))]


@dataclass(frozen=True, eq=False)
class Flatten(NNOp):
    """(C, H, W) to (C·H·W,), channel outermost as in torch."""

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        return [TensorType((int(np.prod(x.shape)),))]


@dataclass(frozen=True, eq=False)
class Pad(NNOp):
    """A border of ``value`` around (C, H, W): ((front, back), (top, bottom), (left, right))."""

    pads: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    value: float = 0.0

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        return [TensorType(bordered(x.shape, self.pads))]


@dataclass(frozen=True, eq=False)
class Slice(NNOp):
    """Rows y0, y0+dy … (ny of them) and columns x0, x0+dx … (nx)."""

    y0: int
    dy: int
    ny: int
    x0: int
    dx: int
    nx: int

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        rows, columns = (self.y0, self.dy, self.ny), (self.x0, self.dx, self.nx)
        return [TensorType(sliced(x.shape, rows, columns))]
