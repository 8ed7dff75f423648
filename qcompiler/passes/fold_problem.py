"""The choice of all modules of a network for a number of cycles, at prices of the resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qcompiler.ir import hardware as hw
from qcompiler.passes.choices import Choices, Option
from qcompiler.passes.elimination import Array, Elimination, Scope
from qcompiler.passes.fifo_prices import FifoPrices

Limit = Callable[[str], int]
"""Most cycles per frame of a node."""


@dataclass(frozen=True, eq=False)
class Node:
    """The options of one module.

    Args:
        name: Of the module.
        options: In the order of the rows of ``prices``.
        prices: float64 [options, 4].
        cells: int, where in the table over the variables of ``scope`` each option lies.
        scope: The variables: lanes of the input, lanes of the output, or both in one.
        shape: Of that table.
    """

    name: str
    options: list[Option]
    prices: Array
    cells: Array
    scope: Scope
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Edge:
    """Adapters between two modules: float64 [lanes before, lanes behind, 4], infinite if late."""

    scope: Scope
    prices: Array


@dataclass(frozen=True, eq=False)
class Pick:
    """A choice for every module.

    Args:
        value: Its price at the weights asked for.
        options: Index of the option, by node.
        total: float64 [LUT, FF, BRAM, DSP].
    """

    value: float
    options: dict[str, int]
    total: Array


class FoldProblem:
    """All networks that take at most so many cycles a frame.

    Args:
        choices: Of every module.
        limit: Most cycles per frame of each node.
        adapters: Likewise of the adapter before a node; as ``limit`` if it is None.
        extra: FIFOs around modules.
        behind: What an option of a node needs behind it, beside its price.
        fixed: float64 [4] that every network takes.
    """

    def __init__(
        self,
        choices: Choices,
        limit: Limit,
        adapters: Limit | None = None,
        extra: FifoPrices | None = None,
        fixed: Array | float = 0.0,
        behind: Mapping[Option, Array] | None = None,
    ) -> None:
        self.choices, self.fixed, self._behind = choices, fixed, behind or {}
        self._values: list[list[int]] = []
        self._output: dict[str, int] = {}  # variable of the lanes that a module gives
        self._input: dict[str, int] = {}
        self.nodes = [self._node(name, limit, extra) for name in choices.modules]
        self.edges = [
            self._edge(value.node, name, k, (adapters or limit)(name), extra)
            for name in choices.modules
            for k, value in enumerate(choices.sources(name))
        ]
        scopes = [*(n.scope for n in self.nodes), *(e.scope for e in self.edges)]
        self.possible = all(node.options for node in self.nodes)
        if self.possible:
            self._plan = Elimination([len(v) for v in self._values], scopes)

    def _variable(self, lanes: list[int]) -> int:
        self._values.append(sorted(set(lanes)))
        return len(self._values) - 1

    def _node(self, name: str, limit: Limit, extra: Any) -> Node:
        options = self.choices.options(name, limit(name))
        given = self._variable([option.lanes[1] for option in options])
        taken = given
        if name in self.choices.engines:
            taken = self._variable([option.lanes[0] for option in options])
        self._output[name], self._input[name] = given, taken
        scope = (taken,) if taken == given else (taken, given)
        shape = tuple(len(self._values[v]) for v in scope)
        lanes = np.array([option.lanes for option in options]).reshape(-1, 2)
        places = [np.searchsorted(self._values[taken], lanes[:, 0])]
        if taken != given:
            places.append(np.searchsorted(self._values[given], lanes[:, 1]))
        cells = np.ravel_multi_index(tuple(places), shape) if options else np.zeros(0, np.int64)
        prices = np.array([option.price for option in options]).reshape(-1, 4)
        if extra is not None and name not in self.choices.engines:
            more = {n: extra(name, n) for n in self._values[taken]}
            prices = prices + np.array([more[n] for n in lanes[:, 0]]).reshape(-1, 4)
        if self._behind:
            none = np.zeros(4)
            prices = prices + np.array([self._behind.get(o, none) for o in options]).reshape(-1, 4)
        return Node(name, options, prices, cells, scope, shape)

    def _edge(
        self, before: str, behind: str, slot: int, limit: int, extra: FifoPrices | None
    ) -> Edge:
        stream: hw.StreamType = self.choices.graph.type(self.choices.sources(behind)[slot])
        scope = self._output[before], self._input[behind]
        have, want = (self._values[v] for v in scope)
        prices = np.full((len(have), len(want), 4), np.inf)
        for i, a in enumerate(have):
            for j, b in enumerate(want):
                price, cycles = self.choices.adapter(stream, a, b)
                if cycles <= limit:
                    more = extra.slower(before, a, cycles / stream.pixels) if extra else 0.0
                    prices[i, j] = price + more
        return Edge(scope, prices)

    def minimise(self, weights: Array, allowed: Mapping[str, Array] | None = None) -> Pick | None:
        """The network of the least weighted sum of resources, None if there is none.

        Args:
            weights: float64 [4], positive.
            allowed: bool by node, of each of its options; all where a node is not named.
        """
        if not self.possible:
            return None
        tables, picks = [], []
        for node in self.nodes:
            values = node.prices @ weights
            mask = allowed.get(node.name) if allowed else None
            if mask is not None:
                values = np.where(mask, values, np.inf)
            order = np.argsort(-values, kind="stable")  # the last to be written is the cheapest
            table = np.full(node.shape, np.inf)
            pick = np.zeros(node.shape, np.int64)
            table.ravel()[node.cells[order]] = values[order]
            pick.ravel()[node.cells[order]] = order
            tables.append(table)
            picks.append(pick)
        tables += [edge.prices @ weights for edge in self.edges]
        least, values_of = self._plan.minimise(tables)
        if not np.isfinite(least):
            return None
        options = {
            node.name: int(pick[tuple(values_of[v] for v in node.scope)])
            for node, pick in zip(self.nodes, picks, strict=True)
        }
        total = self.total(options)
        return Pick(float(total @ weights), options, total)

    def total(self, options: Mapping[str, int]) -> Array:
        """float64 [4]: what a choice for every module takes."""
        total, values = np.zeros(4) + self.fixed, dict[int, int]()
        for node in self.nodes:
            k = options[node.name]
            total = total + node.prices[k]
            places = np.unravel_index(node.cells[k], node.shape)
            values |= {v: int(place) for v, place in zip(node.scope, places, strict=True)}
        for edge in self.edges:
            total = total + edge.prices[tuple(values[v] for v in edge.scope)]
        return total

    def built(self, pick: Pick) -> dict[str, Option]:
        """The option of each module."""
        return {node.name: node.options[pick.options[node.name]] for node in self.nodes}
