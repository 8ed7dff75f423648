"""Instances of the modules that move beats: FIFOs, forks, adapters, borders, windows."""

from __future__ import annotations

from collections.abc import Callable
from math import lcm

from qcompiler.hardware.instance import Context, Parameter, Sized, Wire
from qcompiler.ir import hardware as hw


def _lanes(code: int, stream: hw.StreamType) -> Sized:
    """A beat with ``code`` in every lane."""
    bits = stream.elem.bits
    word = sum((code & ((1 << bits) - 1)) << (k * bits) for k in range(stream.lanes))
    return Sized(word, stream.width)


def _nothing(c: Context) -> None:
    pass


def _fifo(c: Context) -> None:
    c.add("qc_fifo", {"WIDTH": c.x[0].width, "DEPTH": c.op.depth})


def _fork(c: Context) -> None:
    c.add("qc_fork", {"WIDTH": c.x[0].width, "N": c.op.outputs})


def _adapter(c: Context) -> None:
    have, want, bits = c.x[0].lanes, c.y[0].lanes, c.x[0].elem.bits
    common = lcm(have, want)
    if common == want:
        c.add("qc_upsize", {"WIDTH": have * bits, "RATIO": want // have})
    elif common == have:
        c.add("qc_downsize", {"WIDTH": want * bits, "RATIO": have // want})
    else:
        middle = Wire(f"{c.name}__wide", common * bits)
        c.out.wires.append(middle)
        ports = {"s_axis": (c.inputs[0],), "m_axis": (middle,)}
        up: dict[str, Parameter] = {"WIDTH": have * bits, "RATIO": common // have}
        c.add("qc_upsize", up, ports=ports, suffix="up")
        ports = {"s_axis": (middle,), "m_axis": (c.outputs[0],)}
        down: dict[str, Parameter] = {"WIDTH": want * bits, "RATIO": common // want}
        c.add("qc_downsize", down, ports=ports, suffix="down")


def _pad(c: Context) -> None:
    x = c.x[0]
    top, left, bottom, right = c.op.border
    size = {"WIDTH": x.width, "WORDS": x.words, "H": x.shape[1], "W": x.shape[2]}
    border = {"TOP": top, "LEFT": left, "BOTTOM": bottom, "RIGHT": right}
    c.add("qc_pad", {**size, **border, "FILL": _lanes(c.op.code, x)})


def _slice(c: Context) -> None:
    x = c.x[0]
    (y0, dy, ny), (x0, dx, nx) = c.op.rows, c.op.columns
    size = {"WIDTH": x.width, "WORDS": x.words, "H": x.shape[1], "W": x.shape[2]}
    c.add("qc_slice", {**size, "Y0": y0, "DY": dy, "NY": ny, "X0": x0, "DX": dx, "NX": nx})


def _channel_pad(c: Context) -> None:
    x, lanes = c.x[0], c.op.lanes
    c.add(
        "qc_channel_pad",
        {
            "WIDTH": x.width,
            "WORDS": x.words,
            "BEFORE": c.op.front // lanes,
            "AFTER": c.op.back // lanes,
            "PIXELS": x.pixels,
            "FILL": _lanes(c.op.code, x),
        },
    )


def _concat(c: Context) -> None:
    a, b = c.x
    words = {"A_WORDS": a.words, "B_WORDS": b.words}
    c.add("qc_concat", {"WIDTH": a.width, **words, "PIXELS": a.pixels}, ports=c.joined)


def _window(c: Context) -> None:
    op, y = c.op, c.y[0]
    _, h, w = y.shape
    c.add(
        "qc_window",
        {
            "WIDTH": y.width,
            "H": h,
            "W": w,
            "GROUPS": op.groups,
            "WORDS": y.words // op.groups,
            "KH": op.kernel[0],
            "KW": op.kernel[1],
            "SH": op.stride[0],
            "SW": op.stride[1],
            "DH": op.dilation[0],
            "DW": op.dilation[1],
            "REPEAT": op.repeat,
            "ROWS": op.rows,
        },
    )


def _straight(c: Context) -> None:
    c.add("qc_wires", {"WIDTH": c.x[0].width})


RULES: dict[type, Callable[[Context], None]] = {
    hw.Source: _nothing,
    hw.Sink: _nothing,
    hw.Fifo: _fifo,
    hw.Fork: _fork,
    hw.Adapter: _adapter,
    hw.Pad: _pad,
    hw.Slice: _slice,
    hw.ChannelPad: _channel_pad,
    hw.Concat: _concat,
    hw.Window: _window,
    hw.Straight: _straight,
}
