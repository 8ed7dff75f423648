"""Modules that move beats and compute nothing: ends, buffers, adapters, borders, windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm
from typing import ClassVar

import numpy as np

from qcompiler.errors import GraphError
from qcompiler.ir.geometry import pool_size
from qcompiler.ir.hardware.streams import Array, HardwareOp, Laned, Order, StreamType, split
from qcompiler.ir.types import IntType, Shape


@dataclass(frozen=True, eq=False)
class Source(HardwareOp):
    """The AXI4-Stream input of the design."""

    tensor: str
    shape: Shape
    elem: IntType
    lanes: int = 1

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        out = StreamType(self.tensor, self.shape, self.elem, self.lanes)
        split(out, self.lanes)
        return [out]


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

    latency: ClassVar[int] = 3  # of a large one; 1 or 2 of others


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
        split(x, self.lanes)
        if x.order is not None:
            raise GraphError("a window stream cannot change its lanes")
        return [StreamType(x.tensor, x.shape, x.elem, self.lanes)]

    def cycles(self, inputs: Sequence[StreamType], outputs: Sequence[StreamType]) -> int:
        """Up and down takes turns: the first beat of a wide word goes in as the last one leaves."""
        (x,), common = inputs, lcm(inputs[0].lanes, self.lanes)
        up, down = common // x.lanes, common // self.lanes
        return x.beats // up * (up + down - 1)


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

    def need(self, pixels: Array, x: StreamType) -> Array:
        """Whole rows."""
        _, h, w = x.shape if self.reshape is None else self.reshape
        _, columns = pool_size((h, w), self.kernel, self.stride, dilation=self.dilation)
        y = (pixels - 1) // columns
        last = y * self.stride[0] + (self.kernel[0] - 1) * self.dilation[0] + 1
        return np.where(pixels <= 0, 0, np.minimum(last, h) * w)

    def tail(self, x: StreamType, y: StreamType) -> float:
        """All of the pixel: it starts when its last row is whole."""
        return self.cycles([x], [y]) / y.positions

    latency: ClassVar[int] = 4
