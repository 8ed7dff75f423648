"""Fold a hardware graph to a number of cycles per frame and join modules of different lanes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph, Value
from qcompiler.passes.folding import (
    Folding,
    FoldingPrice,
    Worth,
    cheapest,
    divisors,
    engine_foldings,
    fewest_lanes,
    front,
)

EnginePrice = Callable[[hw.Engine, hw.Window, hw.StreamType], FoldingPrice]
"""Prices of an engine with its window, which reads the stream."""

ANY = 1 << 62
"""More cycles than any folding takes."""


@dataclass(frozen=True)
class Bound:
    """A module that cannot go faster: its least cycles per frame."""

    node: str
    cycles: int


class FoldingSpace:
    """All foldings of a lowered, unfolded graph.

    Args:
        graph: Hardware dialect, as ``lower-hardware`` leaves it.
        price: Price of an engine's foldings; block RAMs and multipliers are free until `weighing`.
    """

    def __init__(self, graph: Graph, price: EnginePrice) -> None:
        self.graph = graph
        self._foldings: dict[str, list[Folding]] = {}
        for name in graph.find(hw.Engine):
            op, window = graph.op(name), graph.inputs(name)[0].node
            stream: hw.StreamType = graph.type(graph.inputs(window)[0])
            priced = price(op, graph.op(window), stream)
            self._foldings[name] = engine_foldings(op, stream.shape, priced)
        self.engines = {name: front(every, Worth()) for name, every in self._foldings.items()}

    def weighing(self, worth: Worth) -> FoldingSpace:
        """The same foldings at other prices."""
        other = copy(self)
        other.engines = {name: front(every, worth) for name, every in self._foldings.items()}
        return other

    def bounds(self) -> list[Bound]:
        """The least cycles per frame of every module, slowest first."""
        found = [Bound(name, front[-1].cycles) for name, front in self.engines.items()]
        for name in self.graph:
            if name in self.engines or self.graph.users(name) == []:
                continue
            op = self.graph.op(name)
            if isinstance(op, hw.Window) and self._feeds_engine(name):
                continue
            widest = self._lanes(name, 0)
            if widest:
                found.append(Bound(name, self._beats(name) // widest))
        return sorted(found, key=lambda b: (-b.cycles, b.node))

    def _feeds_engine(self, name: str) -> bool:
        return self.graph.users(name)[0][0] in self.engines

    def _beats(self, name: str) -> int:
        """Cycles per frame on one lane; a pool has the lanes of its window, which takes in more."""
        inputs = self.graph.inputs(name)
        streams: list[hw.StreamType] = [self.graph.type(v) for v in inputs]
        streams += self.graph.types(name)
        if isinstance(self.graph.op(name), hw.Reduce):
            streams += [self.graph.type(v) for v in self.graph.inputs(inputs[0].node)]
        return max(s.beats * s.lanes for s in streams)

    def _lanes(self, name: str, cycles: int) -> int:
        op = self.graph.op(name)
        channels = self.graph.type(name).shape[0]
        pixels = -(-self._beats(name) // channels)
        extra: list[int] = []
        if isinstance(op, hw.ChannelPad):
            extra = [op.front, op.back]
        elif isinstance(op, hw.Concat):
            extra = [self.graph.type(v).shape[0] for v in self.graph.inputs(name)]
        return fewest_lanes(pixels, cycles, channels, *extra)

    def fold(self, cycles: int | Callable[[str], int]) -> Graph:
        """The cheapest graph in which every module takes at most ``cycles`` (or the least it can).

        Args:
            cycles: For all modules, or a function of the node.
        """
        limit = cycles if callable(cycles) else lambda name: cycles
        out = Graph("hardware")
        values: dict[str, Value] = {}
        picks = {n: cheapest(front, limit(n)) or front[-1] for n, front in self.engines.items()}
        for name in self.graph:
            op = self._folded(name, limit, picks)
            lanes = getattr(op, "lanes", None)
            inputs = [values[v.node] for v in self.graph.inputs(name)]
            if lanes is not None and not isinstance(op, hw.Source | hw.Reduce):
                inputs = [adapt(out, value, lanes, name, k) for k, value in enumerate(inputs)]
            values[name] = out.add(name, op, inputs)
        return out

    def balanced(self, cycles: int) -> Graph:
        """Fold for ``cycles``, then again for the slowest module: no other need be much faster."""
        return self.fold(bottleneck(self.fold(cycles))[1])

    def slowest(self) -> int:
        """Cycles per frame of the smallest folding."""
        return bottleneck(self.fold(ANY))[1]

    def fastest(self, within: Callable[[int], Graph | None]) -> Graph | None:
        """The fastest folding that can be had, None if there is none for any number of cycles.

        Bisects, as if price never rose with the cycles.

        Args:
            within: A folding of at most so many cycles that can be had, or None.
        """
        best = within(ANY)
        if best is None:
            return None
        steps = self.steps()
        low, high = 0, bisect_left(steps, bottleneck(best)[1])
        while low < high:
            middle = (low + high) // 2
            candidate = within(steps[middle])
            if candidate is not None:
                best, high = candidate, middle
            else:
                low = middle + 1
        return best

    def steps(self) -> list[int]:
        """The least cycles, then all at which some module can take another folding."""
        floor = self.bounds()[0].cycles
        found = {f.cycles for every in self._foldings.values() for f in every}
        for name in self.graph:
            if name not in self.engines:
                channels = self.graph.type(name).shape[0]
                pixels = -(-self._beats(name) // channels)
                found |= {pixels * (channels // lanes) for lanes in divisors(channels)}
        return [floor, *sorted(cycles for cycles in found if cycles > floor)]

    def _folded(self, name: str, limit: Callable[[str], int], picks: dict[str, Folding]) -> Any:
        op = self.graph.op(name)
        if isinstance(op, hw.Engine):
            return _apply(op, picks[name])
        if isinstance(op, hw.Window):
            user = self.graph.users(name)[0][0]
            if user in picks:
                return _apply(self.graph.op(user), picks[user]).fed_by(op)
            lanes = self._lanes(user, limit(user))
            return replace(op, lanes=lanes, groups=self.graph.type(name).shape[0] // lanes)
        return replace(op, lanes=self._lanes(name, limit(name)))


def _apply(op: hw.Engine, folding: Folding) -> hw.Engine:
    return op.folded(folding.pe, folding.simd, folding.planes, folding.per_fold)


def adapt(graph: Graph, value: Value, lanes: int, consumer: str, slot: int) -> Value:
    """Put a width adapter between a value and its consumer where the lanes differ."""
    if graph.type(value).lanes == lanes:
        return value
    suffix = f"_width{slot}" if slot else "_width"
    return graph.add(graph.fresh(f"{consumer}{suffix}"), hw.Adapter(lanes), [value])


def bottleneck(graph: Graph) -> tuple[str, int]:
    """The slowest module of a folded graph and its cycles per frame; engines before windows."""
    ranked = [
        (node_cycles(graph, name), isinstance(graph.op(name), hw.Engine), name) for name in graph
    ]
    cycles, _, name = max(ranked, key=lambda entry: entry[:2])
    return name, cycles


def node_cycles(graph: Graph, name: str) -> int:
    inputs = [graph.type(v) for v in graph.inputs(name)]
    cycles: int = graph.op(name).cycles(inputs, graph.types(name))
    return cycles
