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
