"""Graphs of shifts and additions equal the matrices they stand for; their schedules hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qcompiler.ir.adder_graph import (
    FAN_IN,
    AdderGraph,
    Term,
    digit_counts,
    pair_count,
)
from qcompiler.ir.serial_plan import SerialPlan, digit_widths
from qcompiler.ir.types import IntType


def matrices() -> list[np.ndarray]:
    """Random ones of many shapes and widths, and those at the edges."""
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        rows, columns = (int(n) for n in rng.integers(1, 14, 2))
        top = int(rng.choice([1, 3, 7, 31, 127, 5000]))
        found.append(rng.integers(-top, top + 1, (rows, columns)))
    found += [np.zeros((3, 2), np.int64), np.full((2, 3), -5), np.eye(4, dtype=np.int64) * -8]
    found += [np.array([[21, 21]]), np.array([[85], [-85], [170]]), np.array([[1]])]
    return found


@pytest.mark.parametrize("number", range(len(matrices())))
def test_a_graph_is_its_matrix(number: int) -> None:
    w = matrices()[number]
    graph = AdderGraph.build(w)
    x = np.random.default_rng(1).integers(-300, 300, (50, w.shape[1]))
    np.testing.assert_array_equal(graph.evaluate(x), x @ w.T)
    for node, terms in enumerate(graph.sums, graph.inputs):
        assert 1 <= len(terms) <= FAN_IN
        assert all(term.node < node for term in terms)
        assert min(term.shift for term in terms) == 0
        assert sum(term.sign < 0 for term in terms) < FAN_IN
    assert all(term is None or term.sign > 0 for term in graph.outputs)
    assert graph.additions <= max(int((digit_counts(w) - 1).clip(0).sum()), 0) + len(w)


def test_a_wrong_term_is_seen() -> None:
    w = np.random.default_rng(2).integers(-31, 32, (6, 6))
    graph, x = AdderGraph.build(w), np.eye(6, dtype=np.int64)
    first, *rest = graph.sums
    for term in (Term(0, 3, 1), first[0].moved(1), first[0].moved(0, -1)):
        wrong = replace(graph, sums=((term, *first[1:]), *rest))
        assert (wrong.evaluate(x) != x @ w.T).any()


def test_common_pairs_are_formed_once() -> None:
    """5 (a + 2 b) in three outputs: a pair, and five times it."""
    w = np.array([[5, 10], [10, 20], [-5, -10]])
    graph = AdderGraph.build(w)
    assert digit_counts(w).tolist() == [4, 4, 4]
    assert pair_count(w) == 18
    assert graph.additions == 2 and len(graph.sums) == 3, "and a negation"


def test_sharing_saves_additions() -> None:
    w = np.random.default_rng(0).integers(-31, 32, (16, 16))
    digits = int((digit_counts(w) - 1).sum())
    assert AdderGraph.build(w).additions < 0.6 * digits
    assert AdderGraph.build(w) is AdderGraph.build(w.copy()), "found once"


@pytest.mark.parametrize("digit", [1, 2, 3, 8])
def test_a_schedule_reads_nothing_before_it_is_there(digit: int) -> None:
    w = np.random.default_rng(3).integers(-31, 32, (7, 11))
    plan = SerialPlan(AdderGraph.build(w), IntType(-127, 127), 17, digit)
    assert plan.period == -(-17 // digit)
    for node, terms in enumerate(plan.graph.sums, plan.graph.inputs):
        time = plan.read_at(node)
        for term in terms:
            latest = plan.delays.get(term.node, plan.starts[term.node])
            assert plan.starts[term.node] <= time <= latest
            if term.shift:
                assert plan.histories[term.node, time] >= term.shift
    ends = [plan.delays.get(n, plan.starts[n]) for n in plan.roots]
    assert set(ends) == {plan.end}
    assert plan.done == plan.end + plan.period - 1


@pytest.mark.parametrize(
    ("codes", "digit", "entries", "zeros"),
    [
        (IntType(0, 255), 1, 8, True),
        (IntType(-128, 127), 1, 8, False),
        (IntType(-128, 127), 2, 5, False),  # the last digit is sign alone
        (IntType(-128, 127), 7, 2, False),  # and so is the second one of 7 bits
        (IntType(-128, 127), 16, 2, False),
        (IntType(0, 1), 16, 1, True),
    ],
)
def test_entries(codes: IntType, digit: int, entries: int, zeros: bool) -> None:
    plan = SerialPlan(AdderGraph.build(np.array([[3]])), codes, 40, digit)
    assert (plan.entries, plan.zeros_follow) == (entries, zeros)


def test_digit_widths_are_the_least_for_their_cycles() -> None:
    assert digit_widths(17, 8) == [1, 2, 3, 4, 5, 6]
    assert digit_widths(3, 8) == [1, 2, 3]


def test_runs_are_of_registers_that_only_the_next_one_reads() -> None:
    """In the first graph nothing waits; in the second an input does."""
    late = ((Term(0, 0, 1), Term(1, 0, 1)), (Term(2, 0, 1), Term(1, 1, 1)))
    graph = AdderGraph(3, (*late, (Term(3, 0, 1), Term(4, 0, -1))), (Term(5, 0, 1),))
    plan = SerialPlan(graph, IntType(-8, 7), 6, 1)
    assert plan.starts == (1, 1, 1, 2, 2, 3)
    assert plan.runs(1) == [1, 1, 1, 1, 1, 1] and plan.runs(2) == []
    shared = AdderGraph(2, ((Term(0, 0, 1), Term(1, 0, 1)),), (Term(2, 0, 1), Term(0, 2, 1)))
    plan = SerialPlan(shared, IntType(-8, 7), 6, 1)
    assert plan.runs(2) == [3], "the input waits a cycle, and its result lacks two bits"
