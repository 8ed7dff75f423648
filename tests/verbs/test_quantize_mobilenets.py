"""Quantized MobileNets: the integer graph is the fake-quantized network, code for code."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from qcompiler.frontend.torch_export import import_module
from qcompiler.ir import integer, nn
from qcompiler.ir.graph import Graph
from qcompiler.models.mobilenet_v2 import mobilenet_v2
from qcompiler.models.mobilenet_v3 import mobilenet_v3_small
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.passes.pipeline import PREPARE
from qcompiler.quant.config import QuantConfig
from qcompiler.quant.methods import method_passes
from qcompiler.quant.observe import observer
from qcompiler.reference.differences import code_differences, total
from qcompiler.verbs.quantize import quantize
from tests.models.test_mobilenet import settled

NETWORKS = ("v2", "v3", "v3 with negative padding")
SAMPLES = np.random.default_rng(0).random((8, 3, 32, 32), np.float32)


@cache
def network(name: str) -> Graph:
    """The float nn graph, narrow, with batch-norm statistics of noise."""
    torch.manual_seed(0)
    if name == "v2":
        model: torch.nn.Module = mobilenet_v2(10, 0.1, "cifar")
    else:
        model = mobilenet_v3_small(10, 0.1, "cifar-fast", negative_padding="negative" in name)
    return import_module(settled(model, 32), (torch.from_numpy(SAMPLES[:2]),))


def quantized(name: str, bits: int, method: str = "mse") -> Graph:
    floating = run_passes(network(name), PREPARE)
    config = QuantConfig(weights=bits, activations=bits, method=method)
    return run_passes(floating, method_passes(config, floating, SAMPLES, observer(SAMPLES)))


def lowered(graph: Graph, mode: str = "exact") -> tuple[Graph, Integerize]:
    step = Integerize(mode)
    return run_passes(graph, [step]), step


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_code_differs_in_exact_mode(name: str, bits: int) -> None:
    graph = quantized(name, bits)
    integers, step = lowered(graph)
    found = code_differences(graph, integers, step.carriers, SAMPLES, batch=5)
    assert {node: entry for node, entry in found.items() if entry.differing} == {}
    assert list(found) == graph.find(nn.Quantizer)
    assert total(found).codes > 10_000
    assert not any(report.differences for report in step.reports)


def test_borders_and_zeros_of_mobilenet_v3() -> None:
    for name, values in ((NETWORKS[1], {0.0}), (NETWORKS[2], {0.0, -0.375})):
        graph = quantized(name, 4, "max-abs")
        convs = graph.find(nn.Conv)
        assert {graph.op(n).pad_value for n in convs if any(graph.op(n).padding)} == values
        for layer in (n for n in convs if graph.op(n).pad_value):
            spec = graph.op(graph.inputs(layer)[0].node).spec
            assert (spec.lo, spec.hi, float(spec.offset)) == (0, 15, -0.375)
        integers, _ = lowered(graph)
        for layer in (n for n in convs if graph.op(n).pad_value):
            assert integers.op(layer).pad_code == 0
        gates = [integers.op(n).gate_zero for n in integers.find(integer.Multiply)]
        assert len(gates) == 9 and not any(gates)


def test_differences_are_seen() -> None:
    """A table with two entries swapped, another border, another zero: each makes codes differ."""
    graph = quantized(NETWORKS[2], 4, "max-abs")
    integers, step = lowered(graph)
    table = next(n for n in integers.find(integer.StepTable) if len(integers.op(n).table[0]) > 9)
    swapped = integers.op(table).table.copy()
    swapped[:, [3, 5]] = swapped[:, [5, 3]]
    padded = next(n for n in integers.find(integer.Conv) if any(integers.op(n).padding))
    product = integers.find(integer.Multiply)[0]
    broken = {
        table: replace(integers.op(table), table=swapped),
        padded: replace(integers.op(padded), pad_code=1 + integers.op(padded).pad_code),
        product: replace(integers.op(product), gate_zero=1),
    }
    for node, op in broken.items():
        other = integers.copy()
        other.replace(node, op)
        assert total(code_differences(graph, other, step.carriers, SAMPLES)).differing > 0, node


@pytest.mark.parametrize(("bits", "method"), [(8, "easyquant"), (4, "reconstruct")])
def test_quantize(bits: int, method: str) -> None:
    """The verb to its end: at 8 bits the integer network, pre-codes and all, is near the float."""
    config = QuantConfig(
        weights=bits, activations=bits, method=method, candidates=3, iterations=3, correct="bias"
    )
    result = quantize(network(NETWORKS[2]), SAMPLES, config)
    assert result.signal_to_noise_db > (7 if bits == 8 else -10)
    step = lowered(result.graph, "auto")[1]
    kinds = {report.kind for report in step.reports}
    assert kinds == (
        {"ScaleShift", "ScaleShift+Lookup"} if bits == 8 else {"StepTable", "ScaleShift"}
    )
    share = sum(r.differences for r in step.reports) / sum(r.domain for r in step.reports)
    assert share < 0.02
