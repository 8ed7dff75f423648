"""Fold a hardware graph to a number of cycles per frame and join modules of different lanes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.rates import bottleneck
from qcompiler.passes.choices import Array, Choices, ModulePrice, Option, Site
from qcompiler.passes.fold_problem import FoldProblem
from qcompiler.passes.pipelining import BALANCED

ANY = 1 << 62
"""More cycles than any folding takes."""
FEWEST_LUTS = np.array([1.0, 1e-3, 1e-3, 1e-3])
"""Weights of LUT, FF, BRAM and DSP for which all but LUTs are as good as free."""


@dataclass(frozen=True)
class Bound:
    """A module that cannot go faster: its least cycles per frame."""

    node: str
    cycles: int


class FoldingSpace:
    """All foldings of a lowered, unfolded graph.

    Args:
        graph: Hardware dialect, as ``lower-hardware`` leaves it.
        price: Of a module: LUT, FF, BRAM, DSP.
        sites: Engines that may take the place of those in the graph, by layer.
        level: Of `Pipelining`.
        lut_roms: See `Choices`.
    """

    def __init__(
        self,
        graph: Graph,
        price: ModulePrice,
        sites: Mapping[str, Iterable[Site]] | None = None,
        level: str = BALANCED,
        lut_roms: bool = False,
    ) -> None:
        self.graph, self.level, self._made_of = graph, level, (price, sites)
        self.choices = Choices(graph, price, sites, level=level, lut_roms=lut_roms)

    def with_lut_roms(self) -> FoldingSpace:
        """The same, and all with weights in LUTs instead of block RAM as well."""
        return FoldingSpace(self.graph, *self._made_of, self.level, lut_roms=True)

    def bounds(self) -> list[Bound]:
        """The least cycles per frame of every module, slowest first."""
        found = [Bound(name, cycles) for name, cycles in self.choices.least().items()]
        return sorted(found, key=lambda b: (-b.cycles, b.node))

    def steps(self) -> list[int]:
        """The least cycles, then all at which something can be smaller."""
        return self.choices.steps()

    def fold(self, cycles: int | Callable[[str], int], weights: Array = FEWEST_LUTS) -> Graph:
        """The cheapest graph in which every module takes at most ``cycles``.

        A module that cannot is as fast as it is worth having in this network.

        Args:
            cycles: For all modules, or a function of the node.
            weights: float64 [4], what LUT, FF, BRAM and DSP are worth.
        """
        limit = cycles if callable(cycles) else lambda name: cycles
        least = self.choices.least()
        for name, options in self.choices.engines.items():
            least[name] = min(option.cycles for option in options)

        def reachable(name: str) -> int:
            return max(limit(name), least[name])

        for adapters in (reachable, lambda name: ANY):
            problem = FoldProblem(self.choices, reachable, adapters)
            pick = problem.minimise(weights)
            if pick is not None:
                return self.built(problem.built(pick))
        raise AssertionError("a network has a folding")

    def balanced(self, cycles: int) -> Graph:
        """Fold for ``cycles``, then again for the slowest module: no other need be much faster."""
        return self.fold(bottleneck(self.fold(cycles))[1])

    def slowest(self) -> int:
        """Cycles per frame of the smallest folding."""
        return bottleneck(self.fold(ANY))[1]

    def built(self, options: Mapping[str, Option]) -> Graph:
        """The graph of a choice for every module."""
        out, values = Graph("hardware"), dict[str, Value]()
        for name in self.choices.modules:
            op: Any = options[name].op
            sources = self.choices.sources(name)
            inputs = [values[v.node] for v in sources]
            if not isinstance(op, hw.Source):
                lanes = options[name].lanes[0]
                inputs = [
                    adapt(out, value, lanes, self._reader(name), k)
                    for k, value in enumerate(inputs)
                ]
            if isinstance(op, hw.Engine | hw.Reduce):
                window = self.choices.window(name, op)
                inputs = [out.add(self.graph.inputs(name)[0].node, window, inputs)]
            values[name] = out.add(name, op, inputs)
        return out

    def _reader(self, name: str) -> str:
        """The node after which an adapter before a module is called: its line buffer, if any."""
        inputs = self.graph.inputs(name)
        if inputs and isinstance(self.graph.op(inputs[0].node), hw.Window):
            return inputs[0].node
        return name


def adapt(graph: Graph, value: Value, lanes: int, consumer: str, slot: int) -> Value:
    """Put a width adapter between a value and its consumer where the lanes differ."""
    if graph.type(value).lanes == lanes:
        return value
    suffix = f"_width{slot}" if slot else "_width"
    return graph.add(graph.fresh(f"{consumer}{suffix}"), hw.Adapter(lanes), [value])
