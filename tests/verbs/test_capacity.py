"""Weights and buffers that a device's block RAM does not hold: refused, unless asked for."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from qcompiler.cli import main
from qcompiler.errors import QCompilerError
from qcompiler.estimate.devices import DEVICES, device
from qcompiler.ir import hardware as hw
from qcompiler.quant.config import QuantConfig
from qcompiler.verbs.compile import Target, compile
from qcompiler.verbs.quantize import quantize
from qcompiler.verbs.verify import verify

RATE = 500.0


class Wide(nn.Module):
    """36, 18 and 2 kbit of 4-bit weights on 8x8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.few = nn.Conv2d(2, 32, 3, padding=1)
        self.most = nn.Conv2d(32, 32, 3, padding=1)
        self.more = nn.Conv2d(32, 16, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.more(torch.relu(self.most(torch.relu(self.few(x)))))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wide") / "net.qc"
    x = np.random.default_rng(0).normal(0, 1, (4, 2, 8, 8)).astype(np.float32)
    quantize(Wide().eval(), x, QuantConfig(4, 4, method="max-abs"), out=folder)
    return folder


@pytest.fixture
def blocks(network: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Block RAMs that the network takes; ``few`` has three, and no LUTs for all the weights."""
    chip = replace(device("ecp5-12k"), name="few", brams=3, luts=5_000)
    monkeypatch.setitem(DEVICES, "few", chip)
    return compile(network, Target("few", fps=RATE, oversize=True)).report.total.bram


def test_the_command_says_what_is_missing_and_where(
    network: Path, blocks: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "build"
    command = ["compile", str(network), "-o", str(out), "--target", "few", "--fps", str(RATE)]
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 2 and not out.exists()
    text = capsys.readouterr().err
    missing = blocks - 3
    assert missing > 0
    assert f"take {blocks} block RAMs of 18 kbit, few has 3: {missing} are missing" in text
    assert f"{missing * 18 * 1024:,} bits" in text
    held = re.findall(r"(\w+) \(weights\): (\d+), [\d,]+ bits", text)
    assert held[0][0] == "most"
    assert [int(n) for _, n in held] == sorted((int(n) for _, n in held), reverse=True)
    assert (
        "quantize to fewer bits" in text
        and "--oversize" in text
        and "ecp5-12k has 12144 LUT and 32 BRAM" in text
    )
    with pytest.raises(SystemExit) as caught:
        main([*command, "--oversize"])
    assert not caught.value.code
    assert (out / "manifest.json").is_file()
    assert "BRAM needed, few has 3" in capsys.readouterr().out


def test_a_budget_says_the_same(network: Path, blocks: int) -> None:
    with pytest.raises(QCompilerError, match="the budget is 100 LUT") as caught:
        compile(network, Target("few", lut=100))
    (least,) = re.findall(r"takes about (\d+) LUT", str(caught.value))
    short = rf"takes about \d BRAM and \d+ LUT, few has 3 BRAM and the budget is {least} LUT"
    with pytest.raises(QCompilerError, match=short):
        compile(network, Target("few", lut=int(least)))


@pytest.mark.sim
def test_weights_in_luts_are_exact(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip = replace(device("ecp5-12k"), name="few", brams=3)
    monkeypatch.setitem(DEVICES, "few", chip)
    made = compile(network, Target("few", fps=5_000), out=tmp_path / "build")
    arrays = made.hardware.find(hw.BitSerialArray)
    assert made.report.fits and any(made.hardware.op(n).lut_rom for n in arrays)
    x = np.random.default_rng(1).normal(0, 1, (3, 2, 8, 8)).astype(np.float32)
    result = verify(tmp_path / "build", x)
    assert result.cycles_per_frame == made.report.cycles


def test_as_many_as_there_are_are_enough(
    network: Path, blocks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for have in (blocks, blocks - 1):
        chip = replace(device("ecp5-12k"), name="few", brams=have)
        monkeypatch.setitem(DEVICES, "few", chip)
        made = compile(network, Target("few", fps=RATE, oversize=True))
        if made.report.total.bram > have:
            with pytest.raises(QCompilerError, match=f"few has {have}: "):
                compile(network, Target("few", fps=RATE))
        else:
            assert compile(network, Target("few", fps=RATE)).report.total == made.report.total
