"""Ops that are no convolution: ends, requantizers, sums, pools and what moves codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qcompiler.errors import GraphError
from qcompiler.ir.geometry import bordered, gated, pool_size, require_rank, sliced
from qcompiler.ir.integer.base import Array, IntegerOp
from qcompiler.ir.types import IntType, Shape, TensorType

LOOKUP_MOST = 2**12  # entries: one block RAM of the small devices


@dataclass(frozen=True, eq=False)
class Input(IntegerOp):
    """Codes of the network input: round((value - offset) / step), floats for the user alone."""

    shape: Shape
    elem: IntType
    step: float
    offset: float = 0.0

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        require_rank(self.shape, 3)
        return [TensorType(self.shape, self.elem)]


@dataclass(frozen=True, eq=False)
class Output(IntegerOp):
    """The result codes: value = step * code + offset; ``shape`` is what the model returns."""

    shape: Shape
    step: float
    offset: float = 0.0

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        return [inputs[0]]


@dataclass(frozen=True, eq=False)
class StepTable(IntegerOp):
    """``code = table[c][#{k : x >= thresholds[c][k]}]``.

    thresholds (C, K), sorted; table (C, K+1).
    """

    thresholds: Array
    table: Array
    out: IntType

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        c, k = self.thresholds.shape
        if c != x.shape[0] or self.table.shape != (c, k + 1):
            raise GraphError(f"step table for {c} channels, {k} steps, on {x.shape[0]} channels")
        if (np.diff(self.thresholds, axis=1) < 0).any():
            raise GraphError("thresholds must be sorted")
        if not self.out.holds(self.table):
            raise GraphError(f"table holds codes outside {self.out}")
        return [TensorType(x.shape, self.out)]


@dataclass(frozen=True, eq=False)
class ScaleShift(IntegerOp):
    """``code = clamp((x * m[c] + r[c]) >> n)``, arithmetic shift (rounds half up through r).

    ``clamp`` is the range codes are clamped to, ``out`` the type they are carried in.
    """

    m: Array
    r: Array
    n: int
    clamp: IntType
    out: IntType

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        if self.m.shape != (x.shape[0],) or self.r.shape != self.m.shape:
            raise GraphError(f"{self.m.shape} multipliers on {x.shape[0]} channels")
        if self.clamp.lo not in self.out or self.clamp.hi not in self.out:
            raise GraphError(f"clamp {self.clamp} is outside {self.out}")
        return [TensorType(x.shape, self.out)]


@dataclass(frozen=True, eq=False)
class Lookup(IntegerOp):
    """``code = table[x - lo]``: any function of one code, ``lo`` being the input type's least.

    table int64, one entry for each value of the input type, at most LOOKUP_MOST.
    """

    table: Array
    out: IntType

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        values = x.integers.hi - x.integers.lo + 1
        if self.table.shape != (values,) or values > LOOKUP_MOST:
            raise GraphError(f"table of shape {self.table.shape} for {values} codes of {x.elem}")
        if not self.out.holds(self.table):
            raise GraphError(f"table holds codes outside {self.out}")
        return [TensorType(x.shape, self.out)]


@dataclass(frozen=True, eq=False)
class Multiply(IntegerOp):
    """``(x - x_zero) * (gate - gate_zero)``, x (C, H, W) with a gate of (C, 1, 1)."""

    x_zero: int = 0
    gate_zero: int = 0

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        x, gate = inputs
        shape = gated(x.shape, gate.shape)
        elem = x.integers.less(self.x_zero) * gate.integers.less(self.gate_zero)
        return [TensorType(shape, elem)]


@dataclass(frozen=True, eq=False)
class Add(IntegerOp):
    """``a_mul * a + b_mul * b``: both branches on one common step."""

    a_mul: int
    b_mul: int

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        a, b = inputs
        if a.shape != b.shape:
            raise GraphError(f"cannot add shapes {a.shape} and {b.shape}")
        return [TensorType(a.shape, a.integers.scaled(self.a_mul) + b.integers.scaled(self.b_mul))]


@dataclass(frozen=True, eq=False)
class Pool(IntegerOp):
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int] = (1, 1)

    def out_shape(self, shape: Shape) -> Shape:
        require_rank(shape, 3)
        dilation = self.dilation
        return (shape[0], *pool_size(shape[1:], self.kernel, self.stride, dilation=dilation))


@dataclass(frozen=True, eq=False)
class MaxPool(Pool):
    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        return [TensorType(self.out_shape(x.shape), x.integers)]


@dataclass(frozen=True, eq=False)
class SumPool(Pool):
    """Exact sums; the division of average pooling belongs to the requantizer behind."""

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        count = self.kernel[0] * self.kernel[1]
        return [TensorType(self.out_shape(x.shape), x.integers.scaled(count))]


@dataclass(frozen=True, eq=False)
class Concat(IntegerOp):
    """Along channels; the steps are equal."""

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        if not inputs or any(x.shape[1:] != inputs[0].shape[1:] for x in inputs):
            raise GraphError(f"cannot concatenate shapes {[x.shape for x in inputs]}")
        elem = inputs[0].integers
        for x in inputs[1:]:
            elem = elem.union(x.integers)
        return [TensorType((sum(x.shape[0] for x in inputs), *inputs[0].shape[1:]), elem)]


@dataclass(frozen=True, eq=False)
class Pad(IntegerOp):
    """A border of ``code``: ((front, back), (top, bottom), (left, right))."""

    pads: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    code: int

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        shape = bordered(x.shape, self.pads)
        if self.code not in x.integers:
            raise GraphError(f"pad code {self.code} is outside {x.elem}")
        return [TensorType(shape, x.integers)]


@dataclass(frozen=True, eq=False)
class Slice(IntegerOp):
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
        return [TensorType(sliced(x.shape, rows, columns), x.integers)]
