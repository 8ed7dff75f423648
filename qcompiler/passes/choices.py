"""What each module of a lowered network can be built as: foldings and lanes, each with a price."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import gcd, lcm
from typing import Any

import numpy as np

from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.types import Shape
from qcompiler.passes.folding import Folding, divisors, engine_foldings, fewest_lanes
from qcompiler.passes.pipelining import BALANCED, SLICE, buffered, sliced

Array = np.ndarray[Any, Any]
Types = Sequence[hw.StreamType]
ModulePrice = Callable[[Any, Types, Types], Array]
"""(op, types of its inputs, of its outputs) -> float64 [LUT, FF, BRAM, DSP]."""

SPARE = 4  # times as wide as the fastest network needs, or as dear: more is of no use
NARROW = 16  # lanes that are always worth a try


@dataclass(frozen=True, eq=False)
class Option:
    """One way to build a module, with the line buffer that feeds it.

    Args:
        op: The module in its folding.
        lanes: Channels of an input beat and of an output beat.
        cycles: Cycles per frame.
        price: float64 [LUT, FF, BRAM, DSP].
    """

    op: Any
    lanes: tuple[int, int]
    cycles: int
    price: Array


@dataclass(frozen=True, eq=False)
class Site:
    """An engine that could do a layer, its window, and the stream that the window reads."""

    op: hw.Engine
    window: hw.Window
    stream: hw.StreamType

    @classmethod
    def of(cls, graph: Graph, name: str) -> Site:
        window = graph.inputs(name)[0].node
        return cls(graph.op(name), graph.op(window), graph.type(graph.inputs(window)[0]))

    def foldings(self) -> list[Folding]:
        return engine_foldings(self.op, self.stream.shape)

    def option(
        self,
        folding: Folding,
        price: ModulePrice,
        slices: tuple[bool, bool] = (False, False),
    ) -> Option:
        """The layer in a folding, with register slices before and behind the engine or without."""
        return self._option(folding.applied(self.op), folding, price, slices)

    def in_luts(
        self, folding: Folding, price: ModulePrice, slices: tuple[bool, bool]
    ) -> Option | None:
        """`option` with the weights in LUTs; None where they are not in block RAM otherwise."""
        op = folding.applied(self.op)
        if not isinstance(op, hw.BitSerialArray):
            return None
        (windows,) = op.fed_by(self.window).infer([replace(self.stream, lanes=op.input_lanes)])
        if not price(op, [windows], op.infer([windows]))[2]:
            return None
        return self._option(op.in_luts(), folding, price, slices)

    def _option(
        self, op: hw.Engine, folding: Folding, price: ModulePrice, slices: tuple[bool, bool]
    ) -> Option:
        fed = op.fed_by(self.window)
        source = replace(self.stream, lanes=fed.lanes)
        (windows,) = fed.infer([source])
        outputs = op.infer([windows])
        total = price(fed, [source], [windows]) + price(op, [windows], outputs)
        for wanted, stream in zip(slices, (windows, *outputs), strict=True):
            if wanted:
                total = total + price(SLICE, [stream], [stream])
        return Option(op, (op.input_lanes, op.pe), folding.cycles, total)


class Choices:
    """All that the modules of a lowered, unfolded graph can be.

    Args:
        graph: Hardware dialect, as ``lower-hardware`` leaves it.
        price: Of a module.
        sites: Engines that may take the place of those in the graph, by layer.
        spare: Modules as wide as that many times what the fastest network needs are left out.
        level: Of `Pipelining`, whose registers around engines are part of their prices.
        lut_roms: Weights of bit-serial arrays may be in LUTs where block RAM is the rule.
    """

    def __init__(
        self,
        graph: Graph,
        price: ModulePrice,
        sites: Mapping[str, Iterable[Site]] | None = None,
        spare: int = SPARE,
        level: str = BALANCED,
        lut_roms: bool = False,
    ) -> None:
        self.graph, self.price, self.spare, self.level = graph, price, spare, level
        self._lut_roms = lut_roms
        self.names = list(graph)
        self._options: dict[tuple[str, int], list[Option]] = {}
        self._adapters: dict[tuple[int, int, int, Shape], tuple[Array, int]] = {}
        found = {n: [Site.of(graph, n)] for n in graph.find(hw.Engine)}
        found |= {n: list(several) for n, several in (sites or {}).items()}
        self._foldings = {
            n: [(site, f) for site in several for f in site.foldings()]
            for n, several in found.items()
        }
        self.modules = [n for n in self.names if n in found or not self._is_window(n)]
        self._one_lane = {n: self._beats(n) for n in self.modules if n not in found}
        self.engines = {n: self._priced(n) for n in found}

    def _is_window(self, name: str) -> bool:
        """A line buffer goes with the module that it feeds."""
        return isinstance(self.graph.op(name), hw.Window)

    def _priced(self, name: str) -> list[Option]:
        """Options of an engine worth having: not far faster than the network can be."""
        every, floor = self._foldings[name], self.floor()
        slow = [entry for entry in every if self.spare * entry[1].cycles >= floor]
        if all(f.cycles > floor for _, f in slow):
            slow = every
        slices = sliced(self.level), sliced(self.level) and not buffered(self.graph, name)
        found = [site.option(folding, self.price, slices) for site, folding in slow]
        if self._lut_roms:
            others = [site.in_luts(folding, self.price, slices) for site, folding in slow]
            found += [option for option in others if option is not None]
        return undominated(found)

    def least(self) -> dict[str, int]:
        """The least cycles per frame of every module."""
        found = {n: min(f.cycles for _, f in every) for n, every in self._foldings.items()}
        return found | {n: one // self.lanes(n)[-1] for n, one in self._one_lane.items()}

    def floor(self) -> int:
        return max(self.least().values())

    def _beats(self, name: str) -> int:
        """Cycles per frame on one lane, with the window of a pool."""
        graph, inputs = self.graph, self.graph.inputs(name)
        streams: list[hw.StreamType] = [graph.type(v) for v in inputs]
        streams += graph.types(name)
        if isinstance(graph.op(name), hw.Reduce):
            streams += [graph.type(v) for v in graph.inputs(inputs[0].node)]
        return max(s.beats * s.lanes for s in streams)

    def sources(self, name: str) -> list[Value]:
        """What feeds a module, or its line buffer."""
        inputs = self.graph.inputs(name)
        if inputs and self._is_window(inputs[0].node):
            return self.graph.inputs(inputs[0].node)
        return inputs

    def lanes(self, name: str) -> tuple[int, ...]:
        """All that a module other than an engine can have."""
        op, common = self.graph.op(name), self.graph.type(name).shape[0]
        if isinstance(op, hw.ChannelPad):
            common = gcd(common, op.front, op.back)
        elif isinstance(op, hw.Concat):
            common = gcd(common, *(self.graph.type(v).shape[0] for v in self.graph.inputs(name)))
        return divisors(common)

    def options(self, name: str, cycles: int) -> list[Option]:
        """What a module can be to take at most ``cycles`` a frame.

        Lanes are the fewest that are enough, and up to NARROW or ``spare`` times as many; the ends
        of the network take the fewest.
        """
        if name in self.engines:
            return [option for option in self.engines[name] if option.cycles <= cycles]
        every, one = self.lanes(name), self._one_lane[name]
        fewest = fewest_lanes(every, one, cycles)
        ends = isinstance(self.graph.op(name), hw.Source | hw.Sink)
        most = fewest if ends else max(self.spare * fewest, NARROW)
        found: list[Option] = []
        for lanes in (n for n in every if fewest <= n <= most):
            ways = self._laned(name, lanes)
            if found and ways[0].price[0] > self.spare * found[0].price[0]:
                break  # such as tables of many thresholds, which are slow to price as well
            found += ways
        return [option for option in found if option.cycles <= cycles]

    def _laned(self, name: str, lanes: int) -> list[Option]:
        key = name, lanes
        if key not in self._options:
            self._options[key] = [self._option(name, op, lanes) for op in self._ways(name, lanes)]
        return self._options[key]

    def _ways(self, name: str, lanes: int) -> list[Any]:
        op = replace(self.graph.op(name), lanes=lanes)
        if isinstance(op, hw.Threshold) and may_be_serial(self.graph, name):
            return [op, replace(op, serial=True)]
        return [op]

    def _option(self, name: str, op: Any, lanes: int) -> Option:
        inputs = [replace(self.graph.type(v), lanes=lanes) for v in self.sources(name)]
        total, cycles = np.zeros(4), 0
        if isinstance(op, hw.Reduce):
            window = self.window(name, op)
            sources, inputs = inputs, list(window.infer(inputs))
            total = total + self.price(window, sources, inputs)
            cycles = window.cycles(sources, inputs)
        outputs = op.infer(inputs)
        total = total + self.price(op, inputs, outputs)
        return Option(op, (lanes, lanes), max(cycles, op.cycles(inputs, outputs)), total)

    def window(self, name: str, op: Any) -> hw.Window:
        """The line buffer of a pool or an engine ``op`` in the place of node ``name``."""
        window = self.graph.op(self.graph.inputs(name)[0].node)
        if isinstance(op, hw.Engine):
            fed: hw.Window = op.fed_by(window)
            return fed
        wide: hw.Window = replace(
            window, lanes=op.lanes, groups=self.graph.type(name).shape[0] // op.lanes
        )
        return wide

    def adapter(self, stream: hw.StreamType, have: int, want: int) -> tuple[Array, int]:
        """Price and cycles per frame of bringing a stream from some lanes to others."""
        if have == want:
            return np.zeros(4), 0
        key = have, want, stream.elem.bits, stream.shape
        if key not in self._adapters:
            op, given = hw.Adapter(want), replace(stream, lanes=have)
            outputs = op.infer([given])
            price = self.price(op, [given], outputs)
            self._adapters[key] = price, op.cycles([given], outputs)
        return self._adapters[key]

    def steps(self) -> list[int]:
        """The least cycles, then all at which something can be smaller."""
        floor = self.floor()
        found = {f.cycles for every in self._foldings.values() for _, f in every}
        for name, one in self._one_lane.items():
            stages = getattr(self.graph.op(name), "stages", 1)
            found |= {one // n * s for n in self.lanes(name) for s in {1, max(stages, 1)}}
        for name in self.modules:
            for value in self.sources(name):
                c, pixels = self.graph.type(value).shape[0], self.graph.type(value).pixels
                found |= _turns(c, pixels)
        return [floor, *sorted(cycles for cycles in found if cycles > floor)]


def undominated(options: list[Option]) -> list[Option]:
    """Without those that another of the same lanes equals or beats in cycles and in all prices."""
    groups: dict[tuple[int, int], list[Option]] = defaultdict(list)
    for option in sorted(options, key=lambda o: (o.cycles, float(o.price[0]))):
        groups[option.lanes].append(option)
    kept = []
    for several in groups.values():
        figures = np.array([[o.cycles, *o.price] for o in several])
        below = (figures[:, None] <= figures).all(2)  # [k, j]: k is no worse than j
        first = below & (~below.T | np.triu(np.ones_like(below), 1))  # of equals the first
        kept += [several[int(j)] for j in np.flatnonzero(~first.any(0))]
    return kept


def _turns(channels: int, pixels: int) -> set[int]:
    """Cycles of adapters that go over a common multiple of their lanes."""
    found = set()
    for a in divisors(channels):
        for b in divisors(channels):
            common = lcm(a, b)
            if common not in (a, b):
                found.add(pixels * channels // common * (common // a + common // b - 1))
    return found


def may_be_serial(graph: Graph, name: str) -> bool:
    """Whether thresholds may be found a bit a cycle, if the average rate leaves the time.

    Results come evenly, or wait in a line buffer or a FIFO, so a search needs no more than its
    average rate; but not behind a `Slice` with no line buffer in between: it lets whole rows
    through and drops others.
    """
    op = graph.op(name)
    return bool(op.stages) and not _behind_slice(graph, name)


def _behind_slice(graph: Graph, name: str) -> bool:
    for value in graph.inputs(name):
        op = graph.op(value.node)
        if isinstance(op, hw.Slice):
            return True
        if not isinstance(op, hw.Window) and _behind_slice(graph, value.node):
            return True
    return False
