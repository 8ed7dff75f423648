"""Batch norm goes into the layer before it, and only where nobody else reads that layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.fold_batch_norm import FoldBatchNorm
from qcompiler.reference.nn import run_nn
from tests.graphs import nn_graph, text

rng = np.random.default_rng(3)


def norm(channels: int) -> nn.BatchNorm:
    return nn.BatchNorm(rng.normal(0, 1, channels), rng.normal(0, 1, channels))


def conv(bias: bool = True, **fields: Any) -> nn.Conv:
    return nn.Conv(rng.normal(0, 1, (3, 2, 3, 3)), rng.normal(0, 1, 3) if bias else None, **fields)


def same_values(before: Graph, after: Graph, shape: tuple[int, ...]) -> None:
    x = torch.from_numpy(rng.normal(0, 1, (5, *shape)))
    one, two = (run_nn(g, x, dtype=torch.float64) for g in (before, after))
    torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


def test_text_before_and_after() -> None:
    before = nn_graph(conv(padding=(1, 1, 1, 1)), norm(3), nn.Relu())
    assert text(before) == (
        "%x: 2x5x6 real = Input() shape=(2,5,6)\n"
        "%op0: 3x5x6 real = Conv(%x) weight=float64[3x2x3x3] bias=float64[3] padding=(1,1,1,1)\n"
        "%op1: 3x5x6 real = BatchNorm(%op0) scale=float64[3] shift=float64[3]\n"
        "%op2: 3x5x6 real = Relu(%op1)\n"
        "%y: 3x5x6 real = Output(%op2)"
    )
    after = run_passes(before, [FoldBatchNorm()])
    assert text(after) == (
        "%x: 2x5x6 real = Input() shape=(2,5,6)\n"
        "%op0: 3x5x6 real = Conv(%x) weight=float64[3x2x3x3] bias=float64[3] padding=(1,1,1,1)\n"
        "%op2: 3x5x6 real = Relu(%op0)\n"
        "%y: 3x5x6 real = Output(%op2)"
    )
    same_values(before, after, (2, 5, 6))
    assert "op1" in before, "the pass works on a copy"


@pytest.mark.parametrize("bias", [False, True])
def test_several_norms_in_a_row(bias: bool) -> None:
    before = nn_graph(conv(bias), norm(3), norm(3))
    after = run_passes(before, [FoldBatchNorm()])
    assert not after.find(nn.BatchNorm)
    same_values(before, after, (2, 5, 6))


def test_behind_a_linear_layer() -> None:
    before = nn_graph(nn.Linear(rng.normal(0, 1, (4, 7))), norm(4), shape=(7,))
    after = run_passes(before, [FoldBatchNorm()])
    assert not after.find(nn.BatchNorm)
    same_values(before, after, (7,))


def test_left_alone_where_the_layer_has_another_reader() -> None:
    before = nn_graph(conv(), norm(3))
    before.add("sum", nn.Add(), ["op0", "op1"])
    before.reconnect("y", 0, "sum")
    assert str(run_passes(before, [FoldBatchNorm()])) == str(before)


def test_left_alone_where_the_weights_are_quantized() -> None:
    spec = nn.QuantSpec.uniform(np.full(3, 0.1), -7, 7)
    before = nn_graph(conv(weight_quant=spec), norm(3))
    assert str(run_passes(before, [FoldBatchNorm()])) == str(before)


def test_left_alone_behind_anything_else() -> None:
    before = nn_graph(conv(), nn.Relu(), norm(3), nn.MaxPool((2, 2), (2, 2)), norm(3))
    assert str(run_passes(before, [FoldBatchNorm()])) == str(before)
