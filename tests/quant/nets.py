"""A small float network with a residual block, and data with a long tail for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.passes.base import Pass, run_passes
from qcompiler.quant.config import QuantConfig
from qcompiler.quant.insert import InsertQuantizers
from tests.networks import observer

Array = np.ndarray[Any, Any]


def samples(count: int = 16, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_t(4, (count, 3, 9, 9)).astype(np.float32)


def network(seed: int = 1) -> Graph:
    """x - c1 - relu - (c2 - relu - c3) + skip - relu - average pool - flatten - fc."""
    rng = np.random.default_rng(seed)

    def conv(out: int, inputs: int) -> nn.Conv:
        weight = rng.standard_t(4, (out, inputs, 3, 3)) / np.sqrt(9 * inputs)
        return nn.Conv(weight, rng.normal(0, 0.2, out), padding=(1, 1, 1, 1))

    graph = Graph("nn")
    graph.add("x", nn.Input((3, 9, 9)))
    graph.add("c1", conv(6, 3), ["x"])
    graph.add("r1", nn.Relu(), ["c1"])
    graph.add("c2", conv(6, 6), ["r1"])
    graph.add("r2", nn.Relu(), ["c2"])
    graph.add("c3", conv(6, 6), ["r2"])
    graph.add("sum", nn.Add(), ["c3", "r1"])
    graph.add("r3", nn.Relu(), ["sum"])
    graph.add("pool", nn.AvgPool((9, 9), (9, 9)), ["r3"])
    graph.add("flat", nn.Flatten(), ["pool"])
    graph.add("fc", nn.Linear(rng.normal(0, 1, (5, 6)), rng.normal(0, 0.1, 5)), ["flat"])
    graph.add("y", nn.Output(), ["fc"])
    return graph


def start(graph: Graph, x: Array, weights: int = 4, activations: int = 4, **config: Any) -> Graph:
    """Quantizers as EasyQuant starts from."""
    settings = QuantConfig(weights=weights, activations=activations, **config)
    return run_passes(graph, [InsertQuantizers(settings, observer(x))])


def quantized(graph: Graph, x: Array, *passes: Pass, bits: int = 4) -> Graph:
    return run_passes(start(graph, x, bits, bits), passes)
