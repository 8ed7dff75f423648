"""Ranges to steps, for activations and for weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from qcompiler.ir.nn import QuantSpec
from qcompiler.quant.histogram import Histogram, Range

Array = np.ndarray[Any, Any]

TINY = 2.0**-20  # of the layer's least magnitude: what one-bit weights of zero become


def calibrated(histogram: Histogram, bits: int, method: str, percentile: float) -> Range:
    """What of a tensor's range the codes should reach, by a method other than ``max-abs``.

    Args:
        histogram: Of the whole calibration set.
        bits: Of the codes.
        method: ``percentile``, ``kl`` (EasyQuant starts from it too) or ``mse``.
        percentile: Of the nonzero magnitudes, for the method of that name.
    """
    span = histogram.span
    signed = span.lo < 0
    if signed and bits == 1:  # the codes stand for -s and +s, best at the mean magnitude
        return Range(-histogram.mean(), histogram.mean())
    top_code = max(2 ** (bits - 1) - 1, 1) if signed else 2**bits - 1
    if method == "percentile":
        return span.clipped(histogram.percentile(percentile))
    if method == "mse":
        return span.clipped(histogram.mse(top_code))
    return span.clipped(histogram.kl(top_code + 1))


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


def scaled(spec: QuantSpec, factor: float | Array) -> QuantSpec:
    """The same codes on steps that are ``factor`` times as large."""
    steps = spec.step_in * factor, spec.step_out * factor
    return QuantSpec(*steps, spec.offset * factor, spec.lo, spec.hi)


def weight_spec(weight: Array, bits: int, method: str, percentile: float) -> QuantSpec:
    """Per-output-channel quantizer of weight (O, …): codes [-Q, Q].

    ``percentile`` and ``mse`` clip; every other method starts from the largest magnitude, as
    TensorRT and EasyQuant do. One bit means ±mean|w| per channel (Rastegari et al. 2016, XNOR-Net,
    eq. 6), written as codes 0 and 1 with an offset. A channel of zeros gets a small step; with one
    bit, which has no zero, its weights become TINY.
    """
    flat = np.abs(weight.reshape(len(weight), -1).astype(np.float64))
    if bits == 1:
        mean = _no_zeros(flat.mean(axis=1), TINY)
        return QuantSpec.uniform(2 * mean, 0, 1, offset=-mean)
    q = 2 ** (bits - 1) - 1
    top = flat.max(axis=1)
    if method == "percentile":
        top = _percentiles(flat, percentile)
    elif method == "mse":
        top = top * _least_squares_clip(flat, top, q)
    return QuantSpec.uniform(_no_zeros(top / q, 1.0), -q, q)


def _no_zeros(steps: Array, share: float) -> Array:
    """Steps of channels of zeros become ``share`` of the least of the others, or 1.

    A large one would be the multiplier that all requantizers of the layer have to share bits with.
    """
    live = steps > 0
    return np.where(live, steps, share * (steps[live].min() if live.any() else 1.0))


def _percentiles(flat: Array, percentile: float) -> Array:
    """Of each row's nonzero magnitudes; 0 for a row of zeros."""
    found = [np.percentile(row[row > 0], percentile) if row.any() else 0.0 for row in flat]
    return np.array(found)


def _least_squares_clip(flat: Array, top: Array, q: int) -> Array:
    """For each row the share of its largest magnitude, of 80, where clipping errs least."""
    best, share = np.full(len(flat), np.inf), np.ones(len(flat))
    for part in np.arange(100, 20, -1) / 100:
        step = np.where(top > 0, part * top / q, 1.0)[:, None]
        error = ((np.clip(np.round(flat / step), 0, q) * step - flat) ** 2).sum(axis=1)
        share = np.where(error < best, part, share)
        best = np.minimum(error, best)
    return share


def _step(top: float, codes: int) -> float:
    return top / codes or 1.0  # zero, or so small that the quotient is
