"""The ``nn`` dialect: what a framework says, real-valued. Shapes are (C, H, W) or (F,)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from qcompiler.errors import GraphError
from qcompiler.ir.geometry import pool_size, require_rank
from qcompiler.ir.types import Shape, TensorType

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class QuantSpec:
    """The one quantizer of every method (docs/numerics.md §2).

    ``code(x) = clamp(round_half_even((x - offset) / step_in), lo, hi)`` and
    ``value(q) = step_out * q + offset``; steps are positive float64 arrays, shape () per tensor
    or (C,) per channel; ``offset`` has the same shape.
    """

    step_in: Array
    step_out: Array
    offset: Array
    lo: int
    hi: int

    @classmethod
    def uniform(cls, step: Any, lo: int, hi: int, offset: Any = 0.0) -> QuantSpec:
        step = np.asarray(step, np.float64)
        shift = np.broadcast_to(np.asarray(offset, np.float64), step.shape).copy()
        return cls(step, step, shift, lo, hi)

    def __post_init__(self) -> None:
        for name in ("step_in", "step_out", "offset"):  # arithmetic makes scalars of () arrays
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float64))
        for name in ("step_in", "step_out"):
            step = getattr(self, name)
            if not (np.isfinite(step).all() and (step > 0).all()):
                raise GraphError(f"quantizer {name} must be positive and finite")


@dataclass(frozen=True, eq=False)
class NNOp:
    """Base: elementwise, shape kept, one input."""

    dialect: ClassVar[str] = "nn"

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        return [TensorType(x.shape)]


@dataclass(frozen=True, eq=False)
class Input(NNOp):
    shape: Shape

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        return [TensorType(self.shape)]


@dataclass(frozen=True, eq=False)
class Output(NNOp):
    """The network's result."""


@dataclass(frozen=True, eq=False)
class Conv(NNOp):
    """Cross-correlation. weight (O, I/groups, KH, KW); padding (top, left, bottom, right).

    The border holds ``pad_value``: 0, or -3/8 for negative padding.
    """

    weight: Array
    bias: Array | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    weight_quant: QuantSpec | None = None
    pad_value: float = 0.0

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        require_rank(x.shape, 3)
        out, per_group, kh, kw = self.weight.shape
        if per_group * self.groups != x.shape[0] or out % self.groups:
            raise GraphError(
                f"weight {self.weight.shape} with {self.groups} group(s) does not fit "
                f"{x.shape[0]} channels"
            )
        h, w = pool_size(x.shape[1:], (kh, kw), self.stride, self.padding, self.dilation)
        return [TensorType((out, h, w))]


@dataclass(frozen=True, eq=False)
class Linear(NNOp):
    """weight (O, I) on the last axis of an (I,) tensor."""

    weight: Array
    bias: Array | None = None
    weight_quant: QuantSpec | None = None

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        if x.shape != (self.weight.shape[1],):
            raise GraphError(f"weight {self.weight.shape} does not fit an input of shape {x.shape}")
        return [TensorType((self.weight.shape[0],))]


@dataclass(frozen=True, eq=False)
class BatchNorm(NNOp):
    """``y = scale * x + shift`` per channel (running statistics already folded), float64 (C,)."""

    scale: Array
    shift: Array

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        if x.shape[0] != self.scale.shape[0]:
            raise GraphError(
                f"{self.scale.shape[0]} channels of batch norm on {x.shape[0]} channels"
            )
        return [TensorType(x.shape)]


@dataclass(frozen=True, eq=False)
class Relu(NNOp):
    """max(x, 0)."""


@dataclass(frozen=True, eq=False)
class Clip(NNOp):
    """min(max(x, lo), hi): ReLU6 is Clip(0, 6)."""

    lo: float
    hi: float


@dataclass(frozen=True, eq=False)
class HardSwish(NNOp):
    """x * min(max(x + 3, 0), 6) / 6: falls from 0 at -3 to -3/8 at -3/2, and rises from there."""


@dataclass(frozen=True, eq=False)
class HardSigmoid(NNOp):
    """min(max(x + 3, 0), 6) / 6."""


@dataclass(frozen=True, eq=False)
class Quantizer(NNOp):
    """Rounds a tensor to ``spec``'s grid; ``spec`` is per tensor."""

    spec: QuantSpec


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
        if len(x.shape) != 3 or gate.shape != (x.shape[0], 1, 1):
            raise GraphError(f"cannot multiply channels of {x.shape} by {gate.shape}")
        return [TensorType(x.shape)]


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
        require_rank(x.shape, 3)
        return [TensorType(tuple(n + a + b for n, (a, b) in zip(x.shape, self.pads, strict=True)))]


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
        require_rank(x.shape, 3)
        c, h, w = x.shape
        if self.y0 + self.dy * (self.ny - 1) >= h or self.x0 + self.dx * (self.nx - 1) >= w:
            raise GraphError(f"slice reaches outside {h}x{w}")
        return [TensorType((c, self.ny, self.nx))]
