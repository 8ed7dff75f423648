"""Where quantizers go, and what widths they get."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qcompiler.errors import QCompilerError
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.passes.base import run_passes
from qcompiler.quant.config import LayerBits, QuantConfig
from qcompiler.quant.insert import InsertQuantizers, find_sites
from tests.graphs import nn_graph
from tests.networks import observer

Array = np.ndarray[Any, Any]
rng = np.random.default_rng(10)
X = rng.normal(0, 1, (6, 2, 5, 6)).astype(np.float32)


def conv(out: int = 2, inputs: int = 2, scale: float = 1.0) -> nn.Conv:
    return nn.Conv(rng.normal(0, scale, (out, inputs, 3, 3)), padding=(1, 1, 1, 1))


def bits(graph: Graph, name: str) -> int:
    spec = graph.op(name).spec
    return int(spec.hi - spec.lo).bit_length()


def insert(graph: Graph, x: Array = X, **config: Any) -> Graph:
    config.setdefault("method", "max-abs")
    return run_passes(graph, [InsertQuantizers(QuantConfig(**config), observer(x))])


def residual() -> Graph:
    """c1 -> relu -> c2 -> + <- c3 <- relu; then relu -> c4 -> y."""
    graph = Graph("nn")
    graph.add("x", nn.Input((2, 5, 6)))
    graph.add("c1", conv(), ["x"])
    graph.add("relu1", nn.Relu(), ["c1"])
    graph.add("c2", conv(), ["relu1"])
    graph.add("c3", conv(), ["relu1"])
    graph.add("sum", nn.Add(), ["c2", "c3"])
    graph.add("relu2", nn.Relu(), ["sum"])
    graph.add("c4", conv(), ["relu2"])
    graph.add("y", nn.Output(), ["c4"])
    return graph


def test_sites_are_the_ends_of_elementwise_chains() -> None:
    sites = {s.node: s.layer for s in find_sites(residual(), QuantConfig())}
    assert sites == {
        "x": "x",
        "relu1": "c1",
        "c2": "c2",
        "c3": "c3",
        "relu2": "sum",
        "c4": "c4",
    }


def test_a_relu_that_is_not_the_only_reader_is_a_site_of_its_own() -> None:
    graph = nn_graph(conv(), nn.Relu(), conv())
    graph.add("sum", nn.Add(), ["op0", "op2"])
    graph.reconnect("y", 0, "sum")
    sites = {s.node: s.layer for s in find_sites(graph, QuantConfig())}
    assert sites == {"x": "x", "op0": "op0", "op1": "op1", "op2": "op2", "sum": "sum"}


def test_moves_get_no_quantizer() -> None:
    graph = insert(nn_graph(conv(), nn.Relu(), nn.MaxPool((2, 2), (2, 2)), nn.Flatten()))
    assert graph.find(nn.Quantizer) == ["x_q", "op1_q"]


def test_widths() -> None:
    graph = insert(
        residual(),
        weights=4,
        activations=3,
        input_bits=6,
        output_bits=10,
        residual_bits=7,
        layers={"c1": LayerBits(2, 5), "c4": LayerBits(7)},
    )
    assert bits(graph, "x_q") == 6
    assert bits(graph, "relu1_q") == 5, "from the table"
    assert bits(graph, "c2_q") == 7 and bits(graph, "c3_q") == 7, "feed the addition alone"
    assert bits(graph, "relu2_q") == 3
    assert bits(graph, "c4_q") == 10, "the output"
    weights = {n: graph.op(n).weight_quant.hi for n in ("c1", "c2", "c3", "c4")}
    assert weights == {"c1": 1, "c2": 7, "c3": 7, "c4": 63}


def test_wide_activations_stay_wide_before_an_addition() -> None:
    graph = insert(residual(), activations=8, residual_bits=2)
    assert bits(graph, "c2_q") == 8


def test_signed_and_unsigned() -> None:
    graph = insert(residual())
    assert graph.op("relu1_q").spec.lo == 0 and graph.op("c2_q").spec.lo == -127
    assert insert(residual(), np.abs(X)).op("x_q").spec.lo == 0


def test_concat_ties_its_branches() -> None:
    graph = Graph("nn")
    graph.add("x", nn.Input((2, 5, 6)))
    for name, scale in (("a", 0.1), ("b", 9.0), ("c", 1.0)):
        graph.add(name, conv(scale=scale), ["x"])
    graph.add("relu", nn.Relu(), ["b"])
    graph.add("pool", nn.MaxPool((1, 1), (1, 1)), ["relu"])
    graph.add("ab", nn.Concat(), ["a", "pool"])
    graph.add("all", nn.Concat(), ["c", "ab"])
    graph.add("d", conv(1, 6), ["all"])
    graph.add("y", nn.Output(), ["d"])
    made = insert(graph, activations=4, layers={"c": LayerBits(4, 6)})
    specs = [made.op(f"{n}_q").spec for n in ("a", "relu", "c")]
    assert {float(s.step_in) for s in specs} == {float(specs[0].step_in)}, "one step"
    assert {(s.lo, s.hi) for s in specs} == {(-31, 31)}, "the widest, signed as one is"
    trace = {n: v for n, v in observer(X)(graph, ["a", "relu", "c"])}
    largest = max(np.abs(v).max() for v in trace.values())
    assert float(specs[0].step_in) * 31 == pytest.approx(float(largest))


def test_the_table_must_name_layers_that_take_a_width() -> None:
    with pytest.raises(QCompilerError, match="names conv9, relu1, which") as caught:
        insert(residual(), layers={"conv9": LayerBits(4), "relu1": LayerBits(None, 4)})
    assert caught.value.hint == "its layers are c1, c2, c3, c4"
    with pytest.raises(QCompilerError, match=r"^sum: .*has no weights"):
        insert(residual(), layers={"sum": LayerBits(4)})
    with pytest.raises(QCompilerError, match="names x, which"):
        insert(residual(), layers={"x": LayerBits(None, 4)})
    assert bits(insert(residual(), layers={"sum": LayerBits(None, 2)}), "relu2_q") == 2


def test_a_network_that_overflows_on_the_calibration_set() -> None:
    graph = nn_graph(nn.Conv(np.full((2, 2, 1, 1), 3e38, np.float32)), nn.Relu())
    with pytest.raises(QCompilerError, match="gives NaN or infinity on the calibration set") as e:
        insert(graph)
    assert e.value.where in ("op0", "op1")


def test_ranges_are_taken_over_all_pieces() -> None:
    def pieces(graph: Graph, nodes: list[str]):  # type: ignore[no-untyped-def]
        for node in nodes:
            yield node, np.array([0.0, 1.0])
            yield node, np.array([-4.0, 2.0])

    graph = run_passes(nn_graph(conv()), [InsertQuantizers(QuantConfig(method="max-abs"), pieces)])  # type: ignore[arg-type]
    assert float(graph.op("x_q").spec.step_in) == 4.0 / 127
