"""Histograms of tensors in pieces, and the thresholds that are taken from them."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.errors import QCompilerError
from qcompiler.quant.histogram import BINS, Extremes, Histogram, Range
from qcompiler.quant.ranges import activation_spec, calibrated
from qcompiler.reference.quantizer import codes, values

rng = np.random.default_rng(12)


def histogram(x: np.ndarray) -> Histogram:
    ends = Extremes("x")
    pieces = np.array_split(x, 3)
    for piece in pieces:
        ends.add(piece)
    found = Histogram(ends.span)
    for piece in pieces:
        found.add(piece)
    return found


def test_ranges() -> None:
    assert Range(-1, 2).union(Range(0, 5)) == Range(-1, 5)
    assert Range(-3, 2).clipped(2.5) == Range(-2.5, 2)
    assert Range(-3, 2).largest == 3


def test_pieces_add_up_and_zeros_do_not_count() -> None:
    x = np.concatenate([np.zeros(100), rng.normal(0, 1, 999)])
    found = histogram(x)
    assert found.span == Range(x.min(), x.max()) and found.counts.sum() == 999
    whole = Histogram(found.span)
    whole.add(x)
    np.testing.assert_array_equal(found.counts, whole.counts)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_by_name(bad: float) -> None:
    with pytest.raises(QCompilerError, match="NaN or infinity") as caught:
        Extremes("conv3").add(np.array([1.0, bad]))
    assert caught.value.where == "conv3"


def test_percentile_is_within_a_bin() -> None:
    x = rng.exponential(1, 20000)
    found = histogram(x)
    for percent in (60, 99, 99.9):
        assert found.percentile(percent) == pytest.approx(
            np.percentile(x, percent, method="inverted_cdf"), abs=found.width
        )
    assert found.percentile(100) == x.max()
    assert histogram(np.zeros(5)).percentile(99) == 0


@pytest.mark.parametrize("bits", [2, 3, 4, 6])
def test_mse_is_the_least_of_the_whole_tensor(bits: int) -> None:
    x = rng.exponential(1, 30000)
    found = calibrated(histogram(x), bits, "mse", 99)

    def loss(top: float) -> float:
        spec = activation_spec(Range(0, top), bits)
        return float(((values(spec, codes(spec, x)) - x) ** 2).mean())

    best = min(loss(top) for top in np.linspace(0.05, 1, 96) * x.max())
    assert loss(found.hi) <= best * 1.01
    assert loss(found.hi) < 0.8 * loss(x.max()), "clipping pays on a long tail"


def test_kl_ignores_a_far_outlier_and_keeps_what_is_even() -> None:
    far = np.concatenate([np.abs(rng.normal(0, 1, 50000)), [40.0]])
    assert calibrated(histogram(far), 8, "kl", 99).hi < 10
    even = rng.uniform(0, 1, 50000)
    assert calibrated(histogram(even), 8, "kl", 99).hi > 0.95


def test_kl_does_not_cut_off_what_is_narrow_and_far_from_zero() -> None:
    """Gates of squeeze-and-excite: with all of it in P's last bin the divergence would be 0."""
    gates = np.random.default_rng(3).normal(0.5, 0.004, 20_000)
    assert calibrated(histogram(gates), 8, "kl", 99).hi > 0.495


def test_kl_by_the_definition() -> None:
    """Against a plain loop over bins, as TensorRT's slides write it."""
    x = np.abs(rng.normal(0, 1, 4000))
    found, levels = histogram(x), 16
    losses = {}
    for stop in range(levels, BINS + 1):
        p = found.counts[:stop].astype(float)
        q = np.zeros(stop)
        for level in range(levels):
            inside = np.flatnonzero(np.arange(stop) * levels // stop == level)
            live = inside[found.counts[inside] > 0]
            if len(live):
                q[live] = found.counts[inside].sum() / len(live)
        p[-1] += found.counts[stop:].sum()
        if not q.sum():
            continue
        p, q = p / p.sum(), q / q.sum()
        some = p > 0
        losses[stop] = (p[some] * np.log(p[some] / np.maximum(q[some], 1e-12))).sum()
    chosen = round(found.kl(levels) / found.width - 0.5)
    assert losses[chosen] == pytest.approx(min(losses.values()), rel=1e-9)


def test_a_signed_tensor_is_cut_on_both_sides() -> None:
    x = np.concatenate([rng.normal(0, 1, 50000), [-30.0, 25.0]])
    for method in ("kl", "mse", "percentile"):
        span = calibrated(histogram(x), 4, method, 99.9)
        assert span.lo == -span.hi and 1 < span.hi < 10


def test_a_tensor_of_zeros_has_a_range_with_every_method() -> None:
    for method in ("kl", "mse", "percentile"):
        spec = activation_spec(calibrated(histogram(np.zeros(9)), 4, method, 99), 4)
        assert float(spec.step_in) == 1.0
