"""A whole design in simulation: bit-exact, and every way to break it is named."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from qcompiler.errors import VerificationError
from qcompiler.estimate.devices import device
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.quant.config import LayerBits, QuantConfig
from qcompiler.verbs.compile import Compiled, Target, compile, write_build
from qcompiler.verbs.quantize import quantize
from qcompiler.verbs.verify import Build, lopsided, verify

pytestmark = pytest.mark.sim
CHIP = device("ecp5-85k")


class Residual(nn.Module):
    """One residual block on 8x8 pixels, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.a = nn.Conv2d(4, 4, 3, padding=1)
        self.b = nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(x + self.b(torch.relu(self.a(x))))
        return self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


@pytest.fixture(scope="module")
def samples() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(0, 1, (24, 2, 8, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def compiled(samples: np.ndarray[Any, Any]) -> Compiled:
    torch.manual_seed(0)
    config = QuantConfig(4, 4, layers={"a": LayerBits(3), "fc": LayerBits(8)})
    graph = quantize(Residual().eval(), samples, config).graph
    return compile(graph, Target(fps=40_000))


def build(compiled: Compiled, folder: Path, hardware: Graph | None = None) -> Path:
    changed = compiled if hardware is None else replace(compiled, hardware=hardware)
    write_build(changed, Target(top="residual"), CHIP, folder)
    return folder


def test_every_stream_at_every_stall(
    compiled: Compiled, samples: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    folder = build(compiled, tmp_path / "build")
    result = verify(folder, samples[:5], stalls=lopsided(0.6), reset=True, random_frames=2)
    assert result.frames == 9
    assert result.streams == len(Build.read(folder).streams())
    assert result.outputs.shape == (5, 3)
    # the rate that the compiler promises is the rate of the simulation
    assert result.cycles_per_frame == compiled.report.cycles


def test_a_join_without_its_fifo_deadlocks(
    compiled: Compiled, samples: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    hardware = compiled.hardware.copy()
    skip = max(hardware.find(hw.Fifo), key=lambda name: hardware.op(name).depth)
    assert hardware.op(skip).depth > 32
    hardware.remove(skip)
    folder = build(compiled, tmp_path / "build", hardware)
    with pytest.raises(VerificationError, match="hangs at cycle") as error:
        verify(folder, samples[:2], watchdog=5000)
    assert "streams that wait" in str(error.value)


def test_a_wrong_weight_is_named_with_its_place(
    compiled: Compiled, samples: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    folder = build(compiled, tmp_path / "build")
    memory = folder / "mem" / "residual_a_weights.hex"
    lines = memory.read_text().splitlines()
    lines[0] = f"{int(lines[0], 16) ^ 1:0{len(lines[0])}x}"
    memory.write_text("\n".join(lines) + "\n")
    with pytest.raises(VerificationError) as error:
        verify(folder, samples[:2], waves=True)
    text = str(error.value)
    assert "first difference at a (tensor a," in text
    assert re.search(r"frame 0, pixel \(\d, \d\), channel 0: hardware -?\d+, reference -?\d+", text)
    waves = Path(text.rsplit("waves: ", 1)[1].strip())
    assert waves.read_text().startswith("$version")


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        (".m_axis_tlast(m_axis_tlast)", ".m_axis_tlast(), .unused(1'b0)", None),
        ("sink[11]}}", "1'b0}}", "first difference at m_axis (tensor "),
    ],
)
def test_the_port_is_compared_too(
    right: str,
    wrong: str,
    words: str | None,
    compiled: Compiled,
    samples: np.ndarray[Any, Any],
    tmp_path: Path,
) -> None:
    """The top pads each lane to whole bytes: its sign bits and its tlast are compared as well."""
    folder = build(compiled, tmp_path / "build")
    top = folder / "residual.v"
    text = top.read_text()
    assert right in text
    if words is None:
        wrong = ".m_axis_tlast(last)"
        text = text.replace("endmodule", "    assign m_axis_tlast = last && 1'b0;\nendmodule", 1)
        text = text.replace("    wire ", "    wire last;\n    wire ", 1)
        words = "the values agree but tlast is missing"
    top.write_text(text.replace(right, wrong, 1))
    with pytest.raises(VerificationError) as error:
        verify(folder, samples[:2])
    assert words in str(error.value)
