"""Width adapters in simulation: as many cycles a frame as the cycle model says."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcompiler.estimate.devices import device
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.rates import node_cycles
from qcompiler.verbs.compile import Compiled, Target, write_build
from qcompiler.verbs.verify import lopsided, verify
from tests.graphs import integer_graph
from tests.squeeze import CODES


@pytest.mark.sim
@pytest.mark.parametrize(
    ("have", "want", "cycles"),
    [
        (8, 6, 30 * (3 + 4 - 1)),  # up to 24 lanes and down
        (2, 3, 30 * 4 * (3 + 2 - 1)),
        (4, 12, 30 * 6),
        (24, 8, 30 * 3),
    ],
)
def test_cycles(have: int, want: int, cycles: int, tmp_path: Path) -> None:
    shape = (24, 5, 6)
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", shape, CODES, have))
    graph.add("adapter", hw.Adapter(want), ["x"])
    graph.add("y", hw.Sink(lanes=want), ["adapter"])
    chip = device("ecp5-85k")
    compiled = Compiled.of(integer_graph(shape=shape, elem=CODES), graph, chip)
    write_build(compiled, Target(), chip, tmp_path / "build")
    result = verify(tmp_path / "build", None, random_frames=2, stalls=lopsided(0.5))
    assert result.cycles_per_frame == node_cycles(graph, "adapter") == cycles
