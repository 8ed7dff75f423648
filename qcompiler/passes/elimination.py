"""The least sum of tables over few-valued variables, by eliminating one variable after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Scope = tuple[int, ...]


@dataclass(frozen=True)
class _Step:
    """One variable goes: the tables that it is in become one over the others of their scopes."""

    variable: int
    others: Scope
    tables: tuple[tuple[int, tuple[int, ...], tuple[slice | None, ...]], ...]
    """(table, its axes in the order of the new scope, where the new scope has more axes)."""


class Elimination:
    """Bucket elimination (Dechter, 1999) for tables of given scopes.

    Exact; time and memory grow with the values of the variables that are in one table at a time,
    which are two in a chain of modules and three with a residual around it.

    Args:
        sizes: Values of each variable; each is in a table.
        scopes: Variables of each table, in the order of its axes.
    """

    def __init__(self, sizes: Sequence[int], scopes: Sequence[Scope]) -> None:
        self.count = len(scopes)
        self._steps: list[_Step] = []
        live = dict(enumerate(scopes))
        beside: dict[int, set[int]] = {v: {v} for v in range(len(sizes))}
        for scope in scopes:
            for v in scope:
                beside[v] |= set(scope)
        while beside:
            v = min(beside, key=lambda v: (prod(sizes[u] for u in beside[v]), v))
            others = tuple(sorted(beside.pop(v) - {v}))
            used = [k for k, scope in live.items() if v in scope]
            entries = tuple(_aligned(k, live.pop(k), (v, *others)) for k in used)
            live[self.count + len(self._steps)] = others
            self._steps.append(_Step(v, others, entries))
            for u in others:
                beside[u] = beside[u] - {v} | set(others)
        self._constants = list(live)

    def minimise(self, tables: Sequence[Array]) -> tuple[float, list[int]]:
        """The least sum and a value for each variable; infinite where nothing is allowed.

        Args:
            tables: float64, one for each scope; infinite where values must not meet.
        """
        found: list[Array] = list(tables)
        picks: list[Array] = []
        for step in self._steps:
            total: Array | float = 0.0
            for k, axes, gaps in step.tables:
                total = total + found[k].transpose(axes)[gaps]
            whole = np.asarray(total)
            picks.append(whole.argmin(0))
            found.append(whole.min(0))
        least = sum(float(found[k]) for k in self._constants)
        values = [0] * len(self._steps)
        for step, pick in zip(reversed(self._steps), reversed(picks), strict=True):
            values[step.variable] = int(pick[tuple(values[v] for v in step.others)])
        return least, values


def _aligned(
    table: int, scope: Scope, whole: Scope
) -> tuple[int, tuple[int, ...], tuple[slice | None, ...]]:
    axes = tuple(scope.index(v) for v in whole if v in scope)
    return table, axes, tuple(slice(None) if v in scope else None for v in whole)
