"""Codes that borders, products and h-swish's least value need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcompiler.errors import QCompilerError
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.quant.align import AlignResiduals
from qcompiler.quant.borders import bordered_spec, hard_swish_spec, needed_values, rescaled
from qcompiler.quant.config import QuantConfig
from qcompiler.quant.easyquant import EasyQuant
from qcompiler.quant.histogram import Range
from qcompiler.quant.insert import InsertQuantizers, find_sites
from qcompiler.quant.reconstruct import Reconstruct
from qcompiler.reference.differences import code_differences, total
from tests.networks import observer

LEAST = nn.HardSwish.least
rng = np.random.default_rng(12)
X = rng.normal(0, 1, (16, 2, 6, 6)).astype(np.float32)


def conv(pad: float | None = None, kernel: int = 3) -> nn.Conv:
    padding = (0, 0, 0, 0) if pad is None else (kernel // 2,) * 4
    return nn.Conv(
        rng.normal(0, 1, (2, 2, kernel, kernel)), None, (1, 1), padding, pad_value=pad or 0
    )


def swish_into(*readers: nn.NNOp) -> Graph:
    """c -> h-swish ``h``, read by each of the readers; the first one's result is the output."""
    graph = Graph("nn")
    graph.add("x", nn.Input((2, 6, 6)))
    graph.add("c", conv(kernel=1), ["x"])
    graph.add("h", nn.HardSwish(), ["c"])
    for k, op in enumerate(readers):
        inputs = (
            ["h", "gate"] if isinstance(op, nn.Mul) else ["h", "c"][: 1 + isinstance(op, nn.Add)]
        )
        if isinstance(op, nn.Mul):
            graph.add("mean", nn.AvgPool((6, 6), (6, 6)), ["h"])
            graph.add("fc", conv(kernel=1), ["mean"])
            graph.add("gate", nn.HardSigmoid(), ["fc"])
        graph.add(f"r{k}", op, inputs)
    graph.add("y", nn.Output(), ["r0"])
    return graph


def has_code(spec: nn.QuantSpec, value: float) -> bool:
    code = (value - float(spec.offset)) / float(spec.step_out)
    return abs(code - round(code)) < 1e-9 and spec.lo <= round(code) <= spec.hi


def test_needed_values() -> None:
    pads = ((0, 0), (1, 1), (0, 0))
    for readers, expected in (
        ((conv(),), set()),
        ((conv(0.0),), {0.0}),
        ((conv(LEAST), conv()), {LEAST}),
        ((conv(LEAST), nn.Mul()), {0.0, LEAST}),
        ((nn.AvgPool((2, 2), (2, 2)),), set()),
        ((nn.AvgPool((2, 2), (2, 2), (1, 1, 1, 1)),), {0.0}),
        ((nn.MaxPool((2, 2), (2, 2), (1, 1, 1, 1)), nn.Add()), set()),
        ((nn.Pad(pads, 0.5),), {0.5}),
    ):
        assert needed_values(swish_into(*readers), "h") == expected
    graph = swish_into(nn.Slice(0, 1, 5, 0, 1, 6))
    graph.add("later", conv(0.25), ["r0"])
    assert needed_values(graph, "h") == {0.25}, "behind what moves codes"


@pytest.mark.parametrize("bits", range(2, 9))
@given(top=st.floats(0.4, 50))
def test_h_swish_codes(bits: int, top: float) -> None:
    span, step = Range(0.0, top), max(top, 0.375) / (2**bits - 1)
    negative, zero = (hard_swish_spec(span, bits, needed) for needed in ({LEAST}, {0.0}))
    assert float(negative.offset) == LEAST and has_code(zero, 0.0)
    assert float(negative.step_in) == pytest.approx(top / (2**bits - 1))
    assert float(zero.step_in) == pytest.approx(step)
    assert abs(float(zero.offset) - LEAST) <= step / 2 + 1e-9
    both = kept(lambda: hard_swish_spec(span, bits, {0.0, LEAST}), step, -LEAST)
    for spec in filter(None, (negative, zero, both)):
        assert (spec.lo, spec.hi) == (0, 2**bits - 1)
    assert both is None or (has_code(both, 0.0) and has_code(both, LEAST))


