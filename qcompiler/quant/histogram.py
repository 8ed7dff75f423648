"""Histograms of tensors that come in pieces, and the ranges that calibration takes from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qcompiler.errors import QCompilerError

Array = np.ndarray[Any, Any]

BINS = 2048
MOST_CUT = 0.5  # share of the values that a threshold may cut off


@dataclass(frozen=True)
class Range:
    """Least and largest value that codes should reach (float64)."""

    lo: float
    hi: float

    def union(self, other: Range) -> Range:
        return Range(min(self.lo, other.lo), max(self.hi, other.hi))

    def clipped(self, top: float) -> Range:
        """What of the range lies in [-top, top]."""
        return Range(max(self.lo, -top), min(self.hi, top))

    def above(self, bottom: float) -> Range:
        """How far the range goes above ``bottom``; the range itself for 0."""
        return Range(0.0, max(self.hi - bottom, 0.0)) if bottom else self

    @property
    def largest(self) -> float:
        """The largest magnitude."""
        return max(-self.lo, self.hi)


def not_finite(node: str) -> QCompilerError:
    """The error for a node whose values are not all finite."""
    return QCompilerError(
        "the float network gives NaN or infinity on the calibration set", where=node
    )


@dataclass
class Extremes:
    """Range of a tensor that comes in pieces; refuses what is not finite."""

    node: str
    span: Range = field(default_factory=lambda: Range(np.inf, -np.inf))

    def add(self, values: Array) -> None:
        if not np.isfinite(values).all():
            raise not_finite(self.node)
        self.span = self.span.union(Range(float(values.min()), float(values.max())))


@dataclass
class Histogram:
    """Counts of \\|x\\| over `span`, in equal bins from 0 to its largest magnitude.

    Exact zeros are left out: codes hold them whatever the step, and behind a ReLU they are most of
    the values (Wu et al. 2020, arXiv 2004.09602, skip them too).
    """

    span: Range
    counts: Array = field(default_factory=lambda: np.zeros(BINS, np.int64))

    @property
    def width(self) -> float:
        """Of a bin."""
        return self.span.largest / BINS or 1.0

    def add(self, values: Array) -> None:
        magnitude = np.abs(values.reshape(-1).astype(np.float64))
        magnitude = magnitude[magnitude > 0]
        places = np.minimum((magnitude / self.width).astype(np.int64), BINS - 1)
        self.counts += np.bincount(places, minlength=BINS)

    def mean(self) -> float:
        """Of the nonzero magnitudes."""
        centres = (np.arange(BINS) + 0.5) * self.width
        return float(self.counts @ centres / max(self.counts.sum(), 1)) or self.span.largest

    def percentile(self, percent: float) -> float:
        """The upper edge of the bin that holds this percentile of the nonzero magnitudes."""
        total = np.cumsum(self.counts)
        if not total[-1]:
            return self.span.largest
        place = int(np.searchsorted(total, percent / 100 * total[-1]))
        return float(min((place + 1) * self.width, self.span.largest))

    def kl(self, levels: int) -> float:
        """The threshold whose clipped distribution loses least when cut into `levels` bins.

        TensorRT's calibration (Migacz, "8-bit Inference with TensorRT", GTC 2017): of P, the
        counts below the threshold with all that is above added to its last bin, and Q, the same
        counts without the outliers averaged over `levels` groups, the least KL(P‖Q). Of thresholds
        that cut off most values the divergence says nothing: P and Q are one bin both.

        Args:
            levels: Codes for positive values: 128 for 8 signed bits, 2^B for B unsigned ones.
        """
        tail = np.append(self.counts[::-1].cumsum()[::-1], 0)
        kept = int(np.argmax(tail <= MOST_CUT * tail[0]))  # below lie few values, or none
        least = max(min(max(levels, 8), BINS), kept)
        best, best_at = np.inf, BINS
        for stop in range(least, BINS + 1):
            loss = _divergence(self.counts[:stop], int(tail[stop]), levels)
            if loss < best:
                best, best_at = loss, stop
        return min((best_at + 0.5) * self.width, self.span.largest)

    def mse(self, top_code: int) -> float:
        """The threshold of least mean square error, of codes 0 … `top_code` for magnitudes.

        Each bin counts as its centre; 256 thresholds are tried.
        """
        centres = (np.arange(BINS) + 0.5) * self.width
        best, best_top = np.inf, self.span.largest
        if not self.counts.any():
            return best_top
        for top in self.span.largest * np.arange(256, 0, -1) / 256:
            step = top / top_code
            back = np.clip(np.round(centres / step), 0, top_code) * step
            loss = float((self.counts * (back - centres) ** 2).sum())
            if loss < best:
                best, best_top = loss, float(top)
        return best_top


def _divergence(kept: Array, outliers: int, levels: int) -> float:
    """KL(P‖Q) up to terms that depend on neither threshold nor levels; inf where Q lacks mass."""
    p = kept.astype(np.float64)
    p[-1] += outliers
    group = np.arange(len(kept)) * levels // len(kept)
    live = kept > 0
    mass = np.bincount(group, weights=kept, minlength=levels)
    members = np.bincount(group, weights=live, minlength=levels)
    spread = np.divide(mass, members, out=np.zeros_like(mass), where=members > 0)
    q = np.where(live, spread[group], 0.0)
    if not q.sum():
        return np.inf
    p, q = p / p.sum(), q / q.sum()
    q = np.where((p > 0) & (q == 0), 1e-12, q)  # outliers alone in the last bin: a finite price
    some = p > 0
    return float((p[some] * np.log(p[some] / q[some])).sum())
