"""Tables of costs: every module is some layer's, and nothing is lost or counted twice."""

from __future__ import annotations

import pytest

from qcompiler.estimate.devices import device
from qcompiler.estimate.report import estimate
from qcompiler.ir import hardware as hw
from qcompiler.passes.base import run_passes
from qcompiler.passes.pipeline import connecting
from qcompiler.passes.pipelining import LEVELS
from qcompiler.report.tables import layer_costs
from tests.graphs import folding_space, lowered


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", range(6))
def test_every_module_is_of_one_layer(seed: int, level: str) -> None:
    space = folding_space(lowered(seed)[1])
    graph = run_passes(space.balanced(space.slowest() // 4), connecting(level))
    report = estimate(graph, device("ecp5-85k"))
    costs = layer_costs(graph, report)
    assert sum(cost.lut for cost, _ in costs.values()) == pytest.approx(report.total.lut)
    assert sum(cost.bram for cost, _ in costs.values()) == report.total.bram
    for name in graph.find(hw.Engine):
        window = graph.inputs(name)[0].node
        rows = {row.node: row.cost.lut for row in report.rows}
        assert costs[name][0].lut >= rows[name] + rows[window]
    assert not any(isinstance(graph.op(n), hw.Threshold | hw.Scale) for n in costs)
