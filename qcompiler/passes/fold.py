"""Fold a hardware graph to a number of cycles per frame and join modules of different lanes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph, Value
from qcompiler.passes.folding import Folding, LutModel, array_foldings, cheapest, fewest_lanes

ArrayLut = Callable[[hw.BitSerialArray, hw.StreamType], LutModel]


@dataclass(frozen=True)
class Bound:
    """A module that cannot go faster: its least cycles per frame."""

    node: str
    cycles: int


class FoldingSpace:
    """All foldings of a lowered, unfolded graph.

    Args:
        graph: Hardware dialect, as ``lower-hardware`` leaves it.
        lut: Price of an array's foldings.
    """

    def __init__(self, graph: Graph, lut: ArrayLut) -> None:
        self.graph = graph
        self.arrays: dict[str, list[Folding]] = {}
        for name in graph.find(hw.BitSerialArray):
            op = graph.op(name)
            shape = self._window_shape(name)
            stream = graph.type(graph.inputs(graph.inputs(name)[0].node)[0])
            self.arrays[name] = array_foldings(op, shape, lut(op, stream))

    def _window_shape(self, name: str) -> tuple[int, ...]:
        window = self.graph.inputs(name)[0].node
        shape: tuple[int, ...] = self.graph.type(self.graph.inputs(window)[0]).shape
        return shape

    def bounds(self) -> list[Bound]:
        """The least cycles per frame of every module, slowest first."""
        found = [Bound(name, front[-1].cycles) for name, front in self.arrays.items()]
        for name in self.graph:
            if name in self.arrays or self.graph.users(name) == []:
                continue
            op = self.graph.op(name)
            if isinstance(op, hw.Window) and self._feeds_array(name):
                continue
            widest = self._lanes(name, 0)
            if widest:
                found.append(Bound(name, self._beats(name) // widest))
        return sorted(found, key=lambda b: (-b.cycles, b.node))

    def _feeds_array(self, name: str) -> bool:
        return self.graph.users(name)[0][0] in self.arrays

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
        picks = {n: cheapest(front, limit(n)) or front[-1] for n, front in self.arrays.items()}
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
        return bottleneck(self.fold(1 << 62))[1]

    def within(self, budget: float, price: Callable[[Graph], float]) -> Graph | None:
        """The fastest folding whose price is within ``budget``, None if the smallest is not.

        Bisects on the logarithm of the cycles: price falls as cycles grow, in steps.
        """
        low, high = self.bounds()[0].cycles, self.slowest()
        best = self.balanced(high)
        if price(best) > budget:
            return None
        while high - low > max(1, low // 200):
            middle = int((low * high) ** 0.5)
            candidate = self.balanced(min(max(middle, low), high - 1))
            if price(candidate) <= budget:
                best, high = candidate, bottleneck(candidate)[1]
            else:
                low = middle + 1
        fastest = self.balanced(low)
        return fastest if price(fastest) <= budget else best

    def _folded(self, name: str, limit: Callable[[str], int], picks: dict[str, Folding]) -> Any:
        op = self.graph.op(name)
        if isinstance(op, hw.BitSerialArray):
            return _apply(op, picks[name])
        if isinstance(op, hw.Window):
            user = self.graph.users(name)[0][0]
            if user in picks:
                array = _apply(self.graph.op(user), picks[user])
                return replace(op, lanes=array.simd, repeat=array.repeat)
            lanes = self._lanes(user, limit(user))
            return replace(op, lanes=lanes, groups=self.graph.type(name).shape[0] // lanes)
        return replace(op, lanes=self._lanes(name, limit(name)))


def _apply(op: hw.BitSerialArray, folding: Folding) -> hw.BitSerialArray:
    return replace(op, pe=folding.pe, simd=folding.simd, planes=folding.planes)


def adapt(graph: Graph, value: Value, lanes: int, consumer: str, slot: int) -> Value:
    """Put a width adapter between a value and its consumer where the lanes differ."""
    if graph.type(value).lanes == lanes:
        return value
    suffix = f"_width{slot}" if slot else "_width"
    return graph.add(graph.fresh(f"{consumer}{suffix}"), hw.Adapter(lanes), [value])


def bottleneck(graph: Graph) -> tuple[str, int]:
    """The slowest module of a folded graph and its cycles per frame; an array before its window."""
    ranked = [
        (node_cycles(graph, name), isinstance(graph.op(name), hw.BitSerialArray), name)
        for name in graph
    ]
    cycles, _, name = max(ranked, key=lambda entry: entry[:2])
    return name, cycles


def node_cycles(graph: Graph, name: str) -> int:
    inputs = [graph.type(v) for v in graph.inputs(name)]
    cycles: int = graph.op(name).cycles(inputs, graph.types(name))
    return cycles
