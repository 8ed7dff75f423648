"""Every network of a small folding space, and a greedy search: what the folding search must meet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from qcompiler.estimate.devices import Device
from qcompiler.estimate.engines import module_price
from qcompiler.ir.graph import Graph
from qcompiler.passes.choices import Array, Choices, Option
from qcompiler.passes.fifo_prices import FifoPrices, Waiting
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


@dataclass
class Exhaustive:
    """All options and lanes of all modules, no bounds: only what is worse in everything is dropped.

    Args:
        graph: Lowered, unfolded.
        chip: The device.
        pixels: That wait in FIFOs before joins, as the folding search counts them.
    """

    graph: Graph
    chip: Device
    pixels: Waiting

    def __post_init__(self) -> None:
        self.choices = Choices(self.graph, module_price(self.chip.family), spare=1 << 40)
        self._last = {
            value.node: name for name in self.choices.modules for value in self.choices.sources(name)
        }

    def totals(self, cycles: int, limits: Array) -> Array:
        """float64 [n, 4]: LUT, FF, BRAM and DSP of the networks of so many cycles within limits."""
        fifos = FifoPrices(self.choices, cycles, self.pixels)
        found: dict[State, Array] = {(): fifos.forks[None]}
        for name in self.choices.modules:
            grown: dict[State, list[Array]] = defaultdict(list)
            for option in self.choices.options(name, cycles):
                own = option.price + fifos(name, option.lanes[0])
                for state, totals in found.items():
                    joined = self._joined(name, option, dict(state), cycles)
                    if joined is None:
                        continue
                    sums = totals + own + joined
                    sums = sums[(sums <= limits).all(1)]
                    if len(sums):
                        grown[self._state(name, option, dict(state))].append(sums)
            found = {state: pareto(np.concatenate(several)) for state, several in grown.items()}
        return pareto(np.concatenate([np.zeros((0, 4)), *found.values()]))

    def _joined(
        self, name: str, option: Option, lanes: Mapping[str, int], cycles: int
    ) -> Array | None:
        """Adapters before a module, None if one is late."""
        total = np.zeros(4)
        for value in self.choices.sources(name):
            stream = replace(self.graph.type(value), lanes=lanes[value.node])
            price, busy = self.choices.adapter(stream, option.lanes[0])
            if busy > cycles:
                return None
            total = total + price
        return total

    def _state(self, name: str, option: Option, lanes: dict[str, int]) -> State:
        kept = {node: n for node, n in lanes.items() if self._last[node] != name}
        if name in self._last:
            kept[name] = option.lanes[1]
        return tuple(sorted(kept.items()))

    def fastest(self, limits: Array) -> int | None:
        """Least cycles per frame within limits."""
        steps = self.choices.steps()
        if not len(self.totals(ANY, limits)):
            return None
        low, high = 0, len(steps)
        while low < high:  # more time never takes more
            middle = (low + high) // 2
            if len(self.totals(steps[middle], limits)):
                high = middle
            else:
                low = middle + 1
        return steps[low] if low < len(steps) else ANY


def greedy(room: Room) -> int | None:
    """Unfold the slowest module again and again for as long as there is room: cycles reached.

    Each module takes the fewest LUTs that its time allows, whatever comes before and behind it.
    """
    choices, reached = room.space.choices, None
    cycles = max(min(o.cycles for o in choices.options(n, ANY)) for n in choices.modules)
    slow = {n: _cheapest(choices, n, ANY) for n in choices.modules}
    while True:
        used = room._used(room.space.built(slow))
        if not (used <= room.limits).all():
            return reached
        name = max(slow, key=lambda n: slow[n].cycles)
        reached = slow[name].cycles
        if reached <= cycles:
            return reached
        slow = slow | {n: _cheapest(choices, n, reached - 1) for n in slow if slow[n].cycles == reached}


def _cheapest(choices: Choices, name: str, cycles: int) -> Option:
    options = [o for o in choices.options(name, ANY) if o.cycles <= cycles]
    options += [o for o in choices.options(name, cycles) if o.cycles <= cycles]
    return min(options, key=lambda o: (float(o.price[0]), o.cycles))


def space_of(graph: Graph, chip: Device) -> FoldingSpace:
    return FoldingSpace(graph, module_price(chip.family))