def kept(make: Callable[[], nn.QuantSpec], step: float, way: float) -> nn.QuantSpec | None:
    """A quantizer that had to change its step for a code so far off: it clips nothing, or raises.

    What rounding to the last code loses at the end of the range is no clipping.
    """
    try:
        spec = make()
    except QCompilerError as error:
        assert step > way and "more bits" in error.hint
        return None
    found = float(spec.step_out)
    assert spec.hi * step <= (spec.hi + 0.5) * found + 1e-9 and found <= 2 * step + 1e-9
    return spec


@pytest.mark.parametrize("bits", range(3, 9))
@given(lo=st.floats(-9, 0), hi=st.floats(0.1, 9), value=st.sampled_from([1.0, -0.375]))
def test_borders_of_any_value_get_a_code(bits: int, lo: float, hi: float, value: float) -> None:
    signed = lo < 0 or value < 0
    largest = max(-lo, hi, abs(value))
    step = largest / (2 ** (bits - signed) - 1)
    needed = {0.0, value}
    spec = kept(lambda: bordered_spec(Range(lo, hi), bits, needed), step, abs(value))
    if spec is None:
        return
    assert has_code(spec, 0.0) and has_code(spec, value)
    for factor in (0.1, 0.5, 0.93, 1.4, 5.0):
        moved = rescaled(spec, factor, needed)
        assert has_code(moved, 0.0) and float(moved.step_in) == float(moved.step_out)
        assert has_code(moved, value)
    assert float(rescaled(spec, 2.0, {0.0}).step_in) == 2 * float(spec.step_in)


def test_a_range_that_no_step_holds_is_refused() -> None:
    for bits in (4, 2):
        with pytest.raises(QCompilerError, match=r"reach 8 with one for each of -0.375, 0, ") as e:
            hard_swish_spec(Range(0.0, 8.375), bits, {0.0, LEAST}, "layer")
        assert str(e.value).startswith("layer: ") and "more bits" in e.value.hint
    spec = hard_swish_spec(Range(0.0, 8.375), 6, {0.0, LEAST})
    assert float(spec.step_out) == 0.375 / 2  # of 0.133
    with pytest.raises(QCompilerError, match="no 15 codes"):
        bordered_spec(Range(-8.0, 8.0), 4, {0.0, LEAST})


def test_two_values_besides_zero() -> None:
    spec = bordered_spec(Range(-1.0, 6.0), 8, {0.375, 0.5})
    assert float(spec.step_out) == pytest.approx(0.0625) and has_code(spec, 0.375)
    assert has_code(spec, 0.5) and rescaled(spec, 3.0, {0.375, 0.5}) is spec
    with pytest.raises(QCompilerError, match=r"each of 0, 0.3, 0.701"):
        bordered_spec(Range(-1.0, 6.0), 8, {0.3, 0.701})


def test_h_swish_outputs_below_zero_have_its_code() -> None:
    for needed in ({0.0}, {0.0, LEAST}):
        assert has_code(hard_swish_spec(Range(0.0, 0.2), 4, needed), 0.0)


def test_a_scaled_quantizer_keeps_its_border() -> None:
    spec = hard_swish_spec(Range(0.0, 5.0), 4, {LEAST})
    moved = rescaled(spec, 1.3, {LEAST})
    assert float(moved.offset) == LEAST and float(moved.step_out) == pytest.approx(1.3 * 5 / 15)
    free = rescaled(hard_swish_spec(Range(0.0, 5.0), 4, {0.0}), 1.3, {0.0})
    assert has_code(free, 0.0) and float(free.step_out) == pytest.approx(1.3 * 5 / 15)


CASES = {
    "negative padding": (conv(LEAST),),
    "negative padding and an addition": (conv(LEAST), nn.Add()),
    "zero padding": (conv(0.0),),
    "both paddings": (conv(0.0), conv(LEAST)),
    "squeeze and excite": (nn.Mul(),),
    "no border": (conv(),),
}


