"""The Winograd unit's op and files: types, demands, refusals, what a node becomes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qcompiler.errors import GraphError
from qcompiler.hardware.instances import render_node
from qcompiler.hardware.winograd import WinogradUnit, product_weights
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.store import read_graph, write_graph
from qcompiler.ir.types import IntType
from qcompiler.passes.connect import Demands

CODES, ACC = IntType(0, 15), IntType(-5000, 5000)
W = np.random.default_rng(0).integers(-7, 8, (6, 4, 3, 3))
OP = hw.Winograd("y", W, 2, (6, 5, 7), ACC, pe=3, simd=2)
X = hw.StreamType("x", (4, 8, 10), CODES, 2, OP.order)


def graph() -> Graph:
    found = Graph("hardware")
    found.add("x", hw.Source("x", (4, 8, 10), CODES, 2))
    window = hw.Window((4, 4), (2, 2), groups=2, rows=8, lanes=2)
    found.add("window", window, ["x"])
    found.add("y", OP, ["window"])
    found.add("z", hw.Sink(lanes=3), ["y"])
    return found


def test_types_and_cycles() -> None:
    assert OP.order == hw.Order((4, 4), (2, 2), (1, 1), 2, 1)
    (y,) = OP.infer([X])
    assert y == hw.StreamType("y", (6, 5, 7), ACC, 3)
    assert OP.rate == OP.cycles([X], [y]) == 3 * 4 * 16 * 2 * 2
    four = replace(OP, m=4)
    assert four.rate == 2 * 2 * 36 * 2 * 2
    assert four.order.kernel == (6, 6)


def test_demands_are_rows_of_tiles() -> None:
    need = OP.need(np.arange(5 * 7 + 1), X)
    assert need[0] == 0
    assert set(need[1:15]) == {4} and set(need[15:29]) == {8} and set(need[29:]) == {12}
    demands = Demands(graph(), "x", 1000)
    # a window of 4 rows, and two more for each row of tiles; ahead: one row of tiles each for the
    # unit and for its line buffer, which at the end of a frame are those of the next
    assert demands.demand(Value("y"), False)[[1, 15, 29]].tolist() == [40, 60, 80]
    assert demands.demand(Value("y"), True)[[1, 15, 29]].tolist() == [80, 120, 140]


@pytest.mark.parametrize(
    ("op", "x", "what"),
    [
        (OP, replace(X, order=None), "takes windows word by word of 2 lanes"),
        (OP, replace(X, lanes=4), "takes windows word by word of 2 lanes"),
        (OP, replace(X, shape=(4, 7, 9)), "its tiles read 8x10"),
        (replace(OP, pe=4), X, "4 PE and 2 SIMD do not divide"),
        (replace(OP, m=3), X, "2 or 4 outputs a side"),
        (replace(OP, weight=W * 2**13), X, "weights .* take 20 bits with their sign"),
        (replace(OP, partial_bits=9), X, "not one fits in a partial sum of 9 bits"),
    ],
)
def test_refusals(op: hw.Winograd, x: hw.StreamType, what: str) -> None:
    with pytest.raises(GraphError, match=what):
        op.infer([x])


def test_a_unit_names_itself_in_refusals() -> None:
    with pytest.raises(GraphError, match="conv: 4 PE and 2 SIMD"):
        WinogradUnit.build("conv", weight=W, m=2, x=CODES, acc=ACC, size=(5, 7), pe=4, simd=2)


def test_files_of_a_node() -> None:
    made = render_node(graph(), "y", "top")
    assert [i.module for i in made.instances] == ["top_y"]
    assert sorted(made.modules) == [
        f"top_y{part}.v"
        for part in ("", "__input_columns", "__input_rows", "__output_columns", "__output_rows",
                     "__products")
    ]  # fmt: skip
    assert list(made.memories) == ["mem/top_y__products_weights.hex"]
    assert " * " not in made.modules["top_y__output_columns.v"].split("default_nettype none")[1]


def test_weights_in_the_order_of_the_products() -> None:
    u = np.arange(6 * 4 * 16).reshape(6, 4, 4, 4)
    rows = product_weights(u, 3, 2)
    assert rows.shape == (2 * 16, 2, 3, 2)
    assert rows[16 + 4 * 1 + 2, 1, 2, 0] == u[3 + 2, 2, 1, 2]  # cfold 1, (1, 2), word 1, PE 2


def test_a_graph_with_it_survives_the_disk(tmp_path: Path) -> None:
    write_graph(graph(), tmp_path)
    assert str(read_graph(tmp_path)) == str(graph())
