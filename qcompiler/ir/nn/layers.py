"""Ops with parameters, and what works on single values: activations and quantizers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from qcompiler.errors import GraphError
from qcompiler.ir.geometry import pool_size, require_rank
from qcompiler.ir.nn.base import Array, NNOp, QuantSpec
from qcompiler.ir.types import TensorType


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

    turn: ClassVar[float] = -3 / 2
    least: ClassVar[float] = -3 / 8


@dataclass(frozen=True, eq=False)
class HardSigmoid(NNOp):
    """min(max(x + 3, 0), 6) / 6."""


@dataclass(frozen=True, eq=False)
class Quantizer(NNOp):
    """Rounds a tensor to ``spec``'s grid; ``spec`` is per tensor."""

    spec: QuantSpec
