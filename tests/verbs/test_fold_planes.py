"""Layers whose output folds take planes of their own, in silicon terms: exact, at the rate told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcompiler.estimate.devices import device
from qcompiler.ir import integer
from qcompiler.ir.graph import Graph
from qcompiler.ir.rates import bottleneck
from qcompiler.ir.types import IntType
from qcompiler.passes.base import run_passes
from qcompiler.passes.choices import Site
from qcompiler.passes.fold import FoldingSpace
from qcompiler.passes.folding import Folding
from qcompiler.passes.pipeline import CONNECT, TO_HARDWARE
from qcompiler.report.tables import folding_table
from qcompiler.verbs.compile import Compiled, Target, write_build
from qcompiler.verbs.verify import lopsided, verify
from tests.graphs import folding_space, integer_graph, searching

CHIP = device("ecp5-85k")
KINDS: dict[str, Any] = {
    "six": range(-31, 32),
    "two": (0, 28),  # 32 - 4
    "bit": (0, 1),
    "minus": (0, -2),
    "none": (0,),
}


def weights(kinds: str, pe: int, *inner: int, groups: int = 1) -> np.ndarray[Any, Any]:
    """int64 (O, …): ``pe`` channels of each kind, in every group."""
    rng = np.random.default_rng(len(kinds) + pe)
    parts = [rng.choice(np.array(KINDS[k]), (groups, pe, *inner)) for k in kinds.split()]
    return np.concatenate(parts, axis=1).reshape(-1, *inner).astype(np.int64)


def steps(channels: int, reach: int) -> integer.StepTable:
    """Codes of 4 bits."""
    thresholds = np.tile(np.linspace(-reach, reach, 15).astype(np.int64), (channels, 1))
    return integer.StepTable(thresholds, np.tile(np.arange(16), (channels, 1)), IntType(0, 15))


def network() -> Graph:
    """A padded 3x3 convolution, one with groups, a depthwise one and a dense layer."""
    return integer_graph(
        integer.Conv(weights("six bit two none", 2, 2, 3, 3), padding=(1, 1, 1, 1)),
        steps(8, 200),
        integer.Conv(weights("minus six bit", 2, 4, 1, 1, groups=2), groups=2),
        steps(12, 60),
        integer.Conv(weights("two", 1, 1, 3, 3, groups=12), (1, 1), groups=12),
        steps(12, 60),
        integer.Conv(weights("bit minus six none two", 1, 12, 3, 4)),
        elem=IntType(0, 15),
    )


def picked(space: FoldingSpace, *picks: tuple[int, int, int]) -> Graph:
    """Folded so: (PE, SIMD, planes) of each layer; everything else as slow as that allows."""
    engines, cycles = space.choices.engines, 0
    for name, (pe, simd, planes) in zip(engines, picks, strict=True):
        site = Site.of(space.graph, name)
        ways = [way for way in site.op.plane_foldings(pe) if way.planes == planes]
        folding = Folding(pe, simd, planes, 0, ways[-1].per_fold)
        op = folding.applied(site.op)
        engines[name] = [site.option(replace(folding, cycles=op.rate), space.choices.price)]
        cycles = max(cycles, op.rate)
    return space.balanced(cycles)


@pytest.mark.sim
@pytest.mark.parametrize(
    ("picks", "counts"),
    [
        ([(2, 1, 1), (2, 2, 1), (1, 1, 1), (1, 2, 1)], {"op0": (10, 24), "op6": (11, 30)}),
        ([(2, 2, 2), (2, 1, 3), (1, 1, 2), (1, 1, 1)], {"op0": (6, 12), "op2": (4, 6)}),
        ([(2, 2, 3), (2, 4, 1), (1, 1, 2), (1, 12, 6)], {"op0": (5, 8), "op2": (8, 18)}),
    ],
)
def test_folds_of_different_planes(
    picks: list[tuple[int, int, int]], counts: dict[str, tuple[int, int]], tmp_path: Path
) -> None:
    """``counts``: plane steps a pixel with planes of each fold, and with those of the layer."""
    whole = run_passes(network(), TO_HARDWARE[:-1])
    space = folding_space(run_passes(whole, TO_HARDWARE[-1:]))
    hardware = run_passes(searching(picked(space, *picks), True), CONNECT)
    for name, (own, layer) in counts.items():
        op = hardware.op(name)
        assert (op.per_fold, op.repeat) == (True, own)
        assert replace(op, per_fold=False).repeat == layer
        assert op.rate * layer == replace(op, per_fold=False).rate * own
    result = Compiled.of(whole, hardware, CHIP)
    write_build(result, Target(), CHIP, tmp_path / "build")
    found = verify(tmp_path / "build", random_frames=3, stalls=lopsided(0.6), reset=True)
    assert found.cycles_per_frame == result.report.cycles == bottleneck(hardware)[1]


def test_they_are_chosen_where_they_are_the_cheapest_in_time() -> None:
    space = folding_space(run_passes(network(), TO_HARDWARE))
    found = {cycles: space.fold(cycles) for cycles in space.steps()}
    assert {graph.op("op0").per_fold for graph in found.values()} == {False, True}
    for graph in found.values():
        assert graph.op("op0_window").repeat == graph.op("op0").repeat


def test_the_folding_table_names_the_fewest_and_the_most_planes() -> None:
    whole = run_passes(network(), TO_HARDWARE[:-1])
    space = folding_space(run_passes(whole, TO_HARDWARE[-1:]))
    graph = run_passes(picked(space, (2, 2, 2), (2, 1, 3), (1, 1, 2), (1, 1, 1)), CONNECT)
    table = folding_table(Compiled.of(whole, graph, CHIP))
    planes = next(column for column in table.columns if column.header == "planes")
    assert list(planes.cells) == ["2 of 0-6", "3 of 1-6", "2 of 2", "1 of 0-6"]
