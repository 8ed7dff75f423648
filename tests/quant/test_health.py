"""Bad calibration sets are refused by name; dead layers are named and still right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qcompiler.errors import QCompilerError
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.quant.config import METHODS, QuantConfig
from qcompiler.reference.integer import IntegerReference
from qcompiler.verbs.quantize import quantize
from tests.quant.nets import network, samples

X = samples()
QUICK: dict[str, Any] = {"candidates": 5, "iterations": 4}


@pytest.mark.parametrize("method", [m for m in METHODS if m != "max-abs"])
def test_too_few_samples(method: str) -> None:
    with pytest.raises(QCompilerError, match=f"7 sample.*too few for the method {method}"):
        quantize(network(), X[:7], QuantConfig(method=method))
    assert quantize(network(), X[:1], QuantConfig(method="max-abs")).graph is not None


def test_constant_samples() -> None:
    flat = np.broadcast_to(np.arange(16, dtype=np.float32).reshape(-1, 1, 1, 1), X.shape).copy()
    with pytest.raises(QCompilerError, match="one constant value"):
        quantize(network(), flat)


def test_one_sample_many_times() -> None:
    with pytest.raises(QCompilerError, match="all 16 samples are the same"):
        quantize(network(), np.broadcast_to(X[:1], X.shape).copy())


def test_nan_in_activations_is_named() -> None:
    graph = network()
    graph.replace("c2", replace(graph.op("c2"), bias=np.full(6, np.nan)))
    with pytest.raises(QCompilerError, match="NaN or infinity") as caught:
        quantize(graph, X, QuantConfig(**QUICK))
    assert caught.value.where == "r2"


def crippled(**changes: Any) -> Graph:
    graph = network()
    graph.replace("c2", replace(graph.op("c2"), **changes))
    return graph


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "changes, note",
    [
        ({"bias": np.full(6, -1e6)}, "r2: always zero on the calibration set"),
        ({"weight": np.zeros((6, 6, 3, 3))}, "c2: all its weights are zero"),
        ({"weight": np.zeros((6, 6, 3, 3)), "bias": None}, "r2: always zero"),
    ],
)
def test_dead_layers_are_named_and_exact(method: str, changes: dict[str, Any], note: str) -> None:
    correct = "batch-norm" if method in ("kl", "reconstruct") else "bias"
    config = QuantConfig(4, 4, method=method, correct=correct, **QUICK)
    result = quantize(crippled(**changes), X, config)
    assert any(n.startswith(note) for n in result.notes)
    reference = IntegerReference(run_passes(result.graph, [Integerize("exact")]))
    out = reference.decode(reference(reference.encode(X)))
    assert np.isfinite(out).all() and out.std() > 0


def test_a_healthy_network_has_no_notes() -> None:
    result = quantize(network(), X, QuantConfig(method="max-abs"))
    assert result.notes == [] and result.searched == []
    assert not any(np.all(result.graph.op(n).weight == 0) for n in result.graph.find(nn.Conv))


def test_an_outstanding_channel_of_zeros_costs_the_others_nothing() -> None:
    """Its step must not be the one that all requantizers of the layer share bits with."""
    plain, pruned = network(), network()
    small = plain.op("c2").weight * 1e-4
    for graph in (plain, pruned):
        graph.replace("c2", replace(graph.op("c2"), weight=small.copy()))
    weight = small.copy()
    weight[3] = 0
    pruned.replace("c2", replace(pruned.op("c2"), weight=weight, bias=np.zeros(6)))
    plain.replace("c2", replace(plain.op("c2"), bias=np.zeros(6)))
    config = QuantConfig(8, 8, method="max-abs")
    one, two = (quantize(g, X, config) for g in (plain, pruned))
    assert two.signal_to_noise_db > one.signal_to_noise_db - 3
    assert two.notes[0] == "c2: 1 of its output channels have no weights"


def test_one_bit_weights_of_zero_become_next_to_nothing() -> None:
    graph = crippled(weight=np.zeros((6, 6, 3, 3)))
    spec = quantize(graph, X, QuantConfig(1, 8, method="max-abs")).graph.op("c2").weight_quant
    assert (np.abs(spec.offset) < 1e-5).all()


def test_a_quantized_network_is_not_quantized_again() -> None:
    once = quantize(network(), X, QuantConfig(method="max-abs")).graph
    with pytest.raises(QCompilerError, match="quantized already"):
        quantize(once, X)


@pytest.mark.parametrize(
    "config", [QuantConfig(method="max-abs", correct="bias"), QuantConfig(budget=4.0)]
)
def test_corrections_and_budgets_need_samples_too(config: QuantConfig) -> None:
    with pytest.raises(QCompilerError, match=r"7 sample.*too few for"):
        quantize(network(), X[:7], replace(config, method="max-abs"))


def test_nan_is_named_with_a_budget_too() -> None:
    graph = crippled(bias=np.full(6, np.nan))
    with pytest.raises(QCompilerError, match="NaN or infinity") as caught:
        quantize(graph, X, QuantConfig(budget=4.0))
    assert caught.value.where == "c2"
