"""Engines by layer: all of them in one network, bit for bit; the cheapest where asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from qcompiler.errors import QCompilerError
from qcompiler.estimate.devices import device
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.passes.engines import KINDS, parse_engines
from qcompiler.quant.config import LayerBits, QuantConfig
from qcompiler.verbs.compile import Target, compile
from qcompiler.verbs.quantize import quantize
from qcompiler.verbs.verify import lopsided, verify

Array = np.ndarray[Any, Any]


class Mixed(nn.Module):
    """A layer for each engine on 7x9 pixels, a residual, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(2, 4, 3, padding=1)
        self.b = nn.Conv2d(4, 4, 3, padding=1)
        self.c = nn.Conv2d(4, 4, 3, padding=1)
        self.d = nn.Conv2d(4, 6, 3, stride=2)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.a(x))
        x = torch.relu(x + self.c(torch.relu(self.b(x))))
        x = torch.relu(self.d(x))
        return self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


@pytest.fixture(scope="module")
def samples() -> Array:
    return np.random.default_rng(2).normal(0, 1, (12, 2, 7, 9)).astype(np.float32)


@pytest.fixture(scope="module")
def network(samples: Array) -> Graph:
    torch.manual_seed(3)
    config = QuantConfig(7, 7, method="mse", layers={"c": LayerBits(4), "d": LayerBits(3)})
    return quantize(Mixed().eval(), samples, config).graph


def titles(graph: Graph) -> dict[str, str]:
    return {n: graph.op(n).title for n in graph.find(hw.Engine)}


MIX = {"a": "direct", "b": "winograd", "c": "winograd4", "d": "bitserial", "fc": "direct"}


@pytest.mark.sim
@pytest.mark.parametrize("partial", [None, 16])
def test_all_engines_in_one_network(
    partial: int | None, network: Graph, samples: Array, tmp_path: Path
) -> None:
    engines = MIX if partial is None else {**MIX, "c": "bitserial", "b": "direct"}
    target = Target(fps=20_000, engines=engines, partial_bits=partial)
    result = compile(network, target, out=tmp_path / "build")
    assert titles(result.hardware) == engines
    checked = verify(
        tmp_path / "build", samples[:3], stalls=lopsided(0.5), reset=True, random_frames=2
    )
    assert checked.cycles_per_frame == result.report.cycles


def test_a_default_goes_where_it_can(network: Graph) -> None:
    found = titles(compile(network, Target(fps=1000, engines={"default": "winograd"})).hardware)
    strided = {"d": "bitserial", "fc": "bitserial"}
    assert found == {"a": "winograd", "b": "winograd", "c": "winograd", **strided}
    mixed = {"default": "direct", "c": "bitserial"}
    found = titles(compile(network, Target(fps=1000, engines=mixed)).hardware)
    assert found == {**dict.fromkeys("abd", "direct"), "c": "bitserial", "fc": "direct"}


@pytest.mark.parametrize("fps", [300.0, 10_000.0, 100_000.0])
@pytest.mark.parametrize("name", ["ecp5-85k", "xc7a35t"])
def test_auto_takes_no_more_than_any_one_engine(network: Graph, name: str, fps: float) -> None:
    """The shares of the device that are used, LUTs, block RAMs and multipliers."""
    chip = device(name)

    def share(engine: str) -> float:
        target = Target(name, fps=fps, requant="exact", engines={"default": engine})
        total = compile(network, target).report.total
        return total.lut / chip.luts + total.bram / chip.brams + total.dsp / chip.dsps

    assert share("auto") <= 1.02 * min(share(kind) for kind in KINDS)


def test_auto_decides_on_both_kinds_of_goal(network: Graph) -> None:
    for goal in ({"fps": 20_000}, {"lut": 20_000}):
        result = compile(network, Target(**goal, engines={"default": "auto"}))  # type: ignore[arg-type]
        assert set(titles(result.hardware)) == set(MIX)


def test_a_device_without_room_for_multipliers_gets_fewer(network: Graph) -> None:
    engines = {"default": "direct"}
    result = compile(network, Target("ecp5-12k", lut=24_000, engines=engines, requant="exact"))
    assert 0 < result.report.total.dsp <= device("ecp5-12k").dsps


def test_parsing() -> None:
    assert parse_engines(["a=direct", "winograd"]) == {"a": "direct", "default": "winograd"}
    for wrong, words in ((["a=best"], "'best' is unknown"), (["auto", "direct"], "given twice")):
        with pytest.raises(QCompilerError, match=words):
            parse_engines(wrong)


def test_what_cannot_be_is_refused_by_name(network: Graph) -> None:
    with pytest.raises(QCompilerError, match="no layer nose") as caught:
        compile(network, Target(engines={"nose": "direct"}))
    assert "its layers are a, b, c, d, fc" in (caught.value.hint or "")
    with pytest.raises(QCompilerError, match="stride is 2x2, not 1") as caught:
        compile(network, Target(engines={"d": "winograd"}))
    assert caught.value.where == "d"
    with pytest.raises(QCompilerError, match="partial sums of 99 bits"):
        Target(partial_bits=99)
    with pytest.raises(QCompilerError, match="not one fits in a partial sum of 8 bits"):
        compile(network, Target(engines={"a": "direct"}, partial_bits=8))


def test_auto_in_a_budget_is_no_slower_than_any_engine(network: Graph) -> None:
    found = {}
    for engine in ("auto", "bitserial", "direct"):
        target = Target("xc7a100t", lut=4000, requant="exact", engines={"default": engine})
        found[engine] = compile(network, target).report.cycles
    assert found["auto"] < found["bitserial"]
    assert found["auto"] <= 1.1 * found["direct"]


def test_a_default_that_partial_sums_rule_out_leaves_layers_alone(network: Graph) -> None:
    target = Target(fps=1000, engines={"default": "winograd"}, partial_bits=16)
    found = titles(compile(network, target).hardware)
    assert found["a"] == found["b"] == "bitserial", "7 x 7 bits transformed are too wide"
    direct = Target(fps=1000, engines={"default": "direct"}, partial_bits=13)
    assert set(titles(compile(network, direct).hardware).values()) == {"bitserial", "direct"}
