"""Integer rewrites that leave each node with one hardware module to become."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from qcompiler.errors import GraphError
from qcompiler.ir import integer
from qcompiler.ir.geometry import unread_edges
from qcompiler.ir.graph import Graph


@dataclass(frozen=True)
class ExplicitPadding:
    """A convolution's border becomes a Pad node, and a Pad on all sides two of one kind each.

    Rows and columns of a border that no window reaches, as below an even size with a stride of two,
    are not made: a line buffer would have to hold them while it waits for the next frame.
    """

    name: ClassVar[str] = "explicit-padding"

    def run(self, graph: Graph) -> Graph:
        for name in graph.find(integer.Conv):
            conv = graph.op(name)
            if not any(conv.padding):
                continue
            top, left, bottom, right = conv.padding
            pad = integer.Pad(((0, 0), (top, bottom), (left, right)), conv.pad_code)
            source = graph.inputs(name)[0]
            value = graph.add(graph.fresh(f"{name}_pad"), pad, [source])
            graph.reconnect(name, 0, value)
            graph.replace(name, replace(conv, padding=(0, 0, 0, 0)))
        for name in graph.find(integer.WinogradConv):
            _border_of_tiles(graph, name)
        for name in graph.find(integer.Pad):
            pad = graph.op(name)
            channels, rows, columns = pad.pads
            if channels != (0, 0) and (rows, columns) != ((0, 0), (0, 0)):
                graph.replace(name, integer.Pad((channels, (0, 0), (0, 0)), pad.code))
                border = integer.Pad(((0, 0), rows, columns), pad.code)
                graph.insert(graph.fresh(f"{name}_border"), border, name)
        for name in graph.find(integer.Pad):
            _trim(graph, name)
        for name in graph.find(integer.Pad):
            if all(pair == (0, 0) for pair in graph.op(name).pads):
                graph.remove(name)
        return graph


def _trim(graph: Graph, name: str) -> None:
    """Leave out what the windows that read a border do not reach."""
    users = {user for user, _ in graph.users(name)}
    if len(users) != 1 or not isinstance(op := graph.op(users.pop()), integer.Conv | integer.Pool):
        return
    kernel = op.weight.shape[2:] if isinstance(op, integer.Conv) else op.kernel
    unread = unread_edges(graph.type(name).shape[1:], kernel, op.stride, op.dilation)
    pad = graph.op(name)
    channels, *sides = pad.pads
    rows, columns = ((a, b - min(b, n)) for (a, b), n in zip(sides, unread, strict=True))
    if (rows, columns) != tuple(sides):
        graph.replace(name, integer.Pad((channels, rows, columns), pad.code))


def _border_of_tiles(graph: Graph, name: str) -> None:
    """A Winograd convolution gets its padding and what its last tiles read beyond it."""
    op, (source,) = graph.op(name), graph.inputs(name)
    x, (_, *size) = graph.type(source), graph.type(name).shape
    top, left, _, _ = op.padding
    rows, columns = (op.tile.cover(n) for n in size)
    below, beside = rows - x.shape[1] - top, columns - x.shape[2] - left
    if below < 0 or beside < 0:
        raise GraphError("the input has more rows or columns than the tiles read", where=name)
    # What lies beyond the padding is never seen, so any code does.
    code = op.pad_code if op.pad_code in x.integers else x.integers.lo
    if (top, left, below, beside) != (0, 0, 0, 0):
        pad = integer.Pad(((0, 0), (top, below), (left, beside)), code)
        graph.reconnect(name, 0, graph.add(graph.fresh(f"{name}_pad"), pad, [source]))
    graph.replace(name, replace(op, padding=(0, 0, 0, 0), out_size=(size[0], size[1])))


@dataclass(frozen=True)
class SplitStridedPointwise:
    """A 1x1 convolution with a stride becomes a Slice and a 1x1 convolution without one."""

    name: ClassVar[str] = "split-strided-pointwise"

    def run(self, graph: Graph) -> Graph:
        for name in graph.find(integer.Conv):
            conv = graph.op(name)
            if conv.weight.shape[2:] != (1, 1) or conv.stride == (1, 1) or any(conv.padding):
                continue
            _, ny, nx = graph.type(name).shape
            cut = integer.Slice(0, conv.stride[0], ny, 0, conv.stride[1], nx)
            value = graph.add(graph.fresh(f"{name}_slice"), cut, [graph.inputs(name)[0]])
            graph.reconnect(name, 0, value)
            graph.replace(name, replace(conv, stride=(1, 1)))
        return graph


@dataclass(frozen=True)
class PairConcats:
    """A concat of many becomes a chain of concats of two; of one, nothing."""

    name: ClassVar[str] = "pair-concats"

    def run(self, graph: Graph) -> Graph:
        for name in graph.find(integer.Concat):
            inputs = graph.inputs(name)
            if len(inputs) == 1:
                graph.remove(name)
                continue
            if len(inputs) == 2:
                continue
            value = inputs[0]
            for k, other in enumerate(inputs[1:-1]):
                value = graph.add(graph.fresh(f"{name}_{k}"), integer.Concat(), [value, other])
            last = graph.add(graph.fresh(f"{name}_pair"), integer.Concat(), [value, inputs[-1]])
            graph.redirect(name, last)
            graph.discard(name)
            graph.rename(last.node, name)
        return graph
