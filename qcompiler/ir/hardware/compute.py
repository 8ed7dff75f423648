"""Modules that compute: arrays, sums, pools and the two requantizers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from qcompiler.errors import GraphError
from qcompiler.ir.hardware.engine import Engine
from qcompiler.ir.hardware.streams import Array, HardwareOp, Laned, StreamType
from qcompiler.ir.search import StepSearch
from qcompiler.ir.types import IntType, Shape


@dataclass(frozen=True, eq=False)
class BitSerialArray(Engine):
    """``pe`` output channels × ``simd`` inputs × ``planes`` weight planes a cycle, bit-serial.

    weight (O, I/groups, KH, KW) int64, in the order of the integer graph.
    """

    tensor: str
    weight: Array
    signs: tuple[int, ...]
    exps: tuple[int, ...]
    out_shape: Shape
    acc: IntType
    groups: int = 1
    pe: int = 1
    simd: int = 1
    planes: int = 1

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        (x,) = inputs
        if x.order is None or x.order.repeat != self.repeat or x.lanes != self.simd:
            raise GraphError(
                f"fed {x}, takes a window stream of {self.simd} lanes repeated {self.repeat}x"
            )
        out, per_group = self.weight.shape[:2]
        if (out // self.groups) % self.pe or per_group % self.simd:
            raise GraphError(f"{self.pe} PE and {self.simd} SIMD do not divide {self.weight.shape}")
        return [StreamType(self.tensor, self.out_shape, self.acc, self.pe)]

    title = "bitserial"

    @property
    def plane_count(self) -> int:
        return max(len(self.signs), 1)

    def folded(self, pe: int, simd: int, planes: int = 1) -> BitSerialArray:
        return replace(self, pe=pe, simd=simd, planes=planes)

    @property
    def folds(self) -> int:
        return -(-self.plane_count // self.planes)

    @property
    def repeat(self) -> int:
        """Times that each window is read: output channel folds × plane folds."""
        return (len(self.weight) // self.groups // self.pe) * self.folds

    @property
    def rate(self) -> int:
        """Cycles per frame."""
        kernel: tuple[int, ...] = self.weight.shape[1:]
        beats = kernel[0] // self.simd * kernel[1] * kernel[2]
        return self.out_shape[1] * self.out_shape[2] * self.groups * self.repeat * beats

    latency: ClassVar[int] = 8


@dataclass(frozen=True, eq=False)
class Threshold(StepSearch, Laned):
    """StepTable by pipelined binary search: thresholds (C, K), table (C, K+1)."""

    tensor: str
    thresholds: Array
    table: Array
    out: IntType

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        x = self._take(inputs)
        return [StreamType(self.tensor, x.shape, self.out, self.lanes)]


@dataclass(frozen=True, eq=False)
class Scale(Laned):
    """ScaleShift: m, r of shape (C,), clamped to ``clamp``, typed ``out``."""

    tensor: str
    m: Array
    r: Array
    n: int
    clamp: IntType
    out: IntType

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        x = self._take(inputs)
        return [StreamType(self.tensor, x.shape, self.out, self.lanes)]

    latency: ClassVar[int] = 5


@dataclass(frozen=True, eq=False)
class Add(Laned):
    tensor: str
    a_mul: int
    b_mul: int

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        a = self._take(inputs)
        b = inputs[1]
        elem = a.elem.scaled(self.a_mul) + b.elem.scaled(self.b_mul)
        return [StreamType(self.tensor, a.shape, elem, self.lanes)]


@dataclass(frozen=True, eq=False)
class Reduce(HardwareOp):
    """Reduces each window of a window stream (one channel group a word) to one beat."""

    tensor: str
    out_shape: Shape
    lanes: int = field(default=1, kw_only=True)

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        (x,) = inputs
        if (
            x.order is None
            or x.order.repeat != 1
            or x.order.groups != x.words
            or x.lanes != self.lanes
        ):
            raise GraphError(f"fed {x}, takes windows word by word with {self.lanes} lanes")
        return [StreamType(self.tensor, self.out_shape, self.result(x), self.lanes)]

    def result(self, x: StreamType) -> IntType:
        return x.elem


@dataclass(frozen=True, eq=False)
class MaxPool(Reduce):
    """Maximum of each window."""


@dataclass(frozen=True, eq=False)
class SumPool(Reduce):
    """Exact sum of each window."""

    def result(self, x: StreamType) -> IntType:
        assert x.order is not None
        return x.elem.scaled(x.order.kernel[0] * x.order.kernel[1])


@dataclass(frozen=True, eq=False)
class GlobalSum(Laned):
    """Sum over a whole frame, one output pixel."""

    tensor: str

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        x = self._take(inputs)
        return [StreamType(self.tensor, (x.shape[0], 1, 1), x.elem.scaled(x.pixels), self.lanes)]

    def need(self, pixels: Array, x: StreamType) -> Array:
        return pixels * x.pixels
