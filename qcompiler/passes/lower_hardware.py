"""Lower an integer graph to streaming modules, one lane wide; folding comes after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from qcompiler.errors import GraphError
from qcompiler.ir import hardware as hw
from qcompiler.ir import integer
from qcompiler.ir.geometry import unread_edges
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.planes import encode


@dataclass(frozen=True)
class LowerHardware:
    """``integer`` (with explicit padding) to ``hardware``.

    A hardware node that computes an integer tensor has its name; windows are ``NAME_window``.

    Args:
        direct: Convolutions that become multiplier arrays; the others become bit-serial ones.
        partial_bits: Width of partial sums of products in engines of multipliers; None for none.
        depthwise: Convolutions that become depthwise arrays.
        hardwired: Convolutions whose weights become wires.
    """

    direct: frozenset[str] = frozenset()
    partial_bits: int | None = None
    depthwise: frozenset[str] = frozenset()
    hardwired: frozenset[str] = frozenset()
    name: ClassVar[str] = "lower-hardware"

    def run(self, graph: Graph) -> Graph:
        out = Graph("hardware")
        values: dict[str, Value] = {}
        for name in graph:
            inputs = [values[v.node] for v in graph.inputs(name)]
            if name in self.direct:
                values[name] = _direct(graph, out, name, inputs, self.partial_bits)
            elif name in self.depthwise:
                values[name] = _conv(graph, out, name, inputs, hw.DepthwiseArray)
            elif name in self.hardwired:
                values[name] = _hardwired(graph, out, name, inputs)
            elif isinstance(graph.op(name), integer.WinogradConv):
                values[name] = _winograd(graph, out, name, inputs, self.partial_bits)
            else:
                values[name] = _RULES[type(graph.op(name))](graph, out, name, inputs)
        return out


def _input(graph: Graph, out: Graph, name: str, inputs: list[Value]) -> Value:
    op = graph.op(name)
    return out.add(name, hw.Source(name, op.shape, op.elem))


def _output(graph: Graph, out: Graph, name: str, inputs: list[Value]) -> Value:
    return out.add(name, hw.Sink(), inputs)


def _conv(
    graph: Graph,
    out: Graph,
    name: str,
    inputs: list[Value],
    engine: type[hw.BitSerialArray] = hw.BitSerialArray,
) -> Value:
    op = graph.op(name)
    if any(op.padding):
        raise GraphError("padding must be explicit before lowering", where=name)
    shape = graph.type(graph.inputs(name)[0]).shape
    planes = encode(op.weight)
    kind = graph.type(name)
    array = engine(
        name, op.weight, planes.signs, planes.exps, kind.shape, kind.integers, groups=op.groups
    )
    window = make_window(
        shape, op.weight.shape[2:], op.stride, op.dilation, op.groups, array.repeat
    )
    return out.add(name, array, [out.add(f"{name}_window", window, inputs)])


def _direct(
    graph: Graph, out: Graph, name: str, inputs: list[Value], partial_bits: int | None
) -> Value:
    op = graph.op(name)
    if not isinstance(op, integer.Conv) or any(op.padding):
        raise GraphError("only convolutions with explicit padding become arrays", where=name)
    shape, kind = graph.type(graph.inputs(name)[0]).shape, graph.type(name)
    array = hw.MultiplierArray(
        name, op.weight, kind.shape, kind.integers, op.groups, partial_bits=partial_bits
    )
    window = make_window(
        shape, op.weight.shape[2:], op.stride, op.dilation, op.groups, array.repeat
    )
    return out.add(name, array, [out.add(f"{name}_window", window, inputs)])


def _hardwired(graph: Graph, out: Graph, name: str, inputs: list[Value]) -> Value:
    op, kind = graph.op(name), graph.type(name)
    if any(op.padding):
        raise GraphError("padding must be explicit before lowering", where=name)
    if (reason := hw.unwirable(op.weight, op.groups)) is not None:
        raise GraphError(
            f"cannot be hard-wired: {reason}",
            where=name,
            hint=f"choose another engine, for example --engine {name}=bitserial",
        )
    shape = graph.type(graph.inputs(name)[0]).shape
    unit = hw.Hardwired(name, op.weight, kind.shape, kind.integers)
    window = make_window(shape, op.weight.shape[2:], op.stride, op.dilation, 1, 1)
    return out.add(name, unit, [out.add(f"{name}_window", unit.fed_by(window), inputs)])


def _winograd(
    graph: Graph, out: Graph, name: str, inputs: list[Value], partial_bits: int | None
) -> Value:
    op, kind = graph.op(name), graph.type(name)
    if any(op.padding):
        raise GraphError("padding must be explicit before lowering", where=name)
    unit = hw.Winograd(name, op.weight, op.m, kind.shape, kind.integers, partial_bits=partial_bits)
    t = op.tile.t
    rows = 2 * t  # as for other windows: the next rows of tiles come in meanwhile
    window = hw.Window((t, t), (op.m, op.m), (1, 1), unit.words, 1, rows, None, lanes=1)
    return out.add(name, unit, [out.add(f"{name}_window", window, inputs)])


def make_window(
    shape: tuple[int, ...],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    repeat: int,
    lanes: int = 1,
) -> hw.Window:
    """The line buffer of a window over (C, H, W).

    It holds two windows' worth of rows, and those that no window reads, so that the next frame
    comes in while the last row of this one is worked on. A frame that is read pixel by pixel, or
    whole, is reshaped so that a "row" is one pixel, or the frame: two of them are then enough.
    """
    _, h, w = shape
    unread, _ = unread_edges((h, w), kernel, stride, dilation)
    reshape = None
    if kernel == (1, 1) and stride == (1, 1):
        reshape = (shape[0], h * w, 1)
    elif kernel == (h, w) and dilation == (1, 1):
        reshape, kernel, stride = (shape[0], 1, h * w), (1, h * w), (1, 1)
    span = (kernel[0] - 1) * dilation[0] + 1
    rows = max(2 * span + unread, span + stride[0])
    return hw.Window(kernel, stride, dilation, groups, repeat, rows, reshape, lanes=lanes)


def _pool(graph: Graph, out: Graph, name: str, inputs: list[Value]) -> Value:
    op = graph.op(name)
    shape = graph.type(graph.inputs(name)[0]).shape
    out_shape = graph.type(name).shape
    if isinstance(op, integer.SumPool) and op.kernel == shape[1:]:
        return out.add(name, hw.GlobalSum(name), inputs)
    window = make_window(shape, op.kernel, op.stride, op.dilation, shape[0], 1)
    kind = hw.MaxPool if isinstance(op, integer.MaxPool) else hw.SumPool
    return out.add(name, kind(name, out_shape), [out.add(f"{name}_window", window, inputs)])


def _step_table(graph: Graph, out: Graph, name: str, inputs: list[Value]) -> Value:
    op = graph.op(name)
    return out.add(name, hw.Threshold(name, op.thresholds, op.table, op.out), inputs)


def _scale_shift(graph: Graph, out: Graph, name: str, inputs: list[Value]) -> Value:
    op = graph.op(name)
    return out.add(name, hw.Scale(name, op.m, op.r, op.n, op.clamp, op.out), inputs)


def _lookup(graph: Graph, out: Graph, name: str, inputs: list[Value]) -> Value:
    op = graph.op(name)
    return out.add(name, hw.Lookup(name, op.table, op.out), inputs)


def _multiply(graph: Graph, out: Graph, name: str, inputs: list[Value]) -> Value:
    op = graph.op(name)
    return out.add(name, hw.Multiply(name, op.x_zero, op.gate_zero), inputs)


def _add(graph: Graph, out: Graph, name: str, inputs: list[Value]) -> Value:
    op = graph.op(name)
    return out.add(name, hw.Add(name, op.a_mul, op.b_mul), inputs)


def _concat(graph: Graph, out: Graph, name: str, inputs: list[Value]) -> Value:
    return out.add(name, hw.Concat(name), inputs)


def _pad(graph: Graph, out: Graph, name: str, inputs: list[Value]) -> Value:
    op = graph.op(name)
    (front, back), (top, bottom), (left, right) = op.pads
    if (front, back) != (0, 0):
        return out.add(name, hw.ChannelPad(name, front, back, op.code), inputs)
    return out.add(name, hw.Pad(name, (top, left, bottom, right), op.code), inputs)


def _slice(graph: Graph, out: Graph, name: str, inputs: list[Value]) -> Value:
    op = graph.op(name)
    cut = hw.Slice(name, (op.y0, op.dy, op.ny), (op.x0, op.dx, op.nx))
    return out.add(name, cut, inputs)


_RULES: dict[type, Callable[[Graph, Graph, str, list[Value]], Any]] = {
    integer.Input: _input,
    integer.Output: _output,
    integer.Conv: _conv,
    integer.MaxPool: _pool,
    integer.SumPool: _pool,
    integer.StepTable: _step_table,
    integer.ScaleShift: _scale_shift,
    integer.Lookup: _lookup,
    integer.Multiply: _multiply,
    integer.Add: _add,
    integer.Concat: _concat,
    integer.Pad: _pad,
    integer.Slice: _slice,
}
