"""What fewer weight bits save, held against layers that have fewer bits."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.estimate.model import module_cost
from qcompiler.estimate.savings import advice, savings
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType


def layers(*bits: int, planes: int = 8) -> Graph:
    """Layers of 64 to 64 channels side by side, with weights of so many bits each."""
    graph = Graph("hardware")
    for k, width in enumerate(bits):
        top = (1 << (width - 1)) - 1
        weight = np.random.default_rng(k).integers(-top - 1, top + 1, (64, 64, 3, 3))
        weight = weight.astype(np.int64)
        plan = encode(weight)
        high = 15 * 576 * (top + 1)
        slots = min(planes, len(plan.signs))
        op = hw.BitSerialArray(
            f"y{k}", weight, plan.signs, plan.exps, (64, 8, 8), IntType(-high, high),
            pe=4, simd=8, planes=slots,
        )  # fmt: skip
        graph.add(f"x{k}", hw.Source(f"x{k}", (64, 10, 10), IntType(0, 15), 8))
        window = hw.Window((3, 3), repeat=op.repeat, rows=6, lanes=8)
        graph.add(f"w{k}", window, [f"x{k}"])
        graph.add(f"conv{k}", op, [f"w{k}"])
    return graph


def _cost(graph: Graph, name: str) -> object:
    inputs = [graph.type(v) for v in graph.inputs(name)]
    return module_cost(graph.op(name), inputs, graph.types(name), "ecp5")


@pytest.mark.parametrize("planes", [1, 8])
def test_a_saving_is_what_a_layer_of_fewer_bits_costs_less(planes: int) -> None:
    eight, four = layers(8, planes=planes), layers(4, planes=planes)
    for resource in ("bram", "lut"):
        before = getattr(_cost(eight, "conv0"), resource)
        after = getattr(_cost(four, "conv0"), resource)
        found = {s.node: s for s in savings(eight, "ecp5", resource)}
        if before - after < 1:
            assert not found
            continue
        assert (found["conv0"].bits, found["conv0"].fewer) == (8, 4)
        assert found["conv0"].amount == pytest.approx(before - after, rel=0.05)


def test_layers_are_named_until_it_is_enough() -> None:
    graph = layers(8, 4, 2)  # two bits are the fewest
    most, less = savings(graph, "ecp5", "bram")
    assert (most.node, less.node) == ("conv0", "conv1") and most.amount > less.amount
    one = advice(graph, "ecp5", "bram", most.amount)
    assert one == (
        f"quantize to fewer bits: conv0 at 4 instead of 8 bits saves {most.amount:.0f} BRAM"
    )
    two = advice(graph, "ecp5", "bram", most.amount + 1)
    assert f"conv1 at 2 instead of 4 bits saves {less.amount:.0f} BRAM" in two
    total = most.amount + less.amount
    short = advice(graph, "ecp5", "bram", total + 7)
    assert (
        f"all layers at half of their bits save {total:.0f}, {total + 7:.0f} are missing" in short
    )
    assert advice(graph, "ecp5", "dsp", 3) == "quantize to fewer bits"
