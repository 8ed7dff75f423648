"""The cheapest network that stays within limits of several resources.

Limits are priced (Lagrangian relaxation): at given prices the best network is found exactly, and a
small linear program over the networks found so far gives the next prices (column generation). Where
no network found is within the limits, the options of the module in which they differ most are split
in halves (branch and bound).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linprog

from qcompiler.passes.fold_problem import FoldProblem, Node, Pick

Array = np.ndarray[Any, Any]
TOO_MUCH = 1e4
"""Price of a whole device's worth of something beyond its limit, in devices."""
ROUNDS = 40
TOLERANCE = 1e-9


@dataclass
class Search:
    """Branch and bound.

    Args:
        problem: The networks.
        weights: float64 [4], what is to be least.
        limits: float64 [4].
        gap: Stop when no network can be cheaper by more than this share.
        patience: Most branches.
    """

    problem: FoldProblem
    weights: Array
    limits: Array
    gap: float = 0.002
    patience: int = 40
    best: Pick | None = None
    _left: int = field(default=0, init=False)

    def cheapest(
        self, any_is_enough: bool = False, allowed: Mapping[str, Array] | None = None
    ) -> Pick | None:
        """The cheapest network within the limits, None if none was found.

        Args:
            any_is_enough: Take the first one that is within the limits.
            allowed: bool by node, of each of its options; all where a node is not named.
        """
        self.best, self._left = None, self.patience
        self._enough = any_is_enough
        self._branch(dict(allowed or {}))
        return self.best

    def _branch(self, allowed: dict[str, Array]) -> None:
        self._left -= 1
        relaxed = self._relaxed(allowed)
        if relaxed is None or self._done():
            return
        bound, mixed = relaxed
        if self.best is not None and bound >= self._value(self.best) * (1 - self.gap):
            return
        split = self._split(mixed)
        if split is None:
            return
        name, halves = split
        for half in halves:
            if self._left <= 0 or self._done():
                return
            self._branch({**allowed, name: allowed.get(name, True) & half})

    def _done(self) -> bool:
        return self._enough and self.best is not None

    def _value(self, pick: Pick) -> float:
        return float(pick.total @ self.weights)

    def _relaxed(self, allowed: dict[str, Array]) -> tuple[float, list[tuple[float, Pick]]] | None:
        """A lower bound, and the networks that it mixes with their shares; None if there is none.

        Networks within the limits are kept on the way.
        """
        scale = np.maximum(self.limits, 1.0)
        columns: list[Pick] = []
        prices = np.zeros(4)
        floor, value, shares = -np.inf, np.inf, np.zeros(0)
        for _ in range(ROUNDS):
            found = self.problem.minimise(self.weights + prices, allowed)
            if found is None:
                return None
            bound = found.value - float(prices @ self.limits)
            floor = max(floor, bound)
            if floor > float(self.weights @ self.limits) + TOLERANCE:
                return None  # dearer than anything within the limits
            self._keep(found)
            if self._done():
                return floor, [(1.0, found)]
            if floor >= value - TOLERANCE - 1e-6 * abs(value):
                break
            columns.append(found)
            value, shares, prices = self._mix(columns, scale)
            if self.best is not None and floor >= self._value(self.best) * (1 - self.gap):
                break
        if not self._possible(columns, shares, scale):
            return None
        mixed = [(float(s), c) for s, c in zip(shares, columns, strict=False) if s > 1e-6]
        return floor, mixed

    def _mix(self, columns: list[Pick], scale: Array) -> tuple[float, Array, Array]:
        """The cheapest mixture of networks within the limits: its price, shares, next prices."""
        used = np.array([c.total for c in columns]).T / scale[:, None]
        cost = np.array([self._value(c) for c in columns])
        n, r = len(columns), len(self.limits)
        solution = linprog(
            np.concatenate([cost, np.full(r, TOO_MUCH)]),
            A_ub=np.hstack([used, -np.eye(r)]),
            b_ub=self.limits / scale,
            A_eq=np.concatenate([np.ones(n), np.zeros(r)])[None],
            b_eq=[1.0],
            method="highs",
        )
        prices = np.maximum(-solution.ineqlin.marginals, 0.0) / scale
        return float(solution.fun), solution.x[:n], prices

    def _possible(self, columns: list[Pick], shares: Array, scale: Array) -> bool:
        """Some mixture is within the limits."""
        used = np.array([c.total for c in columns[: len(shares)]]).T @ shares
        return bool(((used - self.limits) / scale <= 1e-6).all())

    def _keep(self, pick: Pick) -> None:
        within = (pick.total <= self.limits + TOLERANCE).all()
        if within and (self.best is None or self._value(pick) < self._value(self.best)):
            self.best = pick

    def _split(self, mixed: list[tuple[float, Pick]]) -> tuple[str, tuple[Array, Array]] | None:
        """The node whose options differ most among the networks, and two halves of its options."""
        best: tuple[float, Node, int, float] | None = None
        for node in self.problem.nodes:
            used = np.array([node.prices[pick.options[node.name]] for _, pick in mixed])
            middle = np.array([share for share, _ in mixed]) @ used
            spread = np.abs(used - middle).max(0) / np.maximum(self.limits, 1.0)
            r = int(spread.argmax())
            if spread[r] > 1e-9 and (best is None or spread[r] > best[0]):
                best = float(spread[r]), node, r, float(middle[r])
        if best is None:
            return None
        _, node, r, middle_value = best
        low = node.prices[:, r] <= middle_value
        return node.name, (low, ~low)
