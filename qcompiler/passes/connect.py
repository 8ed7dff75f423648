"""Forks where a stream has several readers, and FIFOs before joins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from qcompiler.ir import hardware as hw
from qcompiler.ir.geometry import pool_size
from qcompiler.ir.graph import Graph, Value
from qcompiler.passes.fold import bottleneck

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class InsertForks:
    """One fork for every stream that several modules read."""

    name: ClassVar[str] = "insert-forks"

    def run(self, graph: Graph) -> Graph:
        for name in graph:
            users = graph.users(name)
            if len(users) < 2:
                continue
            fork = graph.fresh(f"{name}_fork")
            graph.add(fork, hw.Fork(len(users)), [name])
            for port, (user, slot) in enumerate(users):
                graph.reconnect(user, slot, Value(fork, port))
        return graph


@dataclass(frozen=True)
class SizeFifos:
    """Put a FIFO on every input of a join, deep enough that no join deadlocks or slows the frame.

    For join output pixel t, input i needs D_i(t) pixels of the network input (composed from each
    module's ``need``), so the network input must have advanced to S(t) = max_i D_i(t). By then
    input i may have produced every pixel k with D_i(k) <= S(t), of which the join has taken t-1:
    the FIFO holds the rest. The windows behind the other inputs are given one output row of
    prefetch, so that they load the next row while their arrays work on this one; without that the
    design would run, at half the speed.
    """

    slack: int = 2
    name: ClassVar[str] = "size-fifos"

    def run(self, graph: Graph) -> Graph:
        self._before_borders(graph)
        self._behind_bursts(graph)
        demands = Demands(graph)
        for name in list(graph):
            if not isinstance(graph.op(name), hw.Add | hw.Concat):
                continue
            for slot, depth in enumerate(demands.depths(name, self.slack)):
                source = graph.inputs(name)[slot]
                fifo = graph.add(graph.fresh(f"{name}_fifo{slot}"), hw.Fifo(depth), [source])
                graph.reconnect(name, slot, fifo)
        return graph

    def _before_borders(self, graph: Graph) -> None:
        """A FIFO for what comes while a Pad writes one frame's bottom and the next one's top.

        Without it the module before would stall there, once a frame.
        """
        _, frame = bottleneck(graph)
        for name in graph.find(hw.Pad):
            value = graph.inputs(name)[0]
            if isinstance(graph.op(value.node), hw.Source):
                continue
            x = graph.type(value)
            top, left, bottom, right = graph.op(name).border
            pause = (top + bottom) * (x.shape[2] + left + right) + left + right
            coming = -(-pause * x.words * x.beats // frame)
            if coming <= 1:
                continue
            depth = max(2, coming + x.words + self.slack)
            fifo = graph.add(graph.fresh(f"{name}_fifo"), hw.Fifo(depth), [value])
            graph.reconnect(name, 0, fifo)

    def _behind_bursts(self, graph: Graph) -> None:
        """A FIFO for the results of a pixel where its output folds take different times.

        Some results come faster than on average. What takes them may be no faster than that, and
        would stall the array.
        """
        for name in graph.find(hw.BitSerialArray):
            op, y = graph.op(name), graph.type(name)
            if len(op.lists) == 1 or _beats_behind(graph, name) <= op.pace * y.beats:
                continue
            fifo = graph.fresh(f"{name}_fifo")
            users = graph.users(name)
            graph.add(fifo, hw.Fifo(max(2, len(op.lists))), [name])
            for user, slot in users:
                graph.reconnect(user, slot, Value(fifo))


def _beats_behind(graph: Graph, name: str) -> int:
    """Most beats a frame on any stream behind a node, up to the next line buffers."""
    most, reached, waiting = 0, {name}, [name]
    while waiting:
        node = waiting.pop()
        most = max([most, *(stream.beats for stream in graph.types(node))])
        users = {user for user, _ in graph.users(node)} - reached
        reached |= users
        waiting += [user for user in users if not isinstance(graph.op(user), hw.Window)]
    return most


FRAMES = 2  # what is fetched ahead at the end of a frame belongs to the next one


class Demands:
    """How many pixels of the network input each stream's first k pixels take, over two frames."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._plain: dict[Value, Array] = {}
        self._ahead: dict[Value, Array] = {}

    def demand(self, value: Value, ahead: bool) -> Array:
        """int64, entry k: the network input's pixels behind ``value``'s first k."""
        memo = self._ahead if ahead else self._plain
        if value not in memo:
            count = FRAMES * self.graph.type(value).positions
            memo[value] = self._trace(value, np.arange(count + 1), ahead)
        return memo[value]

    def _trace(self, value: Value, pixels: Array, ahead: bool) -> Array:
        inputs = self.graph.inputs(value.node)
        if not inputs:
            return pixels
        if ahead:
            pixels = np.where(pixels, pixels + self._prefetched(value), 0)
        total = np.zeros_like(pixels)
        for source in inputs:
            need = self._need(value, source, pixels)
            demand = self.demand(source, ahead)
            total = np.maximum(total, demand[np.minimum(need, len(demand) - 1)])
        return total

    def _need(self, value: Value, source: Value, pixels: Array) -> Array:
        """Pixels of a source before so many of a node, frame after frame."""
        op, x = self.graph.op(value.node), self.graph.type(source)
        frame, rest = np.divmod(pixels - 1, self.graph.type(value).positions)
        return np.where(pixels > 0, frame * x.positions + op.need(rest + 1, x), 0)

    def _prefetched(self, value: Value) -> int:
        """Positions ahead of its output that a module takes in: a row of windows, or of tiles."""
        op, y = self.graph.op(value.node), self.graph.type(value)
        if isinstance(op, hw.Winograd):
            return op.m * op.out_shape[2]
        if isinstance(op, hw.Window):
            rows, _ = pool_size(y.shape[1:], op.kernel, op.stride, dilation=op.dilation)
            return int(y.positions // rows)
        return 0

    def depths(self, join: str, slack: int) -> list[int]:
        """FIFO depth in beats for each input of a join."""
        inputs = self.graph.inputs(join)
        frame = self.graph.type(inputs[0]).positions
        depths = []
        for value in inputs:
            need = self.demand(value, False)
            others = [self.demand(v, True) for v in inputs if v != value]
            source = np.maximum.reduce([need, *others])[1 : frame + 1]
            made = np.searchsorted(need, source, side="right") - 1
            waiting = int((made - np.arange(frame)).max())
            words = self.graph.type(value).words
            depths.append(max(2, (waiting + 1) * words + slack))
        return depths
