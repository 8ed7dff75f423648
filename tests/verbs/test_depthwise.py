"""Depthwise layers in a network: their engine, their folding, bit for bit in simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from qcompiler.errors import GraphError
from qcompiler.estimate.devices import device
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.types import IntType
from qcompiler.passes.base import run_passes
from qcompiler.passes.engines import DEPTHWISE, engine_of_layers
from qcompiler.passes.integerize import Integerize
from qcompiler.quant.config import LayerBits, QuantConfig
from qcompiler.verbs.auto_engine import Aim, decide_engines, engine_sites
from qcompiler.verbs.compile import Target, compile
from qcompiler.verbs.quantize import quantize
from qcompiler.verbs.verify import Stall, verify

Array = np.ndarray[Any, Any]


class Separable(nn.Module):
    """A stem and two separable convolutions on 11x12 pixels, one with 5x5 taps and stride 2."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1)
        self.deep1 = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.point1 = nn.Conv2d(6, 9, 1)
        self.deep2 = nn.Conv2d(9, 9, 5, stride=2, padding=2, groups=9)
        self.point2 = nn.Conv2d(9, 8, 1)
        self.twice = nn.Conv2d(8, 16, 3, groups=8)
        self.fc = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(self.point1(torch.relu(self.deep1(x))))
        x = torch.relu(self.point2(self.deep2(x)))
        x = torch.relu(self.twice(x))
        return self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


DEEP = {"deep1": DEPTHWISE, "deep2": DEPTHWISE}
OTHERS = dict.fromkeys(("stem", "point1", "point2", "twice", "fc"), "bitserial")


@pytest.fixture(scope="module")
def samples() -> Array:
    return np.random.default_rng(5).normal(0, 1, (12, 2, 11, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def network(samples: Array) -> Graph:
    torch.manual_seed(4)
    config = QuantConfig(4, 4, method="mse", layers={"deep2": LayerBits(6, 5)})
    return quantize(Separable().eval(), samples, config).graph


def engines(graph: Graph) -> dict[str, str]:
    return {n: graph.op(n).title for n in graph.find(hw.Engine)}


@pytest.mark.sim
def test_depthwise_layers_keep_pace_in_simulation(
    network: Graph, samples: Array, tmp_path: Path
) -> None:
    """At the pace of the stem's one tap a cycle, of which the engine of one channel takes six."""
    pace = 11 * 12 * 9
    target = Target(fps=100e6 / (pace + 30))
    result = compile(network, target, out=tmp_path / "build")
    assert engines(result.hardware) == DEEP | OTHERS
    assert result.hardware.op("deep1").pe == 6 and result.report.cycles == pace
    checked = verify(
        tmp_path / "build", samples[:4], random_frames=2, reset=True,
        stalls=[Stall(0, 0), Stall(0.5, 0), Stall(0, 0.5), Stall(0.3, 0.3)],
    )  # fmt: skip
    assert checked.frames == 8 and checked.cycles_per_frame == pace


def test_the_engine_of_a_layer(network: Graph) -> None:
    graph = run_passes(network, [Integerize()])
    assert engine_of_layers(graph, {}) == DEEP | OTHERS
    assert engine_of_layers(graph, {"default": DEPTHWISE}) == DEEP | OTHERS
    assert set(engine_of_layers(graph, {"default": "bitserial"}).values()) == {"bitserial"}
    found = engine_of_layers(graph, {"default": "winograd", "deep1": "bitserial"})
    assert found == {**OTHERS, **DEEP, "deep1": "bitserial", "stem": "winograd"}


def test_the_engines_that_can_do_a_layer(network: Graph) -> None:
    graph = run_passes(network, [Integerize()])
    start = engine_of_layers(graph, {})
    sites = engine_sites(graph, start, ["deep1", "point1"], Aim(device("ecp5-85k"), 100.0, fps=1.0))
    found = {name: {site.op.title: site for site in several} for name, several in sites.items()}
    assert {DEPTHWISE, "bitserial", "direct"} <= set(found["deep1"])
    assert DEPTHWISE not in found["point1"] and "bitserial" in found["point1"]
    one, many = (
        min(f.cycles for f in found["deep1"][k].foldings()) for k in ("bitserial", DEPTHWISE)
    )
    assert one == 6 * many, "the other array takes a channel at a time"


@pytest.mark.parametrize("cycles", [1200, 3000])
def test_auto_takes_an_engine_that_is_in_time(network: Graph, cycles: int) -> None:
    graph = run_passes(network, [Integerize()])
    aim = Aim(device("ice40-hx8k"), 100.0, fps=100e6 / (cycles + 0.5))
    found = decide_engines(graph, {"deep1": "auto"}, aim).layers
    assert found["deep1"] != "bitserial"


def test_other_layers_refuse_it(network: Graph) -> None:
    for layer in ("stem", "twice"):
        with pytest.raises(GraphError, match="no depthwise convolution") as caught:
            compile(network, Target(engines={layer: DEPTHWISE}))
        assert caught.value.where == layer and "bitserial" in (caught.value.hint or "")


def test_a_window_in_another_order_is_refused() -> None:
    weight = np.ones((4, 1, 3, 3), np.int64)
    graph = Graph("hardware")
    op = hw.DepthwiseArray("y", weight, (1,), (0,), (4, 2, 2), IntType(0, 135), 4, pe=2)
    graph.add("x", hw.Source("x", (4, 4, 4), IntType(0, 15), 2))
    graph.add("w", hw.Window((3, 3), rows=6, lanes=2), ["x"])
    with pytest.raises(GraphError, match="takes 2 words of 2 lanes, each repeated 1x"):
        graph.add("y", op, ["w"])
