"""Integer weights: t·w is the value of the quantizer's code, offsets included."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.errors import GraphError
from qcompiler.ir import nn
from qcompiler.ir.nn import QuantSpec
from qcompiler.passes.integer_weights import integer_weights
from qcompiler.quant.ranges import weight_spec
from qcompiler.reference.quantizer import codes, values

rng = np.random.default_rng(6)
WEIGHT = rng.normal(0, 1, (4, 3, 2, 2))


def check(spec: QuantSpec, weight: np.ndarray = WEIGHT) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    w, t = integer_weights("conv", nn.Conv(weight, weight_quant=spec))
    assert w.dtype == np.int64 and w.shape == weight.shape and t.shape == (len(weight),)
    expected = values(spec, codes(spec, weight))
    np.testing.assert_allclose(t.reshape(-1, 1, 1, 1) * w, expected, rtol=1e-12, atol=1e-12)
    return w, t


def test_symmetric_per_channel() -> None:
    w, _ = check(QuantSpec.uniform(rng.uniform(0.1, 1, 4), -7, 7))
    assert w.min() >= -7 and w.max() <= 7


def test_one_bit_is_half_a_step_of_offset() -> None:
    w, t = check(weight_spec(WEIGHT, 1, "max-abs", 99))
    np.testing.assert_array_equal(w, np.sign(WEIGHT))
    np.testing.assert_allclose(t, np.abs(WEIGHT).reshape(4, -1).mean(axis=1))


@pytest.mark.parametrize("whole", [-3, -1, 0, 2])
def test_whole_steps_of_offset_shift_the_codes(whole: int) -> None:
    step = rng.uniform(0.1, 1, 4)
    w, t = check(QuantSpec.uniform(step, 0, 15, whole * step))
    np.testing.assert_array_equal(t, step)
    assert whole <= w.min() and w.max() <= 15 + whole


def test_offsets_of_both_kinds_by_channel() -> None:
    step = rng.uniform(0.1, 1, 4)
    w, t = check(QuantSpec.uniform(step, -2, 2, step * np.array([0.5, -1.0, 0.0, -1.5])))
    np.testing.assert_allclose(t, step / 2)
    assert (w[[0, 3]] % 2 == 1).all() and (w[[1, 2]] % 2 == 0).all()


def test_one_step_for_all_channels_and_two_steps_in_and_out() -> None:
    check(QuantSpec.uniform(0.25, -7, 7))
    check(QuantSpec(np.array(0.25), np.array(0.2), np.array(-0.4), 0, 7))


def test_linear_layers() -> None:
    weight = WEIGHT.reshape(4, -1)
    spec = weight_spec(weight, 4, "max-abs", 99)
    w, t = integer_weights("fc", nn.Linear(weight, weight_quant=spec))
    np.testing.assert_allclose(t[:, None] * w, values(spec, codes(spec, weight)))


def test_other_offsets_and_missing_quantizers_are_refused() -> None:
    with pytest.raises(GraphError, match="conv: a weight offset must be a multiple of half a step"):
        check(QuantSpec.uniform(0.1, 0, 3, 0.033))
    with pytest.raises(GraphError, match="fc: its weights are not quantized"):
        integer_weights("fc", nn.Linear(WEIGHT.reshape(4, -1)))
