"""The ``hardware`` dialect: streaming modules with folding parameters (docs/hardware.md).

Every op says which lanes it wants, how many beats it is busy per frame, and how many pixels of its
input it needs for its first k output pixels: enough to fold, to insert width adapters and to size
FIFOs without simulating.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from qcompiler.errors import GraphError
from qcompiler.ir.geometry import pool_size
from qcompiler.ir.types import IntType, Shape

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Order:
    """The order in which a window stream visits its tensor (docs/hardware.md, ``qc_window``)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    repeat: int


@dataclass(frozen=True)
class StreamType:
    """A stream: the integer tensor it carries, its lanes, and its order (None: NHWC raster).

    ``shape`` (C, H, W) is the shape as streamed; a window stream keeps the shape of its source.
    """

    tensor: str
    shape: Shape
    elem: IntType
    lanes: int
    order: Order | None = None

    @property
    def width(self) -> int:
        return self.lanes * self.elem.bits

    @property
    def words(self) -> int:
        """Beats per pixel."""
        return self.shape[0] // self.lanes

    @property
    def pixels(self) -> int:
        return self.shape[1] * self.shape[2]

    @property
    def positions(self) -> int:
        """Pixels of a raster, windows of a window stream: what its consumer counts in."""
        if self.order is None:
            return self.pixels
        o = self.order
        rows, columns = pool_size(self.shape[1:], o.kernel, o.stride, dilation=o.dilation)
        return rows * columns

    @property
    def beats(self) -> int:
        """Beats per frame."""
        if self.order is None:
            return self.pixels * self.words
        o = self.order
        return self.positions * o.repeat * o.kernel[0] * o.kernel[1] * self.words

    def __str__(self) -> str:
        dims = "x".join(map(str, self.shape))
        order = " window" if self.order else ""
        return f"{self.tensor}:{dims} {self.elem} /{self.lanes}{order}"


@dataclass(frozen=True, eq=False)
class HardwareOp:
    """Base of one streaming module."""

    dialect: ClassVar[str] = "hardware"

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        raise GraphError(f"{type(self).__name__} has no type rule")

    def cycles(self, inputs: Sequence[StreamType], outputs: Sequence[StreamType]) -> int:
        """Cycles per frame that the module is busy, when nothing stalls it."""
        return max(t.beats for t in (*inputs, *outputs))

    def need(self, pixels: Array, x: StreamType) -> Array:
        """Input pixels that must have arrived before ``pixels`` output pixels can be complete."""
        return pixels

    latency: ClassVar[int] = 1


def _split(x: StreamType, lanes: int) -> None:
    if x.shape[0] % lanes or lanes < 1:
        raise GraphError(f"{lanes} lanes do not divide {x.shape[0]} channels")


@dataclass(frozen=True, eq=False)
class Source(HardwareOp):
    """The AXI4-Stream input of the design."""

    tensor: str
    shape: Shape
    elem: IntType
    lanes: int = 1

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        out = StreamType(self.tensor, self.shape, self.elem, self.lanes)
        _split(out, self.lanes)
        return [out]


@dataclass(frozen=True, eq=False)
class Laned(HardwareOp):
    """Base of ops that take and give ``lanes`` channels a beat."""

    lanes: int = field(default=1, kw_only=True)

    def _take(self, inputs: Sequence[StreamType]) -> StreamType:
        for x in inputs:
            _split(x, self.lanes)
            if x.lanes != self.lanes:
                raise GraphError(f"fed {x.lanes} lanes, takes {self.lanes}")
            if x.order is not None:
                raise GraphError("fed a window stream, takes a raster")
        return inputs[0]


@dataclass(frozen=True, eq=False)
class Sink(Laned):
    """The AXI4-Stream output of the design."""

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        return [self._take(inputs)]


@dataclass(frozen=True, eq=False)
class Fifo(HardwareOp):
    depth: int = 2

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        if self.depth < 2:
            raise GraphError(f"a FIFO holds at least 2 beats, not {self.depth}")
        return [inputs[0]]

    latency: ClassVar[int] = 2


@dataclass(frozen=True, eq=False)
class Fork(HardwareOp):
    outputs: int = 2

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        return [inputs[0]] * self.outputs


@dataclass(frozen=True, eq=False)
class Adapter(HardwareOp):
    """Changes the lanes of a raster: up, down, or up to the least common multiple and down."""

    lanes: int = 1

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        (x,) = inputs
        _split(x, self.lanes)
        if x.order is not None:
            raise GraphError("a window stream cannot change its lanes")
        return [StreamType(x.tensor, x.shape, x.elem, self.lanes)]


