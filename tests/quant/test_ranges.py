"""Ranges and the quantizers made of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcompiler.quant.histogram import Range
from qcompiler.quant.ranges import activation_spec, weight_spec
from qcompiler.reference.quantizer import codes, values

rng = np.random.default_rng(9)


@pytest.mark.parametrize("bits", range(1, 9))
@given(lo=st.floats(-100, 100), size=st.floats(0, 100))
def test_activation_specs(bits: int, lo: float, size: float) -> None:
    span = Range(lo, lo + size)
    spec = activation_spec(span, bits)
    step = float(spec.step_in)
    assert spec.hi - spec.lo + 1 <= 2**bits and step > 0
    if span.lo >= 0:
        assert (spec.lo, spec.hi, float(spec.offset)) == (0, 2**bits - 1, 0.0)
        top = span.hi
    else:
        assert bits == 1 or (spec.lo, float(spec.offset)) == (-spec.hi, 0.0)
        top = max(-span.lo, span.hi)
    reached = np.abs(values(spec, np.array([spec.lo, spec.hi]))).max()
    if top > 1e-300:  # below, the step itself would be zero
        assert reached == pytest.approx(top), "the largest code is the largest value"


def test_signed_activations_of_one_bit() -> None:
    spec = activation_spec(Range(-2.0, 1.0), 1)
    np.testing.assert_allclose(values(spec, np.array([0, 1])), [-2.0, 2.0])
    np.testing.assert_array_equal(codes(spec, np.array([-0.1, 0.1])), [0, 1])


def test_a_tensor_of_zeros() -> None:
    assert float(activation_spec(Range(0.0, 0.0), 4).step_in) == 1.0


@pytest.mark.parametrize("bits", range(2, 9))
def test_weights_are_symmetric_per_channel(bits: int) -> None:
    weight = rng.normal(0, 1, (5, 3, 3, 3)) * 10.0 ** np.arange(-2, 3).reshape(-1, 1, 1, 1)
    weight[4] = 0
    spec = weight_spec(weight, bits, "max-abs", 99)
    q = 2 ** (bits - 1) - 1
    assert (spec.lo, spec.hi) == (-q, q) and spec.step_in.shape == (5,)
    found = codes(spec, weight)
    assert (np.abs(found[:4]).reshape(4, -1).max(axis=1) == q).all()
    assert not found[4].any() and spec.step_in[4] == spec.step_in[:4].min()
    error = np.abs(values(spec, found) - weight)
    assert (error <= spec.step_in.reshape(-1, 1, 1, 1) / 2 * (1 + 1e-9)).all()


def test_weights_of_one_bit_are_the_sign_times_the_mean() -> None:
    weight = rng.normal(0, 1, (4, 3, 3, 3))
    spec = weight_spec(weight, 1, "max-abs", 99)
    mean = np.abs(weight).reshape(4, -1).mean(axis=1).reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(values(spec, codes(spec, weight)), np.sign(weight) * mean)
    assert (weight_spec(np.zeros((2, 4)), 1, "max-abs", 99).step_in < 1e-5).all()


def test_percentile_of_weights_clips() -> None:
    weight = rng.normal(0, 1, (2, 500))
    weight[:, 0] = 100
    spec = weight_spec(weight, 8, "percentile", 99.0)
    assert (spec.step_in * 127 < 5).all()


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_weights_clipped_for_least_squares_err_least(bits: int) -> None:
    weight = rng.standard_t(3, (6, 400))
    q = 2 ** (bits - 1) - 1
    clipped, whole = (weight_spec(weight, bits, m, 99) for m in ("mse", "max-abs"))

    def error(factor: float) -> np.ndarray:
        spec = weight_spec(weight, bits, "max-abs", 99)
        step = spec.step_in[:, None] * factor
        return ((np.clip(np.round(weight / step), -q, q) * step - weight) ** 2).sum(axis=1)

    factors = clipped.step_in / whole.step_in
    found = np.array([error(f)[k] for k, f in enumerate(factors)])
    for factor in np.linspace(0.21, 1, 80):
        assert (found <= error(factor) * (1 + 1e-9) + 1e-12).all()
    assert (found < error(1.0)).any() or bits == 8
