"""Streams, and what every module that carries them has in common."""

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


def split(x: StreamType, lanes: int) -> None:
    if x.shape[0] % lanes or lanes < 1:
        raise GraphError(f"{lanes} lanes do not divide {x.shape[0]} channels")


@dataclass(frozen=True, eq=False)
class HardwareOp:
    """Base of one streaming module."""

    dialect: ClassVar[str] = "hardware"

    @property
    def latency(self) -> int:
        """Cycles from an input beat to the output beat that it makes, when nothing stalls."""
        return 1

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        raise GraphError(f"{type(self).__name__} has no type rule")

    def cycles(self, inputs: Sequence[StreamType], outputs: Sequence[StreamType]) -> int:
        """Cycles per frame that the module is busy, when nothing stalls it."""
        return max(t.beats for t in (*inputs, *outputs))

    def need(self, pixels: Array, x: StreamType) -> Array:
        """Input pixels that must have arrived before ``pixels`` output pixels can be complete."""
        return pixels

    def tail(self, x: StreamType, y: StreamType) -> float:
        """Cycles in which the module still sends a pixel after the last beat that it needs."""
        return max(y.beats / y.positions - x.beats / x.positions, 0.0)


@dataclass(frozen=True, eq=False)
class Laned(HardwareOp):
    """Base of ops that take and give ``lanes`` channels a beat."""

    lanes: int = field(default=1, kw_only=True)

    def _take(self, inputs: Sequence[StreamType]) -> StreamType:
        for x in inputs:
            split(x, self.lanes)
            if x.lanes != self.lanes:
                raise GraphError(f"fed {x.lanes} lanes, takes {self.lanes}")
            if x.order is not None:
                raise GraphError("fed a window stream, takes a raster")
        return inputs[0]
