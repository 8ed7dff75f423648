"""The folding search against every network of small spaces, and against a greedy one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcompiler.estimate.devices import device
from qcompiler.ir.graph import Graph
from qcompiler.ir.rates import bottleneck
from qcompiler.passes.base import run_passes
from qcompiler.passes.elimination import Elimination
from qcompiler.passes.fold import ANY
from qcompiler.passes.pipeline import CONNECT, TO_HARDWARE
from qcompiler.verbs.goal import Room
from tests.exhaustive import Case, Exhaustive, cases, greedy, small_network, space_of
from tests.graphs import folding_space, lowered
from tests.squeeze import block

GAP = 0.03


FITS = [(name, seed) for name in ("ecp5-85k", "xc7a100t") for seed in range(6)]


def test_a_rate_between_two_speeds() -> None:
    """The fastest network has no room for a FIFO; the next one is found at any rate above it."""
    chip = device("ice40-hx8k")
    for case in cases(run_passes(small_network(6), TO_HARDWARE), chip):
        best = optimum(case)
        if best is not None:
            for cycles in (best, best + 1):
                found = case.room.folding(cycles)
                assert found is not None and bottleneck(found)[1] <= best


@pytest.mark.parametrize(("name", "seed"), [*FITS, ("ice40-hx8k", 6), ("ice40-hx8k", 7)])
def test_the_fastest_network_that_fits(name: str, seed: int) -> None:
    """Within 3 % of the optimum of all foldings, lanes and searches; no slower than greedy.

    In those of iCE40 a FIFO before a border depends on the slowest module (6) and on the adapter
    behind it (7).
    """
    for case in cases(run_passes(small_network(seed), TO_HARDWARE), device(name)):
        best, ours, rival = optimum(case), reached(case.room.fastest()), greedy(case.room)
        if best is None:
            assert ours is None
            continue
        assert ours is not None and ours <= (1 + GAP) * best, case
        assert rival is None or ours <= rival, case


def optimum(case: Case) -> int | None:
    return Exhaustive(case).fastest()


def reached(graph: Graph | None) -> int | None:
    return None if graph is None else bottleneck(graph)[1]


@pytest.mark.parametrize("seed", range(4))
def test_the_smallest_network_for_a_rate(seed: int) -> None:
    """Within 3 % of the least shares of the device."""
    graph = run_passes(small_network(seed), TO_HARDWARE)
    chip = device("xc7a35t")
    space = space_of(graph, chip)
    room = Room(space, chip, chip.luts)
    floor, slow = space.bounds()[0].cycles, space.slowest()
    for wanted in np.geomspace(floor, slow, 4).astype(int):
        found = room.folding(int(wanted))
        assert found is not None
        cycles = bottleneck(found)[1]
        assert cycles <= wanted
        totals = Exhaustive(Case(space, room, graph)).totals(cycles)
        best = float((totals @ room.weights).min())
        assert float(room.used(found) @ room.weights) <= (1 + GAP) * best


@pytest.mark.parametrize("graph", [lowered(1)[1], lowered(3)[1], run_passes(block(), TO_HARDWARE)])
def test_the_prices_of_the_search_are_those_of_the_design(graph: Graph) -> None:
    """Adapters, forks and FIFOs included, but for what gates and bursts take."""
    space = space_of(graph, device("ecp5-85k"))
    room = Room(space, device("ecp5-85k"), 1e6)
    for cycles in (space.slowest(), 2 * space.bounds()[0].cycles):
        problem = room.problem(cycles)
        pick = problem.minimise(room.weights)
        assert pick is not None
        used = room.used(space.built(problem.built(pick)))
        np.testing.assert_allclose(pick.total[:2], used[:2], rtol=0.06)
        assert abs(pick.total[2] - used[2]) <= 1 and pick.total[3] == used[3]


def test_a_late_adapter_is_never_taken() -> None:
    """Lanes that go together only over their common multiple take longer than either module."""
    for seed in range(5):
        space = folding_space(lowered(seed)[1])
        room = Room(space, replace(device("ecp5-85k"), brams=10_000, dsps=10_000), 1e9)
        for cycles in space.steps()[:4]:
            found = room.folding(cycles)
            assert found is None or reached(run_passes(found, CONNECT)) <= cycles  # type: ignore[operator]


# ---- the least sum ---------------------------------------------------------------------------


@st.composite
def sums(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, ...]], list[np.ndarray]]:
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    pairs = st.lists(st.integers(0, len(sizes) - 1), min_size=1, max_size=3, unique=True)
    scopes = [(v,) for v in range(len(sizes))]
    scopes += [tuple(s) for s in draw(st.lists(pairs, max_size=6))]
    values = st.one_of(st.integers(0, 9).map(float), st.just(np.inf))
    tables = []
    for scope in scopes:
        shape = tuple(sizes[v] for v in scope)
        count = int(np.prod(shape))
        found = draw(st.lists(values, min_size=count, max_size=count))
        tables.append(np.array(found).reshape(shape))
    return sizes, scopes, tables


@given(sums())
@settings(max_examples=200, deadline=None)
def test_elimination_finds_the_least_sum(
    problem: tuple[list[int], list[tuple[int, ...]], list[np.ndarray]],
) -> None:
    sizes, scopes, tables = problem

    def total(values: tuple[int, ...]) -> float:
        return sum(
            float(t[tuple(values[v] for v in s)]) for s, t in zip(scopes, tables, strict=True)
        )

    least, values = Elimination(sizes, scopes).minimise(tables)
    assert least == min(total(several) for several in np.ndindex(*sizes))
    assert total(tuple(values)) == least


def test_any_number_of_cycles_is_enough_for_the_smallest() -> None:
    space = space_of(run_passes(small_network(0), TO_HARDWARE), device("ecp5-85k"))
    assert reached(space.fold(ANY)) == space.slowest()
