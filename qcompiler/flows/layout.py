"""Tensors as streams and back: the order of beats (docs/hardware.md), and how to name one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qcompiler.flows.beats import Beats
from qcompiler.flows.harness import Window
from qcompiler.ir.geometry import pool_size
from qcompiler.ir.hardware import StreamType

Array = np.ndarray[Any, Any]


def raster(tensor: Array, lanes: int) -> Array:
    """Codes (N, C, H, W) as (N, beats, lanes) in NHWC raster."""
    n = len(tensor)
    return np.ascontiguousarray(tensor.transpose(0, 2, 3, 1)).reshape(n, -1, lanes)


def beats_of(tensor: Array, stream: StreamType) -> Beats:
    """What a monitor compares: the raster of the tensor, for a window stream that of its source."""
    return Beats.from_frames(raster(tensor, stream.lanes), stream.elem.bits)


def tensor_of(beats: Beats, stream: StreamType, bits: int) -> Array:
    """Beats of a raster with lanes of ``bits`` bits as codes (N, C, H, W)."""
    c, h, w = stream.shape
    values = beats.lanes(bits, stream.lanes, stream.elem.signed)
    return values.reshape(-1, h, w, c).transpose(0, 3, 1, 2)


def window_of(stream: StreamType) -> Window | None:
    """The monitor's loops for a window stream."""
    if stream.order is None:
        return None
    o = stream.order
    return Window(
        H=stream.shape[1],
        W=stream.shape[2],
        GROUPS=o.groups,
        WORDS=stream.words // o.groups,
        KH=o.kernel[0],
        KW=o.kernel[1],
        SH=o.stride[0],
        SW=o.stride[1],
        DH=o.dilation[0],
        DW=o.dilation[1],
        REPEAT=o.repeat,
    )


@dataclass(frozen=True)
class Place:
    """Where a beat lies. ``channel`` is that of lane 0."""

    frame: int
    row: int
    column: int
    channel: int

    def __str__(self) -> str:
        return f"frame {self.frame}, pixel ({self.row}, {self.column}), channel {self.channel}"


def place_of(stream: StreamType, index: int) -> Place:
    """Which frame, pixel and channel beat ``index`` carries; for a window, the pixel it reads."""
    frame, beat = divmod(index, stream.beats)
    if stream.order is None:
        pixel, word = divmod(beat, stream.words)
        row, column = divmod(pixel, stream.shape[2])
        return Place(frame, row, column, word * stream.lanes)
    o = stream.order
    words = stream.words // o.groups
    rest, word = divmod(beat, words)
    rest, kw = divmod(rest, o.kernel[1])
    rest, kh = divmod(rest, o.kernel[0])
    rest = rest // o.repeat
    rest, group = divmod(rest, o.groups)
    _, columns = pool_size(stream.shape[1:], o.kernel, o.stride, dilation=o.dilation)
    oy, ox = divmod(rest, columns)
    row, column = oy * o.stride[0] + kh * o.dilation[0], ox * o.stride[1] + kw * o.dilation[1]
    return Place(frame, row, column, (group * words + word) * stream.lanes)
