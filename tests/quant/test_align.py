"""Additions made exact: both branches end on steps with a small whole-number ratio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcompiler.errors import GraphError
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.ir.types import IntType
from qcompiler.passes.base import run_passes
from qcompiler.passes.common_step import common_step
from qcompiler.quant.align import MOST, WIDEN, AlignResiduals, small_ratio
from tests.graphs import quantized


@given(st.floats(1, 1000))
def test_small_ratio(ratio: float) -> None:
    n, m = small_ratio(ratio)
    assert 1 <= m <= MOST
    assert n / m <= ratio * (1 + 1e-9)
    assert ratio / (n / m) <= WIDEN or m == MOST


def two_branches(sa: float, sb: float) -> Graph:
    """x -> q1 -> + <- q2 <- x, with steps sa and sb."""
    graph = Graph("nn")
    graph.add("x", nn.Input((2, 3, 3)))
    for name, step in (("q1", sa), ("q2", sb)):
        graph.add(f"{name}_relu", nn.Relu(), ["x"])
        graph.add(name, nn.Quantizer(nn.QuantSpec.uniform(step, -127, 127)), [f"{name}_relu"])
    graph.add("sum", nn.Add(), ["q1", "q2"])
    graph.add("y", nn.Output(), ["sum"])
    return graph


def step(graph: Graph, name: str) -> float:
    return float(graph.op(name).spec.step_out)


def exact(sa: float, sb: float) -> bool:
    elem = IntType(-127, 127)
    a_mul, b_mul, common = common_step(sa, sb, elem, elem, 1e-12, "sum")
    return abs(sa - a_mul * common) <= 1e-12 * sa and abs(sb - b_mul * common) <= 1e-12 * sb


@given(sa=st.floats(0.01, 1), sb=st.floats(0.01, 1))
def test_the_ratio_becomes_exact_and_the_finer_step_a_little_wider(sa: float, sb: float) -> None:
    graph = run_passes(two_branches(sa, sb), [AlignResiduals()])
    ta, tb = step(graph, "q1"), step(graph, "q2")
    assert exact(ta, tb)
    fine_before, fine_after = (sa, ta) if sa < sb else (sb, tb)
    assert (tb if sa < sb else ta) == max(sa, sb), "the coarser side stays"
    assert fine_before * (1 - 1e-9) <= fine_after <= fine_before * WIDEN * (1 + 1e-9)


def test_equal_steps_and_a_shared_quantizer_are_left_alone() -> None:
    graph = two_branches(0.5, 0.5)
    assert step(run_passes(graph, [AlignResiduals()]), "q1") == 0.5
    graph = two_branches(0.3, 0.5)
    graph.reconnect("sum", 1, "q1")
    after = run_passes(graph, [AlignResiduals()])
    assert str(after) == str(graph)


def test_the_side_with_other_readers_stays() -> None:
    graph = two_branches(0.3, 0.5)
    graph.add("other", nn.MaxPool((1, 1), (1, 1)), ["q1"])
    graph.add("all", nn.Concat(), ["sum", "other"])
    graph.reconnect("y", 0, "all")
    after = run_passes(graph, [AlignResiduals()])
    assert step(after, "q1") == 0.3
    assert exact(0.3, step(after, "q2"))
    assert 0.5 <= step(after, "q2") <= 0.5 * WIDEN * (1 + 1e-9)


def test_a_quantizer_of_its_own_where_both_sides_are_spoken_for() -> None:
    graph = two_branches(0.3, 0.5)
    for name in ("q1", "q2"):
        graph.add(f"{name}_more", nn.Relu(), [name])
        graph.add(f"{name}_q", nn.Quantizer(nn.QuantSpec.uniform(1.0, 0, 3)), [f"{name}_more"])
    graph.add("all", nn.Concat(), ["q1_q", "q2_q", "sum"])
    graph.reconnect("y", 0, "all")
    after = run_passes(graph, [AlignResiduals()])
    assert (step(after, "q1"), step(after, "q2")) == (0.3, 0.5)
    assert after.inputs("sum")[1].node == "sum_align"
    assert exact(0.3, step(after, "sum_align"))


def test_offsets_widen_with_their_step() -> None:
    graph = two_branches(0.1, 0.77)
    graph.replace("q1", nn.Quantizer(nn.QuantSpec.uniform(0.1, 0, 1, -0.05)))
    spec = run_passes(graph, [AlignResiduals()]).op("q1").spec
    assert float(spec.offset / spec.step_in) == pytest.approx(-0.5)


def test_two_steps_widen_together() -> None:
    graph = two_branches(0.1, 0.77)
    steps = np.array(0.12), np.array(0.1), np.array(0.0)
    graph.replace("q1", nn.Quantizer(nn.QuantSpec(*steps, -7, 7)))
    spec = run_passes(graph, [AlignResiduals()]).op("q1").spec
    assert float(spec.step_in / spec.step_out) == pytest.approx(1.2)
    assert exact(float(spec.step_out), 0.77)


def test_trained_quantizers_stay_and_their_values_are_rounded_anew() -> None:
    """Behind a trained one with two steps the new quantizer sees values, on the step they have."""
    graph, (a, b) = two_branches(0.3, 0.5), (np.array(0.4), np.array(0.7))
    zero = np.array(0.0)
    trained = {"q1": nn.QuantSpec(a, np.array(0.3), zero, -7, 7)}
    trained["q2"] = nn.QuantSpec(b, np.array(0.47), zero, -7, 7)
    for name, spec in trained.items():
        graph.replace(name, nn.Quantizer(spec))
    after = run_passes(graph, [AlignResiduals(frozenset(trained))])
    assert all(after.op(name).spec is spec for name, spec in trained.items())
    spec = after.op("sum_align").spec
    assert spec.step_in == spec.step_out and exact(0.3, float(spec.step_out))
    assert 0.47 <= float(spec.step_out) <= 0.47 * WIDEN


def test_unquantized_inputs_are_refused() -> None:
    graph = two_branches(0.1, 0.2)
    graph.reconnect("sum", 0, "q1_relu")
    with pytest.raises(GraphError, match="q1_relu: an addition needs quantized inputs"):
        run_passes(graph, [AlignResiduals()])


@pytest.mark.parametrize("seed", range(20))
def test_all_additions_of_random_networks_are_exact(seed: int) -> None:
    graph, _ = quantized(seed)
    for name in graph.find(nn.Add):
        steps = []
        for value in graph.inputs(name):
            node = value.node
            while not isinstance(graph.op(node), nn.Quantizer):
                node = graph.inputs(node)[0].node
            steps.append(step(graph, node))
        assert exact(*steps), name
    assert np.isfinite([step(graph, q) for q in graph.find(nn.Quantizer)]).all()
