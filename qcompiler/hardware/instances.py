"""From one hardware node to its module instances, generated modules and memories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import lcm
from typing import Any

from qcompiler.errors import GraphError
from qcompiler.hardware.array import ArrayUnit
from qcompiler.hardware.multiplier import MultiplierUnit
from qcompiler.hardware.scale_shift import ScaleShiftUnit
from qcompiler.hardware.threshold import ThresholdUnit
from qcompiler.hardware.winograd import WinogradUnit
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.planes import encode, encode_folds
from qcompiler.resources import RTL


@dataclass(frozen=True)
class Wire:
    """One stream in the core: signals ``NAME_tdata, _tvalid, _tready, _tlast``."""

    name: str
    width: int


@dataclass(frozen=True)
class Sized:
    """A parameter value of a given width."""

    value: int
    width: int


Parameter = int | str | Sized


@dataclass(frozen=True)
class Instance:
    """One module instance; ``ports`` maps a stream port prefix to the wires it joins, low first."""

    name: str
    module: str
    parameters: dict[str, Parameter]
    ports: dict[str, tuple[Wire, ...]]
    comment: str = ""


@dataclass
class Rendered:
    """What one node adds to a design. Memories and modules map file names to text."""

    instances: list[Instance] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)
    memories: dict[str, str] = field(default_factory=dict)


def wire(graph: Graph, value: Value) -> Wire:
    """The wire that carries a value: the node's name, with the port for a fork."""
    many = len(graph.types(value.node)) > 1
    name = f"{value.node}_{value.port}" if many else value.node
    return Wire(name, graph.type(value).width)


def module_name(prefix: str, node: str) -> str:
    """``PREFIX_NODE``; ``PREFIX__NODE`` where the core or a library module is called that.

    No other node gets that name: none begins with an underscore.
    """
    name = f"{prefix}_{node}"
    taken = node == "core" or (RTL / f"{name}.v").is_file()
    return f"{prefix}__{node}" if taken else name


def render_node(graph: Graph, name: str, prefix: str) -> Rendered:
    """Instances of a node; Source and Sink have none (the top connects them).

    Generated modules are called after the prefix, so that several designs fit in one project.
    """
    context = _Context(graph, name, prefix)
    _RULES[type(graph.op(name))](context)
    return context.out


class _Context:
    def __init__(self, graph: Graph, name: str, prefix: str) -> None:
        self.graph, self.name, self.op = graph, name, graph.op(name)
        self.module = module_name(prefix, name)
        self.inputs = [wire(graph, v) for v in graph.inputs(name)]
        self.x: list[hw.StreamType] = [graph.type(v) for v in graph.inputs(name)]
        self.y: tuple[hw.StreamType, ...] = graph.types(name)
        self.outputs = [wire(graph, Value(name, k)) for k in range(len(self.y))]
        self.out = Rendered()

    def add(
        self,
        module: str,
        parameters: dict[str, Parameter],
        *,
        ports: Mapping[str, tuple[Wire, ...]] | None = None,
        suffix: str = "",
    ) -> None:
        joined = dict(ports or {"s_axis": tuple(self.inputs), "m_axis": tuple(self.outputs)})
        label = f"u_{self.name}" + (f"__{suffix}" if suffix else "")
        self.out.instances.append(Instance(label, module, parameters, joined, str(self.y[0])))

    @property
    def joined(self) -> dict[str, tuple[Wire, ...]]:
        a, b = self.inputs
        return {"a_axis": (a,), "b_axis": (b,), "m_axis": (self.outputs[0],)}


def _lanes(code: int, stream: hw.StreamType) -> Sized:
    """A beat with ``code`` in every lane."""
    bits = stream.elem.bits
    word = sum((code & ((1 << bits) - 1)) << (k * bits) for k in range(stream.lanes))
    return Sized(word, stream.width)


def _nothing(c: _Context) -> None:
    pass


def _fifo(c: _Context) -> None:
    c.add("qc_fifo", {"WIDTH": c.x[0].width, "DEPTH": c.op.depth})


def _fork(c: _Context) -> None:
    c.add("qc_fork", {"WIDTH": c.x[0].width, "N": c.op.outputs})


def _adapter(c: _Context) -> None:
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


def _pad(c: _Context) -> None:
    x = c.x[0]
    top, left, bottom, right = c.op.border
    size = {"WIDTH": x.width, "WORDS": x.words, "H": x.shape[1], "W": x.shape[2]}
    border = {"TOP": top, "LEFT": left, "BOTTOM": bottom, "RIGHT": right}
    c.add("qc_pad", {**size, **border, "FILL": _lanes(c.op.code, x)})


def _slice(c: _Context) -> None:
    x = c.x[0]
    (y0, dy, ny), (x0, dx, nx) = c.op.rows, c.op.columns
    size = {"WIDTH": x.width, "WORDS": x.words, "H": x.shape[1], "W": x.shape[2]}
    c.add("qc_slice", {**size, "Y0": y0, "DY": dy, "NY": ny, "X0": x0, "DX": dx, "NX": nx})


def _channel_pad(c: _Context) -> None:
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


def _concat(c: _Context) -> None:
    a, b = c.x
    words = {"A_WORDS": a.words, "B_WORDS": b.words}
    c.add("qc_concat", {"WIDTH": a.width, **words, "PIXELS": a.pixels}, ports=c.joined)


