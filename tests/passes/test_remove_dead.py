"""remove-dead."""

from __future__ import annotations

import numpy as np

from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.remove_dead import RemoveDead


def network(use_branch: bool) -> Graph:
    graph = Graph("nn")
    x = graph.add("x", nn.Input((2, 3, 3)))
    graph.add("dead_conv", nn.Conv(np.ones((2, 2, 1, 1), np.float32)), [x])
    dead = graph.add("dead_relu", nn.Relu(), ["dead_conv"])
    result = graph.add("live", nn.Relu(), [x])
    if use_branch:
        result = graph.add("sum", nn.Add(), [result, dead])
    graph.add("result", nn.Output(), [result])
    return graph


def test_a_branch_that_nobody_reads_goes() -> None:
    assert list(run_passes(network(False), [RemoveDead()])) == ["x", "live", "result"]


def test_a_branch_that_is_read_stays() -> None:
    graph = network(True)
    assert str(run_passes(graph, [RemoveDead()])) == str(graph)