@pytest.mark.parametrize("method", ["max-abs", "mse", "kl", "easyquant", "reconstruct"])
@pytest.mark.parametrize("case", CASES)
def test_every_method_keeps_the_codes_that_are_needed(case: str, method: str) -> None:
    floating = swish_into(*CASES[case])
    if len(CASES[case]) > 1:
        op = floating.op("c")  # small, for 16 codes that reach both -3/8 and 0 go to 5.25 alone
        floating.replace("c", replace(op, weight=op.weight / 2))
        floating.add("all", nn.Concat(), ["r0", "r1"])
        floating.reconnect("y", 0, "all")
    config = QuantConfig(weights=4, activations=4, method=method)
    graph = run_passes(floating, [InsertQuantizers(config, observer(X))])
    if method in ("easyquant", "reconstruct"):
        graph = run_passes(graph, [EasyQuant(floating, X, candidates=12)])
    if method == "reconstruct":
        graph = run_passes(graph, [Reconstruct(floating, X, iterations=12)])
    graph, step = run_passes(graph, [AlignResiduals()]), Integerize("exact")
    spec, needed = graph.op("h_q").spec, needed_values(graph, "h_q")
    assert (spec.lo, spec.hi) == (0, 15)
    assert all(has_code(spec, value) for value in needed)
    if LEAST in needed:
        assert float(spec.offset) == LEAST
    integers = run_passes(graph, [step])
    assert total(code_differences(graph, integers, step.carriers, X)).differing == 0


def test_a_gate_is_unsigned_and_a_product_a_site() -> None:
    graph = swish_into(nn.Mul())
    sites = {site.node: site.layer for site in find_sites(graph, QuantConfig())}
    assert sites == {"x": "x", "h": "c", "mean": "mean", "gate": "fc", "r0": "r0"}
    made = run_passes(graph, [InsertQuantizers(QuantConfig(activations=4), observer(X))])
    assert made.op("gate_q").spec.lo == 0 and float(made.op("gate_q").spec.offset) == 0
    assert made.op("r0_q").spec.lo < 0


@pytest.mark.parametrize("method", ["kl", "percentile", "mse"])
def test_thresholds_of_an_h_swish_are_those_of_its_positive_values(method: str) -> None:
    """Most values of it are near zero, which is far from the least one: no place to cut."""
    graph = swish_into(conv())
    graph.replace("c", nn.Conv(0.01 * np.eye(2)[:, :, None, None], np.array([-1e-3, 0.0])))
    x = X.copy()
    x[0, 0, 0, 0] = 100.0
    config = QuantConfig(method=method, percentile=90.0)
    spec = run_passes(graph, [InsertQuantizers(config, observer(x))]).op("h_q").spec
    top = float(spec.step_out) * spec.hi + float(spec.offset)
    swish = graph.op("c").weight[0, 0, 0, 0] * 100 * 4 / 6
    assert (0.005 < top < 0.1) if method == "percentile" else (0.005 < top <= swish + 0.01)


def test_an_h_swish_output_of_zeros_is_dead() -> None:
    graph, dead = swish_into(conv()), list[str]()
    graph.replace("c", nn.Conv(np.zeros((2, 2, 1, 1))))
    run_passes(graph, [InsertQuantizers(QuantConfig(), observer(X), dead)])
    assert "h" in dead and "x" not in dead


def test_residual_width_before_a_trained_quantizer() -> None:
    """What an addition and a trained quantizer of the branch read keeps the residual's bits."""
    graph = swish_into(nn.Add())
    graph.add("r0_q", nn.Quantizer(nn.QuantSpec.uniform(0.5, -7, 7)), ["r0"])
    graph.add("d", conv(kernel=1), ["r0_q"])
    graph.add("sum", nn.Add(), ["d", "r0"])
    graph.add("e", conv(kernel=1), ["sum"])
    graph.reconnect("y", 0, "e")
    sites = {s.node: s.bits for s in find_sites(graph, QuantConfig(activations=4))}
    assert sites["r0"] == 8 and sites["sum"] == 4
