"""Joins with a gate: what waits for it is a frame, and what comes while it is computed."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.types import IntType
from qcompiler.passes.base import run_passes
from qcompiler.passes.connect import SizeFifos
from qcompiler.passes.demands import Demands

NIBBLE = IntType(0, 15)


def gated() -> Graph:
    """x times a dense layer of its sum, over 4x4 pixels of two beats."""
    array = hw.BitSerialArray(
        "dense", np.ones((4, 4, 1, 1), np.int64), (1,), (0,), (4, 1, 1), IntType(0, 960),
        pe=2, simd=2,
    )  # fmt: skip
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (4, 4, 4), NIBBLE, 2))
    graph.add("pool", hw.GlobalSum("pool", lanes=2), ["x"])
    window = hw.Window((1, 1), repeat=array.repeat, rows=2, reshape=(4, 1, 1), lanes=2)
    graph.add("window", window, ["pool"])
    graph.add("dense", array, ["window"])
    graph.add("product", hw.Multiply("product", lanes=2), ["x", "dense"])
    graph.add("y", hw.Sink(lanes=2), ["product"])
    return graph


def test_a_gate_comes_a_frame_and_its_latency_late() -> None:
    """Pool 1, window 4 and the four beats that it gives, array 8: 17 cycles behind 16 pixels."""
    for frame, pixel in ((160, 10), (40, 2.5), (16, 1)):
        demands = Demands(gated(), "x", frame)
        gate = demands.demand(Value("dense"), True)
        np.testing.assert_allclose(gate, [0, 16 + 17 / pixel, 32 + 17 / pixel])
        # products come no faster than the module makes them, two beats each
        products = demands.demand(Value("product"), False)
        np.testing.assert_allclose(products[1:17], gate[1] + np.arange(16) * 2 / pixel)


@pytest.mark.parametrize(("frame", "more"), [(160, 1), (40, 6), (16, 17)])
def test_what_waits_for_a_gate(frame: int, more: int) -> None:
    """A frame, and what comes in 17 cycles; of the gate one pixel, which is two beats."""
    assert Demands(gated(), "x", frame).depths("product", 2) == [(16 + more + 1) * 2 + 2, 2 + 2]


def test_a_residual_around_a_gate() -> None:
    """On the skip waits what waits for the gate; products are taken as they come."""
    graph = gated()
    graph.reconnect("y", 0, graph.add("sum", hw.Add("sum", 1, 1, lanes=2), ["product", "x"]))
    assert Demands(graph, "x", 160).depths("sum", 0) == [(1 + 1) * 2, (17 + 1) * 2]


@pytest.mark.parametrize(("lanes", "fifo"), [(2, None), (1, 2)])
def test_sums_of_a_frame_wait_in_a_fifo(lanes: int, fifo: int | None) -> None:
    """Both beats come within a pixel of 48 / 16 cycles; on one lane they take 4 to leave."""
    weight = np.ones((48, 4, 1, 1), np.int64)
    array = hw.BitSerialArray("dense", weight, (1,), (0,), (48, 1, 1), IntType(0, 960), simd=4)
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (4, 4, 4), NIBBLE, 2))
    graph.add("pool", hw.GlobalSum("pool", lanes=2), ["x"])
    narrow = graph.add("narrow", hw.Adapter(1), ["pool"])
    value = graph.add("wide", hw.Adapter(4), [narrow if lanes == 1 else "pool"])
    if lanes == 2:
        graph.discard("narrow")
    window = hw.Window((1, 1), repeat=48, rows=2, reshape=(4, 1, 1), lanes=4)
    graph.add("window", window, [value])
    graph.add("y", hw.Sink(lanes=1), [graph.add("dense", array, ["window"])])
    after = run_passes(graph, [SizeFifos()])
    found = [after.op(name).depth for name in after.find(hw.Fifo)]
    assert found == ([] if fifo is None else [fifo])
