"""Step functions of integers: where a condition first holds, and the shortest table of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qcompiler.ir.types import IntType

Array = np.ndarray[Any, Any]


def first_where(passed: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """The least x in [low, high) from which ``passed`` holds, else ``high``, by bisection.

    Args:
        passed: Whether each x passes, elementwise; once true it stays true up to ``high``.
        low, high: int64, of one shape.
    """
    while (low < high).any():
        mid = (low + high) >> 1
        yes = passed(mid)
        high = np.where(yes, np.minimum(mid, high), high)
        low = np.where(yes, low, np.minimum(mid + 1, high))
    return low


def compact(thresholds: Array, table: Array, domain: IntType) -> tuple[Array, Array]:
    """The same step functions over ``domain``, with thresholds at changes of the code alone.

    Channels with fewer changes than the others end in thresholds of ``domain.hi + 1``.

    Args:
        thresholds: (C, K), sorted; several may be equal.
        table: (C, K+1).
    """
    rows = []
    for t, codes in zip(thresholds, table, strict=True):
        before = codes[np.searchsorted(t, domain.lo, side="right")]
        last = np.append(t[1:] != t[:-1], True)  # of those at one x
        kept = last & (t > domain.lo) & (t <= domain.hi)
        codes = np.append(before, codes[1:][kept])
        moves = codes[1:] != codes[:-1]
        rows.append((t[kept][moves], np.append(before, codes[1:][moves])))
    most = max(1, *(len(t) for t, _ in rows))
    steps = [np.pad(t, (0, most - len(t)), constant_values=domain.hi + 1) for t, _ in rows]
    codes = [np.pad(c, (0, most + 1 - len(c)), mode="edge") for _, c in rows]
    return np.stack(steps), np.stack(codes)