def _add(c: _Context) -> None:
    a, b = c.x
    c.add(
        "qc_add",
        {
            "LANES": c.op.lanes,
            "A_BITS": a.elem.bits,
            "A_SIGNED": int(a.elem.signed),
            "B_BITS": b.elem.bits,
            "B_SIGNED": int(b.elem.signed),
            "A_MUL": c.op.a_mul,
            "B_MUL": c.op.b_mul,
            "OUT_BITS": c.y[0].elem.bits,
        },
        ports=c.joined,
    )


def _window(c: _Context) -> None:
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


def _array(c: _Context) -> None:
    op, x = c.op, c.x[0]
    planes = [encode(op.weight)]
    if (planes[0].signs, planes[0].exps) != (op.signs, op.exps):
        raise GraphError("the plane list does not belong to the weights", where=c.name)
    if op.per_fold:
        planes = list(encode_folds(op.weight, op.groups, op.pe))
    unit = ArrayUnit.build(
        c.module,
        planes=[replace(p, bits=p.bits.transpose(0, 1, 3, 4, 2)) for p in planes],
        groups=op.groups,
        pe=op.pe,
        simd=op.simd,
        planes_per_cycle=op.planes,
        act_bits=x.elem.bits,
        act_signed=x.elem.signed,
        acc_bits=op.acc.bits,
    )
    _generated(c, unit)


def _multipliers(c: _Context) -> None:
    op = c.op
    unit = MultiplierUnit.of_convolution(
        c.module,
        weight=op.weight,
        groups=op.groups,
        pe=op.pe,
        simd=op.simd,
        act=c.x[0].elem,
        acc_bits=op.acc.bits,
        partial_bits=op.partial_bits,
    )
    _generated(c, unit)


def _winograd(c: _Context) -> None:
    op = c.op
    unit = WinogradUnit.build(
        c.module,
        weight=op.weight,
        m=op.m,
        x=c.x[0].elem,
        acc=op.acc,
        size=op.out_shape[1:],
        pe=op.pe,
        simd=op.simd,
        partial_bits=op.partial_bits,
    )
    c.out.modules.update(unit.modules())
    c.out.memories.update(unit.memories())
    c.add(unit.name, {})


def _threshold(c: _Context) -> None:
    op, x = c.op, c.x[0]
    unit = ThresholdUnit.build(
        c.module,
        thresholds=op.thresholds,
        table=op.table,
        in_bits=x.elem.bits,
        in_signed=x.elem.signed,
        in_hi=x.elem.hi,
        out_bits=op.out.bits,
        lanes=op.lanes,
    )
    _generated(c, unit)


def _generated(c: _Context, unit: Any) -> None:
    c.out.modules[f"{unit.name}.v"] = unit.verilog()
    c.out.memories.update(unit.memories())
    c.add(unit.name, {})


def _scale(c: _Context) -> None:
    op, x = c.op, c.x[0]
    unit = ScaleShiftUnit.build(
        c.module,
        m=op.m,
        r=op.r,
        n=op.n,
        lo=op.clamp.lo,
        hi=op.clamp.hi,
        in_bits=x.elem.bits,
        in_signed=x.elem.signed,
        out_bits=op.out.bits,
        lanes=op.lanes,
    )
    c.out.memories.update(unit.memories())
    c.add("qc_scale_shift", unit.parameters())


def _max_pool(c: _Context) -> None:
    x = c.x[0]
    c.add(
        "qc_max_pool",
        {
            "LANES": x.lanes,
            "BITS": x.elem.bits,
            "SIGNED": int(x.elem.signed),
            "COUNT": _window_size(x),
        },
    )


def _window_size(x: hw.StreamType) -> int:
    assert x.order is not None
    return x.order.kernel[0] * x.order.kernel[1]


def _sum_pool(c: _Context) -> None:
    x = c.x[0]
    c.add(
        "qc_sum_pool",
        {
            "LANES": x.lanes,
            "IN_BITS": x.elem.bits,
            "SIGNED": int(x.elem.signed),
            "COUNT": _window_size(x),
            "OUT_BITS": c.y[0].elem.bits,
        },
    )


def _global_sum(c: _Context) -> None:
    x = c.x[0]
    c.add(
        "qc_global_sum",
        {
            "LANES": x.lanes,
            "IN_BITS": x.elem.bits,
            "SIGNED": int(x.elem.signed),
            "WORDS": x.words,
            "PIXELS": x.pixels,
            "OUT_BITS": c.y[0].elem.bits,
        },
    )


_RULES: dict[type, Callable[[_Context], None]] = {
    hw.Source: _nothing,
    hw.Sink: _nothing,
    hw.Fifo: _fifo,
    hw.Fork: _fork,
    hw.Adapter: _adapter,
    hw.Pad: _pad,
    hw.Slice: _slice,
    hw.ChannelPad: _channel_pad,
    hw.Concat: _concat,
    hw.Add: _add,
    hw.Window: _window,
    hw.BitSerialArray: _array,
    hw.MultiplierArray: _multipliers,
    hw.Winograd: _winograd,
    hw.Threshold: _threshold,
    hw.Scale: _scale,
    hw.MaxPool: _max_pool,
    hw.SumPool: _sum_pool,
    hw.GlobalSum: _global_sum,
}
