"""The graph: building, rewriting, rules, and its exact text form."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.errors import GraphError
from qcompiler.ir import hardware as hw
from qcompiler.ir import integer, nn
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.types import IntType


def diamond() -> Graph:
    """x feeds two ReLUs that are added."""
    graph = Graph("nn")
    graph.add("x", nn.Input((2, 4, 4)))
    graph.add("a", nn.Relu(), ["x"])
    graph.add("b", nn.Clip(0.0, 6.0), ["x"])
    graph.add("sum", nn.Add(), ["a", "b"])
    graph.add("y", nn.Output(), ["sum"])
    return graph


TEXT = """\
%x: 2x4x4 real = Input() shape=(2,4,4)
%a: 2x4x4 real = Relu(%x)
%b: 2x4x4 real = Clip(%x) lo=0.0 hi=6.0
%sum: 2x4x4 real = Add(%a, %b)
%y: 2x4x4 real = Output(%sum)"""


# ---- reading ------------------------------------------------------------------


def test_text_form_is_exact_and_does_not_depend_on_the_order_of_building() -> None:
    assert str(diamond()) == TEXT
    graph = Graph("nn")
    graph.add("x", nn.Input((2, 4, 4)))
    graph.add("b", nn.Clip(0.0, 6.0), ["x"])
    graph.add("a", nn.Relu(), ["x"])
    graph.add("sum", nn.Add(), ["a", "b"])
    graph.add("y", nn.Output(), ["sum"])
    assert str(graph) == TEXT
    assert str(graph.copy()) == TEXT


def test_text_of_arrays_is_a_digest_of_their_values() -> None:
    def text(weight: list[float]) -> str:
        graph = Graph("nn")
        graph.add("x", nn.Input((2,)))
        graph.add("fc", nn.Linear(np.array([weight], np.float32)), ["x"])
        return str(graph).splitlines()[1]

    assert text([1.0, 2.0]) == text([1.0, 2.0])
    assert text([1.0, 2.0]) != text([1.0, 2.5])
    assert text([1.0, 2.0]).startswith("%fc: 1 real = Linear(%x) weight=float32[1x2]#")


def test_inputs_are_in_slot_order_and_users_name_their_slots() -> None:
    graph = diamond()
    assert graph.inputs("sum") == [Value("a"), Value("b")]
    assert graph.users("x") == [("a", 0), ("b", 0)]
    assert graph.users("a") == [("sum", 0)] and graph.users("b") == [("sum", 1)]
    assert graph.users("y") == []
    assert list(graph) == ["x", "a", "b", "sum", "y"]
    assert graph.find(nn.Relu) == ["a"] and graph.only(nn.Add) == "sum"
    assert "a" in graph and "c" not in graph and len(graph) == 5


def test_one_value_may_feed_two_slots() -> None:
    graph = Graph("nn")
    graph.add("x", nn.Input((3,)))
    graph.add("twice", nn.Add(), ["x", "x"])
    assert graph.inputs("twice") == [Value("x"), Value("x")]
    assert graph.users("x") == [("twice", 0), ("twice", 1)]
    graph.insert("r", nn.Relu(), "x")
    assert graph.inputs("twice") == [Value("r"), Value("r")]


def test_only_wants_one() -> None:
    graph = diamond()
    with pytest.raises(GraphError, match="has one MaxPool, this has 0"):
        graph.only(nn.MaxPool)


def test_fresh_names() -> None:
    graph = diamond()
    assert graph.fresh("c") == "c"
    assert graph.fresh("a") == "a_1"
    graph.add("a_1", nn.Relu(), ["x"])
    assert graph.fresh("a") == "a_2"


# ---- rewriting ----------------------------------------------------------------


def test_add_refuses_a_taken_name_an_unknown_input_and_another_dialect() -> None:
    graph = diamond()
    with pytest.raises(GraphError, match="a: the name is already taken"):
        graph.add("a", nn.Relu(), ["x"])
    with pytest.raises(GraphError, match="c: input %nowhere does not exist"):
        graph.add("c", nn.Relu(), ["nowhere"])
    with pytest.raises(GraphError, match="Add is an op of integer, the graph is nn"):
        graph.add("d", integer.Add(1, 1), ["a", "b"])


def test_a_refused_node_leaves_the_graph_as_it_was() -> None:
    graph = diamond()
    for name, op, inputs in [
        ("c", nn.Relu(), ["nowhere"]),
        ("c", nn.Add(), ["x", "nowhere"]),
        ("c", nn.Linear(np.zeros((2, 3))), ["x"]),
    ]:
        with pytest.raises(GraphError, match=r"^c: "):
            graph.add(name, op, inputs)
        assert str(graph) == TEXT


def test_replace_refuses_another_dialect() -> None:
    graph = diamond()
    with pytest.raises(GraphError, match="MaxPool is an op of integer, the graph is nn"):
        graph.replace("a", integer.MaxPool((1, 1), (1, 1)))


def test_insert_goes_before_all_users() -> None:
    graph = diamond()
    value = graph.insert("r", nn.Relu(), "x")
    assert value == Value("r")
    assert graph.inputs("r") == [Value("x")]
    assert graph.users("x") == [("r", 0)]
    assert graph.users("r") == [("a", 0), ("b", 0)]
    graph.check()


def test_remove_splices_out() -> None:
    graph = diamond()
    graph.remove("a")
    assert graph.inputs("sum") == [Value("x"), Value("b")]
    graph.remove("y")  # nobody uses it
    assert "y" not in graph
    graph.check()


def test_insert_then_remove_is_nothing() -> None:
    graph = diamond()
    graph.insert("r", nn.Relu(), "x")
    graph.remove("r")
    assert str(graph) == TEXT


def test_discard_refuses_a_used_node() -> None:
    graph = diamond()
    with pytest.raises(GraphError, match="a: the node is still used"):
        graph.discard("a")
    graph.discard("y")
    graph.discard("sum")
    assert list(graph) == ["x", "a", "b"]


def test_redirect_keeps_slots_and_exceptions() -> None:
    graph = diamond()
    graph.add("c", nn.Relu(), ["b"])
    graph.redirect("b", "a", keep=["c"])
    assert graph.inputs("sum") == [Value("a"), Value("a")]
    assert graph.inputs("c") == [Value("b")]


def test_reconnect_changes_one_slot() -> None:
    graph = diamond()
    graph.reconnect("sum", 1, "x")
    assert graph.inputs("sum") == [Value("a"), Value("x")]
    assert graph.users("b") == []
    with pytest.raises(GraphError, match="sum: input %nowhere does not exist"):
        graph.reconnect("sum", 0, "nowhere")
    assert graph.inputs("sum") == [Value("a"), Value("x")]


def test_rename_keeps_edges_and_their_order() -> None:
    graph = diamond()
    graph.rename("a", "zz")
    assert graph.inputs("sum") == [Value("zz"), Value("b")]
    graph.rename("b", "a")
    assert graph.inputs("sum") == [Value("zz"), Value("a")]
    with pytest.raises(GraphError, match="already taken"):
        graph.rename("a", "x")
    graph.check()


def test_copies_are_apart() -> None:
    graph = diamond()
    other = graph.copy()
    other.remove("a")
    other.replace("b", nn.Relu())
    assert str(graph) == TEXT


# ---- ports --------------------------------------------------------------------


def forked() -> Graph:
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (4, 2, 2), IntType(0, 15)))
    graph.add("fork", hw.Fork(2), ["x"])
    graph.add("fifo", hw.Fifo(4), [Value("fork", 1)])
    graph.add("sum", hw.Add("sum", 1, 1), [Value("fork", 0), "fifo"])
    graph.add("y", hw.Sink(), ["sum"])
    return graph


def test_ports_of_a_fork() -> None:
    graph = forked()
    assert len(graph.types("fork")) == 2
    assert graph.users("fork") == [("fifo", 0), ("sum", 0)]
    assert graph.users("fork", 0) == [("sum", 0)] and graph.users("fork", 1) == [("fifo", 0)]
    assert graph.inputs("sum") == [Value("fork", 0), Value("fifo")]
    assert "%fifo: x:4x2x2 [0..15] /1 = Fifo(%fork#1) depth=4" in str(graph)
    with pytest.raises(GraphError, match=r"fork: node has 2 output\(s\), %fork#2 was asked for"):
        graph.type(Value("fork", 2))


def test_rewrites_keep_ports() -> None:
    graph = forked()
    graph.rename("fork", "split")
    assert graph.inputs("sum")[0] == Value("split", 0)
    assert graph.inputs("fifo")[0] == Value("split", 1)
    graph.insert("more", hw.Fifo(2), Value("split", 0))
    assert graph.inputs("sum")[0] == Value("more")
    assert graph.inputs("fifo")[0] == Value("split", 1)
    graph.remove("more")
    graph.remove("fifo")
    assert graph.inputs("sum") == [Value("split", 0), Value("split", 1)]
    graph.check()


# ---- rules --------------------------------------------------------------------


def test_a_cycle_is_found() -> None:
    graph = diamond()
    graph.reconnect("a", 0, "sum")
    with pytest.raises(GraphError, match="cycle"):
        graph.check()
    with pytest.raises(GraphError, match="cycle"):
        list(graph)


def test_check_types_everything_again() -> None:
    graph = diamond()
    graph.replace("x", nn.Input((5, 3, 3)))
    graph.check()
    assert graph.type("y").shape == (5, 3, 3)


def test_check_names_the_node_that_breaks_its_rule() -> None:
    graph = Graph("nn")
    graph.add("x", nn.Input((2, 4, 4)))
    graph.add("conv", nn.Conv(np.zeros((3, 2, 3, 3))), ["x"])
    graph.replace("x", nn.Input((3, 4, 4)))
    with pytest.raises(GraphError, match=r"^conv: weight \(3, 2, 3, 3\)"):
        graph.check()


def test_an_error_names_its_node_even_if_its_words_begin_like_the_name() -> None:
    graph = Graph("nn")
    graph.add("x", nn.Input((2, 4, 4)))
    with pytest.raises(GraphError, match=r"^w: weight") as caught:
        graph.add("w", nn.Conv(np.zeros((3, 3, 1, 1))), ["x"])
    assert caught.value.where == "w"


def test_missing_slots_are_found() -> None:
    graph = diamond()
    graph._g.remove_edge("a", "sum")
    with pytest.raises(GraphError, match=r"sum: input slots are \[1\], not 0…0"):
        graph.check()
