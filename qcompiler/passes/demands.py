"""When the pixels of each stream can be there, counted in pixels of a stream before a join."""

from __future__ import annotations

from typing import Any

import numpy as np

from qcompiler.ir import hardware as hw
from qcompiler.ir.geometry import pool_size
from qcompiler.ir.graph import Graph, Value

Array = np.ndarray[Any, Any]
FRAMES = 2  # what is fetched ahead at the end of a frame belongs to the next one


def dominators(graph: Graph) -> dict[str, str]:
    """For each node the nearest one that all its data pass; the network input has itself."""
    found: dict[str, str] = {}
    depth: dict[str, int] = {}
    for name in graph:
        feeders = {v.node for v in graph.inputs(name)} or {name}
        while len(feeders) > 1:
            deepest = max(feeders, key=lambda node: (depth[node], node))
            feeders = feeders - {deepest} | {found[deepest]}
        (found[name],) = feeders
        depth[name] = depth[found[name]] + 1 if found[name] != name else 0
    return found


class Demands:
    """How many pixels of the origin have passed when a stream's first k pixels are there.

    The clock is the origin: in a design that runs at its rate one of its ``pixels`` comes every
    ``frame / pixels`` cycles. A map of many pixels follows the pixels that it needs at once; what
    it takes to work on them is at most a row, which is fetched ahead. A map of one pixel comes
    only after the time that it takes to compute, as part of a frame.

    Args:
        graph: Folded.
        origin: Node whose first output all data of interest pass.
        frame: Cycles from one frame to the next.
    """

    def __init__(self, graph: Graph, origin: str, frame: int) -> None:
        self.graph = graph
        self.origin = origin
        self.pixels: int = graph.types(origin)[0].positions
        self._tick = self.pixels / frame  # pixels of the origin in a cycle
        self._memo: dict[tuple[Value, bool], Array] = {}

    def demand(self, value: Value, ahead: bool) -> Array:
        """float64, entry k: the origin's pixels behind ``value``'s first k, over FRAMES frames.

        Args:
            value: A stream behind the origin, or one of its outputs.
            ahead: Each window fetches the row that follows as well, so that its array never waits.
        """
        key = value, ahead
        if key not in self._memo:
            count = FRAMES * self.graph.type(value).positions
            self._memo[key] = self._trace(value, np.arange(count + 1), ahead)
        return self._memo[key]

    def at(self, value: Value, pixels: Array, ahead: bool) -> Array:
        """`demand` of any number of pixels: later frames are like the last of FRAMES."""
        demand, positions = self.demand(value, ahead), self.graph.type(value).positions
        later = np.maximum((pixels - 1) // positions - (FRAMES - 1), 0)
        found: Array = demand[pixels - later * positions] + later * self.pixels
        return found

    def made(self, value: Value, time: Array) -> Array:
        """Pixels of a stream that can be there when so many of the origin have passed."""
        frames = int(time.max()) // self.pixels + 2
        pixels = np.arange(frames * self.graph.type(value).positions + 1)
        return np.searchsorted(self.at(value, pixels, False), time, side="right") - 1

    def _trace(self, value: Value, pixels: Array, ahead: bool) -> Array:
        if value.node == self.origin:
            return pixels.astype(np.float64)
        wanted = pixels
        if ahead:
            wanted = np.where(pixels, pixels + self._prefetched(value), 0)
        total = np.zeros(len(pixels))
        for source in self.graph.inputs(value.node):
            need = self._need(value, source, wanted)
            total = np.maximum(total, self.at(source, need, ahead))
        return np.where(pixels, self._paced(value, total), 0)

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
        if isinstance(op, hw.Window) and y.positions > 1:
            rows, _ = pool_size(y.shape[1:], op.kernel, op.stride, dilation=op.dilation)
            return int(y.positions // rows)
        return 0

    def _paced(self, value: Value, total: Array) -> Array:
        """Later by the time of computing, where that is not what the sources already take."""
        op, y = self.graph.op(value.node), self.graph.type(value)
        inputs = [self.graph.type(v) for v in self.graph.inputs(value.node)]
        if y.positions == 1:
            total = total + self._tick * (op.latency + max(op.tail(x, y) for x in inputs))
        elif len({x.positions for x in inputs}) > 1:  # all of a frame could be made with its gate
            step = self._tick * op.cycles(inputs, [y]) / y.positions * np.arange(len(total))
            total = np.maximum.accumulate(total - step) + step
        return total

    def waiting(self, join: str) -> list[int]:
        """Most pixels of each input that a join's FIFO has to hold."""
        value, inputs = Value(join), self.graph.inputs(join)
        frame = np.arange(1, self.graph.type(value).positions + 1)
        found = []
        for own in inputs:
            need = {v: self._need(value, v, frame) for v in inputs}
            time = np.maximum.reduce([self.at(v, need[v], v != own) for v in inputs])
            taken = self._need(value, own, frame - 1)
            waiting = int((self.made(own, time) - taken).max())
            if self.graph.type(own).positions == len(frame):
                waiting += 1  # on the way into the join; a gate is taken in before its frame
            found.append(waiting)
        return found

    def depths(self, join: str, slack: int) -> list[int]:
        """FIFO depth in beats for each input of a join."""
        streams = [self.graph.type(v) for v in self.graph.inputs(join)]
        return [
            fifo_depth(pixels, stream, slack)
            for pixels, stream in zip(self.waiting(join), streams, strict=True)
        ]


def fifo_depth(pixels: int, stream: hw.StreamType, slack: int) -> int:
    """Beats of a FIFO that holds so many pixels of a stream."""
    return max(2, pixels * stream.words + slack)
