"""Networks with wired weights, from float model to verified Verilog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from qcompiler.errors import GraphError
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.quant.config import QuantConfig
from qcompiler.verbs.compile import Target, compile
from qcompiler.verbs.quantize import quantize
from qcompiler.verbs.verify import lopsided, verify

Array = np.ndarray[Any, Any]


class Small(nn.Module):
    """A convolution whose windows overlap, and two linear layers, the first on a whole map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1, stride=2)
        self.a = nn.Linear(4 * 3 * 3, 8)
        self.b = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.flatten(torch.relu(self.conv(x)), 1)
        return self.b(torch.relu(self.a(x)))


@pytest.fixture(scope="module")
def samples() -> Array:
    return np.random.default_rng(2).normal(0, 1, (12, 1, 6, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def network(samples: Array) -> Graph:
    torch.manual_seed(3)
    return quantize(Small().eval(), samples, QuantConfig(5, 4, method="max-abs")).graph


def titles(graph: Graph) -> set[str]:
    return {graph.op(n).title for n in graph.find(hw.Engine)}


@pytest.mark.sim
@pytest.mark.parametrize("fps", [500_000, 1_200_000])
def test_verified_bit_by_bit(fps: int, network: Graph, samples: Array, tmp_path: Path) -> None:
    target = Target(fps=fps, engines={"default": "hardwired"})
    result = compile(network, target, out=tmp_path / "build")
    assert titles(result.hardware) == {"hardwired"}
    assert not list((tmp_path / "build" / "mem").glob("*weights*")), "no weight memory"
    checked = verify(
        tmp_path / "build", samples[:4], stalls=lopsided(0.5), reset=True, random_frames=2
    )
    assert checked.cycles_per_frame == result.report.cycles <= 100e6 / fps


def test_auto_takes_it_where_it_is_cheaper(network: Graph) -> None:
    goal: dict[str, Any] = {"device": "xc7a100t", "fps": 1_200_000}
    auto = compile(network, Target(**goal, engines={"default": "auto"}))
    array = compile(network, Target(**goal, engines={"default": "bitserial"}))
    assert "hardwired" in titles(auto.hardware)
    assert auto.report.total.lut < array.report.total.lut


def test_what_cannot_be_is_refused_by_name() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(4, 4, 3, groups=2)).eval()
    x = np.random.default_rng(0).normal(0, 1, (4, 4, 5, 5)).astype(np.float32)
    graph = quantize(net, x, QuantConfig(4, 4, method="max-abs")).graph
    (layer,) = compile(graph, Target(fps=1000)).hardware.find(hw.Engine)
    with pytest.raises(GraphError, match="cannot be hard-wired: it has 2 groups") as caught:
        compile(graph, Target(fps=1000, engines={layer: "hardwired"}))
    assert caught.value.where == layer
    assert f"--engine {layer}=bitserial" in (caught.value.hint or "")
    assert titles(compile(graph, Target(fps=1000, engines={"default": "hardwired"})).hardware) == {
        "bitserial"
    }
