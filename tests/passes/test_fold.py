"""Whole graphs folded: to a number of cycles, to a budget, and no faster than of use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qcompiler.errors import QCompilerError
from qcompiler.estimate.devices import device
from qcompiler.ir import hardware as hw
from qcompiler.ir import integer
from qcompiler.ir.rates import bottleneck, node_cycles
from qcompiler.ir.types import IntType
from qcompiler.passes.base import run_passes
from qcompiler.passes.fold import ANY, FEWEST_LUTS, FoldingSpace
from qcompiler.passes.pipeline import TO_HARDWARE
from qcompiler.verbs.compile import Target
from qcompiler.verbs.compile import compile as compile_network
from qcompiler.verbs.goal import Room
from tests.graphs import folding_space, integer_graph, lowered, quantized

SEEDS = (0, 1, 2, 3, 5, 8)


@pytest.fixture(scope="module")
def spaces() -> dict[int, FoldingSpace]:
    return {seed: folding_space(lowered(seed)[1]) for seed in SEEDS}


def targets(space: FoldingSpace) -> list[int]:
    low, high = space.bounds()[0].cycles, space.slowest()
    return sorted({int(t) for t in np.geomspace(max(low // 4, 1), high * 1.5, 7)} | {low, high})


@pytest.mark.parametrize("seed", SEEDS)
def test_every_module_is_within_the_target_or_as_fast_as_it_can_be(
    spaces: dict[int, FoldingSpace], seed: int
) -> None:
    space = spaces[seed]
    floor = space.bounds()[0].cycles
    for target in targets(space):
        graph = space.fold(target)
        graph.check()
        for name in graph:
            if not isinstance(graph.op(name), hw.Adapter):
                assert node_cycles(graph, name) <= max(target, floor), (name, target)


def test_a_pool_that_skips_pixels_is_as_wide_as_its_window_must_be() -> None:
    """12x12 pixels come in where 3x3 maxima of one pixel go out."""
    graph = integer_graph(integer.MaxPool((1, 1), (4, 4)), shape=(4, 12, 12), elem=IntType(0, 3))
    space = folding_space(run_passes(graph, TO_HARDWARE))
    for target in (144, 288, 576):
        assert bottleneck(space.fold(target))[1] == target


@pytest.mark.parametrize("seed", SEEDS)
def test_bounds_are_reached_and_sorted(spaces: dict[int, FoldingSpace], seed: int) -> None:
    space = spaces[seed]
    bounds = space.bounds()
    assert bounds == sorted(bounds, key=lambda b: (-b.cycles, b.node))
    assert {b.node for b in bounds} <= set(space.graph)
    assert bottleneck(space.fold(bounds[0].cycles))[1] == bounds[0].cycles
    for bound in bounds:  # each with a limit of its own, what is between them without any
        own = space.fold({b.node: b.cycles if b is bound else ANY for b in bounds}.__getitem__)
        slowest = node_cycles(own, bound.node)
        if isinstance(own.op(bound.node), hw.Engine | hw.Reduce):  # it waits for its line buffer
            slowest = max(slowest, node_cycles(own, own.inputs(bound.node)[0].node))
        assert bound.cycles <= slowest
        if bound.cycles == bounds[0].cycles:
            assert slowest == bound.cycles
    assert bottleneck(space.balanced(bounds[0].cycles))[1] == bounds[0].cycles


@pytest.mark.parametrize("seed", SEEDS)
def test_no_engine_is_dearer_than_it_need_be(spaces: dict[int, FoldingSpace], seed: int) -> None:
    """Of the foldings of these lanes that are in time, each engine has the cheapest."""
    space = spaces[seed]
    for target in targets(space):
        graph = space.fold(target)
        for name, every in space.choices.engines.items():
            op, limit = graph.op(name), max(target, min(o.cycles for o in every))
            lanes = op.input_lanes, op.pe
            rivals = [o for o in every if o.lanes == lanes and o.cycles <= limit]
            prices = [float(o.price @ FEWEST_LUTS) for o in rivals]
            assert str(rivals[int(np.argmin(prices))].op) == str(op), (name, target)


def test_targets_by_module(spaces: dict[int, FoldingSpace]) -> None:
    for seed, space in spaces.items():
        rng = np.random.default_rng(seed)
        wanted = {n: int(rng.integers(1, space.slowest() + 1)) for n in space.graph}
        graph = space.fold(wanted.__getitem__)
        graph.check()
        for name, options in space.choices.engines.items():
            least = min(option.cycles for option in options)
            assert node_cycles(graph, name) <= max(wanted[name], least)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_changes_between_the_steps(spaces: dict[int, FoldingSpace], seed: int) -> None:
    space = spaces[seed]
    steps = space.steps()
    assert steps == sorted(set(steps)) and steps[0] == space.bounds()[0].cycles
    for target in targets(space):
        below = max([s for s in steps if s <= target], default=0)
        assert str(space.fold(max(target, steps[0]))) == str(space.fold(max(below, steps[0])))


@pytest.mark.parametrize("seed", (1, 3))
def test_budget(spaces: dict[int, FoldingSpace], seed: int) -> None:
    space, chip = spaces[seed], replace(device("ecp5-85k"), brams=10_000, dsps=10_000)

    def room(luts: float) -> Room:
        return Room(space, chip, luts)

    ends = (space.slowest(), space.bounds()[0].cycles)
    least, most = (room(0).cost(space.fold(cycles)).lut for cycles in ends)
    assert room(0.9 * least).fastest() is None
    cycles = []
    for share in (0.05, 0.3, 1.05):  # what FIFOs take is known when a network is there
        budget = least + share * (most - least)
        graph = room(budget).fastest()
        assert graph is not None
        assert room(budget).cost(graph).lut <= budget
        cycles.append(bottleneck(graph)[1])
    assert cycles == sorted(cycles, reverse=True), "more LUT, never slower"
    assert cycles[-1] == space.bounds()[0].cycles


# ---- through the verb ---------------------------------------------------------------


def test_a_rate_is_reached() -> None:
    graph, _ = quantized(3)
    wanted = 3 * folding_space(lowered(3)[1]).bounds()[0].cycles
    result = compile_network(graph, Target(fps=100e6 / (wanted + 0.5), clock_mhz=100))
    assert bottleneck(result.hardware)[1] <= wanted
    assert f"the rate asked for ({wanted} cycles a frame)" in result.limit


def test_an_unreachable_rate_says_how_far_it_got_and_what_bounds_it() -> None:
    graph, _ = quantized(3)
    slowest = folding_space(lowered(3)[1]).bounds()[0]
    with pytest.raises(QCompilerError) as caught:
        compile_network(graph, Target(fps=90e6, clock_mhz=100))
    best = 100e6 / slowest.cycles
    assert caught.value.where == slowest.node
    assert caught.value.what == (
        f"9e+07 frames/s at 100 MHz leave 1 cycles a frame, but {slowest.node} takes "
        f"{slowest.cycles} when fully unfolded: at most {best:.1f} frames/s"
    )
    assert f"--fps {int(best)}," in caught.value.hint
    reached = compile_network(graph, Target(fps=int(best), clock_mhz=100))
    assert bottleneck(reached.hardware)[1] == slowest.cycles


def test_the_rate_of_the_hint_is_never_zero() -> None:
    graph, _ = quantized(3)
    with pytest.raises(QCompilerError) as caught:
        compile_network(graph, Target(fps=1, clock_mhz=1e-5))
    rate = float(caught.value.hint.split("--fps ")[1].split(",")[0])
    assert rate > 0
    compile_network(graph, Target(fps=rate, clock_mhz=1e-5))


def test_a_budget_that_is_too_small_says_what_is_needed() -> None:
    graph, _ = quantized(3)
    with pytest.raises(QCompilerError, match=r"takes about (\d+) LUT, the budget is 10") as caught:
        compile_network(graph, Target(lut=10))
    needed = int(caught.value.what.split("about ")[1].split()[0])
    assert compile_network(graph, Target(lut=needed + 1)).report.total.lut <= needed + 1
