"""Networks with searches of a bit a cycle: bit-exact, as fast as with pipelined ones, cheaper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcompiler.errors import GraphError
from qcompiler.estimate.devices import device
from qcompiler.estimate.engines import module_price
from qcompiler.ir import hardware as hw
from qcompiler.ir import integer
from qcompiler.ir.graph import Graph
from qcompiler.ir.rates import bottleneck, node_cycles
from qcompiler.ir.types import IntType
from qcompiler.passes.base import run_passes
from qcompiler.passes.choices import Choices
from qcompiler.passes.pipeline import CONNECT, TO_HARDWARE
from qcompiler.verbs.compile import Compiled, Target, write_build
from qcompiler.verbs.goal import Room
from qcompiler.verbs.verify import lopsided, verify
from tests.graphs import folding_space, integer_graph, searching

CHIP = device("ecp5-85k")
CODES = IntType(0, 15)


def conv(out: int, inputs: int, kernel: int) -> integer.Conv:
    weight = np.random.default_rng([out, inputs]).integers(-7, 8, (out, inputs, kernel, kernel))
    return integer.Conv(weight, padding=(kernel // 2,) * 4)


def steps(channels: int, reach: int, *, count: int = 15, rising: bool = True) -> Any:
    """A table of each channel's own thresholds; with ``rising`` the code is the count."""
    rng = np.random.default_rng([channels, reach])
    thresholds = np.sort(rng.integers(-reach, reach, (channels, count)), axis=1)
    table = np.tile(np.arange(count + 1), (channels, 1))
    if not rising:
        table = rng.integers(0, 16, table.shape)
    return integer.StepTable(thresholds, table, CODES)


def network() -> Graph:
    """Two padded 3x3 convolutions, then 1x1 ones of more and more channels."""
    return integer_graph(
        conv(4, 2, 3),
        steps(4, 300),
        conv(8, 4, 3),
        steps(8, 400, rising=False),
        conv(12, 8, 1),
        steps(12, 300, count=7, rising=False),
        integer.MaxPool((2, 2), (2, 2)),
        conv(16, 12, 1),
        steps(16, 500),
        shape=(2, 8, 8),
        elem=CODES,
    )


def searches(graph: Graph) -> dict[str, bool]:
    return {name: graph.op(name).serial for name in graph.find(hw.Threshold)}


@pytest.mark.sim
@pytest.mark.parametrize(("cycles", "serial"), [(3_000, "1111"), (2_000, "1001")])
def test_the_frame_takes_as_long_as_with_pipelines(
    cycles: int, serial: str, tmp_path: Path
) -> None:
    whole = run_passes(network(), TO_HARDWARE[:-1])
    space = folding_space(run_passes(whole, TO_HARDWARE[-1:]))
    folded = space.balanced(cycles)
    pipelined, chosen = (run_passes(searching(folded, slow), CONNECT) for slow in (False, True))
    assert "".join(str(int(slow)) for slow in searches(chosen).values()) == serial
    assert bottleneck(chosen) == bottleneck(pipelined)
    for name, slow in searches(chosen).items():
        beats = node_cycles(pipelined, name)
        assert node_cycles(chosen, name) == beats * (chosen.op(name).stages if slow else 1)
    result = Compiled.of(whole, chosen, CHIP)
    write_build(result, Target(), CHIP, tmp_path / "build")
    found = verify(tmp_path / "build", random_frames=3, stalls=lopsided(0.6), reset=True)
    assert found.cycles_per_frame == result.report.cycles == bottleneck(pipelined)[1]


def search(channels: int, lanes: int, slower: int = 4) -> Graph:
    """x -> thresholds of 15 steps -> a border of so many times the beats -> y."""
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (channels, 4, 4), IntType(-4000, 4000), lanes))
    table = steps(channels, 4000)
    graph.add("q", hw.Threshold("q", table.thresholds, table.table, CODES, lanes=lanes), ["x"])
    graph.add("slow", hw.Pad("slow", (0, 0, 4 * (slower - 1), 0), 0, lanes=lanes), ["q"])
    graph.add("y", hw.Sink(lanes=lanes), ["slow"])
    return graph


@pytest.mark.parametrize(
    ("channels", "lanes", "serial"),
    [(64, 1, True), (64, 4, True), (8, 1, False), (4, 4, True)],
)
def test_serial_where_it_is_cheaper(channels: int, lanes: int, serial: bool) -> None:
    """One memory in block RAM for two, or in LUTs for less than it spares; not in between."""
    weights = Room(folding_space(search(channels, 1)), CHIP, CHIP.luts).weights
    choices = Choices(search(channels, 1), module_price("ecp5"), spare=1 << 40)
    ways = [o for o in choices.options("q", 1 << 40) if o.lanes == (lanes, lanes)]
    assert {o.op.serial for o in ways} == {False, True}
    assert min(ways, key=lambda o: float(o.price @ weights)).op.serial == serial


def ways(graph: Graph, cycles: int) -> set[bool]:
    """Whether the thresholds of one lane can be pipelined, and serial."""
    options = folding_space(graph).choices.options("q", cycles)
    return {o.op.serial for o in options if o.lanes == (1, 1)}


def test_never_where_it_would_be_late() -> None:
    for slower in (3, 4):
        graph = search(64, 1, slower)
        assert ways(graph, bottleneck(graph)[1]) == ({False, True} if slower == 4 else {False})
        assert searches(searching(graph, True)) == {"q": slower == 4}


def test_never_behind_a_slice() -> None:
    """It lets whole rows through, whose results come faster than on average."""
    graph = search(64, 1, 16)
    assert ways(graph, 1 << 40) == {False, True}
    sliced = Graph("hardware")
    sliced.add("x", graph.op("x"))
    sliced.add("rows", hw.Slice("rows", (0, 3, 2), (0, 1, 4)), ["x"])
    sliced.add("q", graph.op("q"), ["rows"])
    sliced.add("slow", graph.op("slow"), ["q"])
    sliced.add("y", graph.op("y"), ["slow"])
    assert ways(sliced, 1 << 40) == {False}


def test_a_constant_is_not_searched() -> None:
    graph = search(4, 4)
    none, zero = np.zeros((4, 0), np.int64), np.zeros((4, 1), np.int64)
    graph.replace("q", hw.Threshold("q", none, zero, CODES, lanes=4))
    assert searches(searching(graph, True)) == {"q": False}
    with pytest.raises(GraphError, match="needs a threshold"):
        graph.replace("q", hw.Threshold("q", none, zero, CODES, lanes=4, serial=True))
