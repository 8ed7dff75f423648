"""Forks where a stream has several readers, and FIFOs before joins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from qcompiler.ir import hardware as hw
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


class Demands:
    """How many pixels of the network input each stream's first k pixels take."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._plain: dict[Value, Array] = {}
        self._ahead: dict[Value, Array] = {}

    def demand(self, value: Value, ahead: bool) -> Array:
        """(pixels + 1,) int64: entry k: the network input's pixels behind ``value``'s first k."""
        memo = self._ahead if ahead else self._plain
        if value not in memo:
            stream = self.graph.type(value)
            pixels = np.arange(stream.positions + 1)
            memo[value] = self._trace(value.node, pixels, ahead)
        return memo[value]

    def _trace(self, name: str, pixels: Array, ahead: bool) -> Array:
        op = self.graph.op(name)
        inputs = self.graph.inputs(name)
        if not inputs:
            return pixels
        total = np.zeros_like(pixels)
        for value in inputs:
            stream = self.graph.type(value)
            if isinstance(op, hw.Window | hw.Winograd):
                need = op.need(pixels, stream, 1 if ahead else 0)
            else:
                need = op.need(pixels, stream)
            total = np.maximum(total, self.demand(value, ahead)[need])
        return total

    def depths(self, join: str, slack: int) -> list[int]:
        """FIFO depth in beats for each input of a join."""
        inputs = self.graph.inputs(join)
        depths = []
        for value in inputs:
            need = self.demand(value, False)
            others = [self.demand(v, True) for v in inputs if v != value]
            source = np.maximum.reduce([need, *others])
            made = np.searchsorted(need, source[1:], side="right") - 1
            waiting = int((made - np.arange(len(made))).max())
            words = self.graph.type(value).words
            depths.append(max(2, (waiting + 1) * words + slack))
        return depths
