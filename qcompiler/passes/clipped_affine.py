"""The real function between an accumulator and the next codes, per channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qcompiler.ir.nn import QuantSpec
from qcompiler.ir.rounding import round_half_even
from qcompiler.ir.types import IntType

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class ClippedAffine:
    """``y = clip(scale · x + shift, low, high)`` per channel, all float64 of shape (C,).

    Every chain of constants, batch norms and clipping activations is one of these: an affine map
    of a clip is a clip of an affine map.
    """

    scale: Array
    shift: Array
    low: Array
    high: Array

    @classmethod
    def affine(cls, scale: Any, shift: Any, channels: int) -> ClippedAffine:
        def full(value: Any) -> Array:
            return np.broadcast_to(np.asarray(value, np.float64), (channels,)).copy()

        return cls(full(scale), full(shift), full(-np.inf), full(np.inf))

    def then_affine(self, scale: Array, shift: Array) -> ClippedAffine:
        with np.errstate(invalid="ignore"):
            ends = np.stack([_times(scale, self.low), _times(scale, self.high)]) + shift
        return ClippedAffine(
            self.scale * scale, self.shift * scale + shift, ends.min(axis=0), ends.max(axis=0)
        )

    def then_clip(self, lo: float, hi: float) -> ClippedAffine:
        return ClippedAffine(
            self.scale, self.shift, np.clip(self.low, lo, hi), np.clip(self.high, lo, hi)
        )

    def plain(self) -> bool:
        """Whether nothing clips."""
        return bool(np.isneginf(self.low).all() and np.isposinf(self.high).all())

    def codes(self, x: Array, spec: QuantSpec) -> Array:
        """Codes of ``x`` (C, …) under a per-tensor quantizer: the float64 definition."""
        shape = (-1,) + (1,) * (x.ndim - 1)
        y = self.scale.reshape(shape) * x + self.shift.reshape(shape)
        y = np.clip(y, self.low.reshape(shape), self.high.reshape(shape))
        return np.clip(round_half_even((y - spec.offset) / spec.step_in), spec.lo, spec.hi).astype(
            np.int64
        )

    def thresholds(self, domain: IntType, spec: QuantSpec) -> tuple[Array, Array]:
        """Step table of the codes over ``domain``: thresholds (C, K) and table (C, K+1), int64.

        Each threshold is found by bisection on the float64 definition, which is monotone in x:
        rising channels count up from ``lo``, falling ones down from ``hi``. A threshold that no x
        of the domain reaches is ``domain.hi + 1``; one that every x passes is ``domain.lo``.
        """
        channels, steps = len(self.scale), spec.hi - spec.lo
        rising = self.scale >= 0
        k = np.arange(1, steps + 1)
        low = np.full((channels, steps), domain.lo, np.int64)
        high = np.full((channels, steps), domain.hi + 1, np.int64)
        goal_up, goal_down = spec.lo + k, spec.hi - k
        while (low < high).any():
            mid = (low + high) >> 1
            code = self.codes(mid, spec)
            passed = np.where(rising[:, None], code >= goal_up, code <= goal_down)
            high = np.where(passed, np.minimum(mid, high), high)
            low = np.where(passed, low, np.minimum(mid + 1, high))
        counts = np.arange(steps + 1)
        table = np.where(rising[:, None], spec.lo + counts, spec.hi - counts)
        return low, table


def _times(scale: Array, bound: Array) -> Array:
    """scale · bound with 0 · inf = 0: a zero scale makes every bound its shift."""
    return np.where(scale == 0, 0.0, scale * bound)
