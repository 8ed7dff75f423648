"""The real function between an accumulator and the next codes, per channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qcompiler.ir.nn import HardSwish, QuantSpec
from qcompiler.ir.rounding import round_half_even
from qcompiler.ir.types import IntType
from qcompiler.passes.pieces import compact, first_where

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class ClippedAffine:
    """``y = clip(scale · z + shift, low, high)`` per channel, all float64 of shape (C,).

    z is x itself or, where there is an ``inner`` function of x, the h-swish of that. Every chain
    of constants, batch norms, clips, h-sigmoids and h-swishes is one of these: an affine map of a
    clip is a clip of an affine map.
    """

    scale: Array
    shift: Array
    low: Array
    high: Array
    inner: ClippedAffine | None = None

    @classmethod
    def affine(cls, scale: Any, shift: Any, channels: int) -> ClippedAffine:
        def full(value: Any) -> Array:
            return np.broadcast_to(np.asarray(value, np.float64), (channels,)).copy()

        return cls(full(scale), full(shift), full(-np.inf), full(np.inf))

    def then_affine(self, scale: Any, shift: Any) -> ClippedAffine:
        with np.errstate(invalid="ignore"):
            ends = np.stack([_times(scale, self.low), _times(scale, self.high)]) + shift
        scaled, shifted = self.scale * scale, self.shift * scale + shift
        return ClippedAffine(scaled, shifted, ends.min(axis=0), ends.max(axis=0), self.inner)

    def then_clip(self, lo: float, hi: float) -> ClippedAffine:
        return replace(self, low=np.clip(self.low, lo, hi), high=np.clip(self.high, lo, hi))

    def then_hard_swish(self) -> ClippedAffine:
        return replace(ClippedAffine.affine(1.0, 0.0, len(self.scale)), inner=self)

    def then_hard_sigmoid(self) -> ClippedAffine:
        return self.then_affine(1 / 6, 0.5).then_clip(0.0, 1.0)

    def plain(self) -> bool:
        """Whether nothing clips or bends."""
        clips = np.isfinite(self.low).any() or np.isfinite(self.high).any()
        return self.inner is None and not clips

    def one(self) -> ClippedAffine | None:
        """The function of one channel that every channel has, or None where they differ."""
        inner = None if self.inner is None else self.inner.one()
        arrays = (self.scale, self.shift, self.low, self.high)
        if (self.inner is not None and inner is None) or any((a != a[0]).any() for a in arrays):
            return None
        scale, shift, low, high = (a[:1] for a in arrays)
        return ClippedAffine(scale, shift, low, high, inner)

    def values(self, x: Array) -> Array:
        """float64 results for ``x`` (C, …): the definition."""
        shape = (-1,) + (1,) * (x.ndim - 1)
        z = x if self.inner is None else hard_swish(self.inner.values(x))
        y = self.scale.reshape(shape) * z + self.shift.reshape(shape)
        return np.asarray(np.clip(y, self.low.reshape(shape), self.high.reshape(shape)))

    def codes(self, x: Array, spec: QuantSpec) -> Array:
        """int64 codes of ``x`` (C, …) under a per-tensor quantizer."""
        scaled = (self.values(x) - spec.offset) / spec.step_in
        return np.clip(round_half_even(scaled), spec.lo, spec.hi).astype(np.int64)

    # ---- as steps ---------------------------------------------------------------

    def thresholds(self, domain: IntType, spec: QuantSpec) -> tuple[Array, Array]:
        """Step table of the codes over ``domain``: thresholds (C, K) and table (C, K+1), int64.

        Each threshold is found by bisection on the float64 definition, between the points where
        the function turns. A function without h-swish does not turn and has a threshold for each
        code: rising channels count up from ``lo``, falling ones down from ``hi``; what no x of the
        domain reaches is at ``domain.hi + 1``, what every x passes at ``domain.lo``. Behind an
        h-swish only changes of the code within the domain are listed.
        """
        if self.inner is not None:
            return self._turning_steps(domain, spec)
        rising = self.scale[:, None] >= 0
        k = np.arange(spec.hi - spec.lo + 1)
        table = np.where(rising, spec.lo + k, spec.hi - k)
        goal = table[:, 1:]
        low = np.full(goal.shape, domain.lo, np.int64)

        def passed(x: Array) -> Array:
            code = self.codes(x, spec)
            return np.where(rising, code >= goal, code <= goal)

        return first_where(passed, low, np.full_like(low, domain.hi + 1)), table

    def pieces(self, domain: IntType) -> Array:
        """Edges (C, P+1), int64: the function is monotone over each ``edges[c, p] … [c, p+1] - 1``.

        Pieces may be empty.
        """
        if self.inner is None:
            return np.tile(np.array([domain.lo, domain.hi + 1], np.int64), (len(self.scale), 1))
        edges, inner = self.inner.pieces(domain), self.inner
        start, end = edges[:, :-1], edges[:, 1:]
        below = inner.values(start) < HardSwish.turn
        turns = first_where(lambda x: (inner.values(x) < HardSwish.turn) != below, start, end)
        starts = np.stack([start, turns], axis=2).reshape(len(edges), -1)
        return np.concatenate([starts, end[:, -1:]], axis=1)

    def _turning_steps(self, domain: IntType, spec: QuantSpec) -> tuple[Array, Array]:
        edges = self.pieces(domain)
        thresholds, table = [], []
        for start, end in zip(edges.T[:-1, :, None], edges.T[1:, :, None], strict=True):
            first = self.codes(start, spec)
            last = np.where(end > start, self.codes(end - 1, spec), first)
            sign, count = np.sign(last - first), np.abs(last - first)
            k = np.arange(1, count.max() + 1)
            goal = first + sign * k

            reached = _reached(self, spec, sign, goal, k <= count)
            low, high = (np.broadcast_to(x, goal.shape) for x in (start, end))
            thresholds += [start, first_where(reached, low, high)]
            table += [first, goal]
        return compact(np.concatenate(thresholds, 1)[:, 1:], np.concatenate(table, 1), domain)


def _reached(
    function: ClippedAffine, spec: QuantSpec, sign: Array, goal: Array, on: Array
) -> Callable[[Array], Array]:
    """Whether codes that rise (sign 1) or fall (-1) have come to their goals, where ``on``."""
    return lambda x: on & (sign * (function.codes(x, spec) - goal) >= 0)


def hard_swish(x: Array) -> Array:
    return np.asarray(x * np.clip(x + 3, 0, 6) / 6)


def _times(scale: Array, bound: Array) -> Array:
    """scale · bound with 0 · inf = 0: a zero scale makes every bound its shift."""
    return np.where(scale == 0, 0.0, scale * bound)
