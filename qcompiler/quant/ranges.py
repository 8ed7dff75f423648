"""Ranges to steps: max-abs and percentile, for activations and for weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qcompiler.ir.nn import QuantSpec

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Range:
    """Least and largest value that codes should reach (float64)."""

    lo: float
    hi: float

    def union(self, other: Range) -> Range:
        return Range(min(self.lo, other.lo), max(self.hi, other.hi))


def observe(values: Array, method: str, percentile: float) -> Range:
    """Range of ``values`` (any shape): the extremes, or the percentile on each side."""
    flat = values.reshape(-1)
    if method == "percentile":
        top = float(np.percentile(np.abs(flat), percentile))
        return Range(max(float(flat.min()), -top), min(float(flat.max()), top))
    return Range(float(flat.min()), float(flat.max()))


def activation_spec(span: Range, bits: int) -> QuantSpec:
    """Unsigned [0, 2^B-1] where nothing is negative, else symmetric [-Q, Q].

    A signed tensor of one bit has the codes 0 and 1 for the values -s and +s; zero has no code.
    """
    if span.lo >= 0:
        top = 2**bits - 1
        return QuantSpec.uniform(_step(span.hi, top), 0, top)
    largest = max(-span.lo, span.hi)
    if bits == 1:
        return QuantSpec.uniform(2 * _step(largest, 1), 0, 1, offset=-_step(largest, 1))
    q = 2 ** (bits - 1) - 1
    return QuantSpec.uniform(_step(largest, q), -q, q)


def weight_spec(weight: Array, bits: int, method: str, percentile: float) -> QuantSpec:
    """Per-output-channel quantizer of weight (O, …): codes [-Q, Q].

    One bit means ±mean|w| per channel (Rastegari et al. 2016, XNOR-Net, eq. 6), written as codes 0
    and 1 with an offset; a channel of zeros gets step 1.
    """
    flat = np.abs(weight.reshape(len(weight), -1).astype(np.float64))
    if bits == 1:
        mean = flat.mean(axis=1)
        mean = np.where(mean > 0, mean, 1.0)
        return QuantSpec.uniform(2 * mean, 0, 1, offset=-mean)
    q = 2 ** (bits - 1) - 1
    top = np.percentile(flat, percentile, axis=1) if method == "percentile" else flat.max(axis=1)
    return QuantSpec.uniform(np.where(top / q > 0, top / q, 1.0), -q, q)


def _step(top: float, codes: int) -> float:
    return top / codes or 1.0  # zero, or so small that the quotient is
