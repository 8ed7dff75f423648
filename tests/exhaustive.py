"""Every network of a small folding space, and a greedy search: what the search must meet."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from qcompiler.estimate.devices import Device
from qcompiler.estimate.engines import module_price
from qcompiler.ir import integer
from qcompiler.ir.graph import Graph
from qcompiler.ir.types import IntType
from qcompiler.passes.choices import Array, Choices, Option
from qcompiler.passes.fifo_prices import FifoPrices, waiting
from qcompiler.passes.fold import ANY, FoldingSpace
from qcompiler.verbs.goal import Room

State = tuple[tuple[str, int], ...]
"""Lanes of the streams that modules to come read."""


def pareto(points: Array) -> Array:
    """float64 [n, 4]: those that no other is below or equal to in everything."""
    points = points[np.lexsort(points.T[::-1])]
    kept: list[Array] = []
    for point in points:
        if not kept or not (np.array(kept) <= point).all(1).any():
            kept.append(point)
    return np.array(kept).reshape(-1, 4)


@dataclass(frozen=True, eq=False)
class Case:
    """A small network, and what it may take."""

    space: FoldingSpace
    room: Room
    graph: Graph

    def __str__(self) -> str:
        luts, _, brams, _ = self.room.limits
        return f"{self.room.chip.name}, {luts:.0f} LUT, {brams:.0f} BRAM"


def cases(graph: Graph, chip: Device) -> Iterator[Case]:
    """Budgets between the smallest and the fastest network, block RAM short or not."""
    space = FoldingSpace(graph, module_price(chip.family))
    plenty = Room(space, chip, 1e9)
    small, fast = (plenty.used(space.fold(n)) for n in (ANY, space.bounds()[0].cycles))
    for share, block in ((0.1, 1.0), (0.3, 0.6), (0.3, 1.3), (0.6, 0.4), (0.6, 0.8)):
        luts = int(small[0] + share * (fast[0] - small[0]))
        few = replace(chip, brams=int(np.ceil(block * max(small[2], 1))))
        yield Case(space, Room(space, few, luts), graph)


def small_network(seed: int) -> Graph:
    """Integer graph: four convolutions of 2 to 16 channels on 8x8 pixels, some with a residual."""
    rng = np.random.default_rng(seed)
    channels = [int(c) for c in rng.choice([2, 3, 4, 6, 8, 12, 16], 5)]
    if residual := seed % 3 == 2:
        channels[3] = channels[1]
    graph, codes = Graph("integer"), IntType(0, 15)
    value = graph.add("x", integer.Input((channels[0], 8, 8), codes, 1.0))
    values = [value]
    for k, (inputs, outputs) in enumerate(pairwise(channels)):
        kernel, top = int(rng.choice([1, 3])), 2 ** int(rng.choice([1, 2, 3, 5])) - 1
        weight = rng.integers(-top, top + 1, (outputs, inputs, kernel, kernel))
        conv = integer.Conv(weight, padding=(kernel // 2,) * 4)
        value = graph.add(f"conv{k}", conv, [value])
        value = graph.add(f"code{k}", _codes(outputs, 100 * top, rng), [value])
        values.append(value)
        if residual and k == 2:
            total = graph.add("sum", integer.Add(1, 1), [values[1], value])
            value = graph.add(
                "sum_code", integer.ScaleShift(*_halves(outputs), codes, codes), [total]
            )
    graph.add("y", integer.Output(graph.type(value).shape, 1.0), [value])
    return graph


def _codes(channels: int, reach: int, rng: np.random.Generator) -> integer.IntegerOp:
    codes = IntType(0, 15)
    if rng.random() < 0.5:
        thresholds = np.sort(rng.integers(-reach, reach, (channels, 15)), axis=1)
        return integer.StepTable(thresholds, np.tile(np.arange(16), (channels, 1)), codes)
    return integer.ScaleShift(np.full(channels, 77), np.full(channels, 500), 12, codes, codes)


def _halves(channels: int) -> tuple[Array, Array, int]:
    return np.full(channels, 1), np.full(channels, 1), 1


class Exhaustive:
    """All options and lanes of all modules, no bounds: only what is worse in everything is dropped.

    Args:
        case: FIFOs before joins hold as many pixels as the folding search counts.
    """

    def __init__(self, case: Case) -> None:
        self.graph, self.room = case.graph, case.room
        price = module_price(case.room.chip.family)
        self.choices = Choices(case.graph, price, spare=1 << 40)
        modules = self.choices.modules
        self._last = {v.node: name for name in modules for v in self.choices.sources(name)}

    def totals(self, cycles: int) -> Array:
        """float64 [n, 4]: LUT, FF, BRAM and DSP of the networks of so many cycles that fit."""
        fifos = FifoPrices(self.choices, cycles, waiting(self.graph))
        found: dict[State, Array] = {(): fifos.forks[None]}
        for name in self.choices.modules:
            grown: dict[State, list[Array]] = defaultdict(list)
            for option in self.choices.options(name, cycles):
                own = option.price + fifos(name, option.lanes[0])
                for state, totals in found.items():
                    joined = self._joined(name, option, dict(state), cycles, fifos)
                    if joined is None:
                        continue
                    sums = totals + own + joined
                    sums = sums[(sums <= self.room.limits).all(1)]
                    if len(sums):
                        grown[self._state(name, option, dict(state))].append(sums)
            found = {state: pareto(np.concatenate(several)) for state, several in grown.items()}
        return pareto(np.concatenate([np.zeros((0, 4)), *found.values()]))

    def _joined(
        self, name: str, option: Option, lanes: Mapping[str, int], cycles: int, fifos: FifoPrices
    ) -> Array | None:
        """Adapters before a module, None if one is late."""
        total = np.zeros(4)
        for value in self.choices.sources(name):
            stream = self.graph.type(value)
            price, busy = self.choices.adapter(stream, lanes[value.node], option.lanes[0])
            if busy > cycles:
                return None
            total = (
                total + price + fifos.slower(value.node, lanes[value.node], busy / stream.pixels)
            )
        return total

    def _state(self, name: str, option: Option, lanes: dict[str, int]) -> State:
        kept = {node: n for node, n in lanes.items() if self._last[node] != name}
        if name in self._last:
            kept[name] = option.lanes[1]
        return tuple(sorted(kept.items()))

    def fastest(self) -> int | None:
        """Least cycles per frame of a network that fits, None if there is none."""
        steps = self.choices.steps()  # more time never takes more: bisect
        k = bisect_left(steps, True, key=lambda cycles: len(self.totals(cycles)) > 0)
        return steps[k] if k < len(steps) else None


def greedy(room: Room) -> int | None:
    """Unfold the slowest module again and again for as long as there is room: cycles reached.

    Each module is the cheapest that its time allows, in shares of the device, whatever comes before
    and behind it.
    """
    choices, reached, cycles = room.space.choices, None, room.space.bounds()[0].cycles
    slow = {n: _cheapest(room, n, ANY) for n in choices.modules}
    while True:
        used = room.used(room.space.built(slow))
        if not (used <= room.limits).all():
            return reached
        name = max(slow, key=lambda n: slow[n].cycles)
        reached = slow[name].cycles
        if reached <= cycles:
            return reached
        late = [n for n in slow if slow[n].cycles == reached]
        slow = slow | {n: _cheapest(room, n, reached - 1) for n in late}


def _cheapest(room: Room, name: str, cycles: int) -> Option:
    options = room.space.choices.options(name, cycles)
    return min(options, key=lambda o: (float(o.price @ room.weights), o.cycles))


def space_of(graph: Graph, chip: Device) -> FoldingSpace:
    return FoldingSpace(graph, module_price(chip.family))