@dataclass(frozen=True, eq=False)
class Pad(Laned):
    """A border of ``code``: (top, left, bottom, right)."""

    tensor: str
    border: tuple[int, int, int, int]
    code: int

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        x = self._take(inputs)
        top, left, bottom, right = self.border
        shape = (x.shape[0], x.shape[1] + top + bottom, x.shape[2] + left + right)
        return [StreamType(self.tensor, shape, x.elem, self.lanes)]

    def need(self, pixels: Array, x: StreamType) -> Array:
        top, left, _, right = self.border
        width = x.shape[2] + left + right
        y, column = (pixels - 1) // width - top, (pixels - 1) % width - left
        inside = np.clip(column + 1, 0, x.shape[2])
        need = np.where(y < 0, 0, np.where(y >= x.shape[1], x.pixels, y * x.shape[2] + inside))
        return np.where(pixels <= 0, 0, need)


@dataclass(frozen=True, eq=False)
class Slice(Laned):
    tensor: str
    rows: tuple[int, int, int]
    columns: tuple[int, int, int]

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        x = self._take(inputs)
        return [
            StreamType(self.tensor, (x.shape[0], self.rows[2], self.columns[2]), x.elem, self.lanes)
        ]

    def need(self, pixels: Array, x: StreamType) -> Array:
        y, column = (pixels - 1) // self.columns[2], (pixels - 1) % self.columns[2]
        at = (
            (self.rows[0] + y * self.rows[1]) * x.shape[2]
            + self.columns[0]
            + column * self.columns[1]
        )
        return np.where(pixels <= 0, 0, at + 1)


@dataclass(frozen=True, eq=False)
class ChannelPad(Laned):
    tensor: str
    front: int
    back: int
    code: int

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        x = self._take(inputs)
        if self.front % self.lanes or self.back % self.lanes:
            raise GraphError(
                f"{self.lanes} lanes do not divide {self.front} + {self.back} added channels"
            )
        shape = (x.shape[0] + self.front + self.back, *x.shape[1:])
        return [StreamType(self.tensor, shape, x.elem, self.lanes)]


@dataclass(frozen=True, eq=False)
class Concat(Laned):
    tensor: str

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        a = self._take(inputs)
        elem = a.elem
        for x in inputs[1:]:
            elem = elem.union(x.elem)
        if any(x.elem.bits != elem.bits or x.elem.signed != elem.signed for x in inputs):
            raise GraphError(
                f"the codes of a concat have different widths: {[str(x.elem) for x in inputs]}"
            )
        shape = (sum(x.shape[0] for x in inputs), *a.shape[1:])
        return [StreamType(self.tensor, shape, elem, self.lanes)]


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
class Window(Laned):
    """Line buffer of ``rows`` rows.

    ``reshape`` is the shape that the window sees, such as a column of pixels.
    """

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    repeat: int = 1
    rows: int = 2
    reshape: Shape | None = None

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        x = self._take(inputs)
        shape = x.shape if self.reshape is None else self.reshape
        if x.words % self.groups:
            raise GraphError(f"{self.groups} groups do not divide {x.words} words")
        order = Order(self.kernel, self.stride, self.dilation, self.groups, self.repeat)
        return [StreamType(x.tensor, shape, x.elem, x.lanes, order)]

    def need(self, pixels: Array, x: StreamType, ahead: int = 0) -> Array:
        """Whole rows; ``ahead`` output rows more for a window that prefetches."""
        _, h, w = x.shape if self.reshape is None else self.reshape
        _, columns = pool_size((h, w), self.kernel, self.stride, dilation=self.dilation)
        y = (pixels - 1) // columns + ahead
        last = y * self.stride[0] + (self.kernel[0] - 1) * self.dilation[0] + 1
        return np.where(pixels <= 0, 0, np.minimum(last, h) * w)

    latency: ClassVar[int] = 4


@dataclass(frozen=True, eq=False)
class BitSerialArray(HardwareOp):
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

    @property
    def folds(self) -> int:
        return -(-max(len(self.signs), 1) // self.planes)

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
class Threshold(Laned):
    """StepTable by pipelined binary search: thresholds (C, K), table (C, K+1)."""

    tensor: str
    thresholds: Array
    table: Array
    out: IntType

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        x = self._take(inputs)
        return [StreamType(self.tensor, x.shape, self.out, self.lanes)]

    latency: ClassVar[int] = 8


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
