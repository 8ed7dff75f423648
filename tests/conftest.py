"""What many tests share: small networks, exported once a session."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qcompiler.flows.verilator import OPTIMIZE_VARIABLE
from qcompiler.quant.config import QuantConfig
from qcompiler.verbs.compile import Target
from qcompiler.verbs.compile import compile as compile_network
from qcompiler.verbs.quantize import quantize

os.environ.setdefault(OPTIMIZE_VARIABLE, "-O0")  # the tests build much and simulate little


class SmallNet(nn.Module):
    """Two padded convolutions around a residual, and a linear layer: 2x6x6 to 3."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm(self.conv1(x)))
        y = torch.relu(y + self.conv2(y))
        return self.fc(y.mean((2, 3)))


class Unpadded(nn.Module):
    """A convolution without ReLU in front of a padded one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first = nn.Conv2d(2, 2, 1)
        self.second = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class WithSigmoid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.conv(x))


def export(module: nn.Module, path: Path) -> Path:
    program = torch.export.export(module.eval(), (torch.zeros(2, 2, 6, 6),))
    torch.export.save(program, path)
    return path


def spoiled(value: float) -> nn.Module:
    module = SmallNet()
    with torch.no_grad():
        module.conv2.weight[1, 2, 0, 0] = value
    return module


@dataclass(frozen=True)
class Files:
    """Paths of a session's networks, calibration sets and results; tests only read them."""

    folder: Path

    def __getattr__(self, name: str) -> Path:
        return self.folder / name

    def __truediv__(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """model.pt2, images.npz, net.qc/, build/ and what goes wrong with each."""
    folder = tmp_path_factory.mktemp("files")
    export(SmallNet(), folder / "model.pt2")
    export(Unpadded(), folder / "unpadded.pt2")
    export(WithSigmoid(), folder / "sigmoid.pt2")
    export(spoiled(float("nan")), folder / "nan.pt2")
    export(spoiled(float("inf")), folder / "infinite.pt2")
    torch.save(SmallNet().state_dict(), folder / "state_dict.pt")
    (folder / "empty.pt2").write_bytes(b"")
    (folder / "text.pt2").write_text("not a model")
    images = np.random.default_rng(3).normal(0, 1, (12, 2, 6, 6)).astype(np.float32)
    np.savez(folder / "images.npz", images=images, labels=np.arange(12))
    quantize(
        folder / "model.pt2",
        folder / "images.npz",
        QuantConfig(weights=3, activations=3),
        out=folder / "net.qc",
    )
    compile_network(folder / "net.qc", Target(fps=100_000), out=folder / "build")
    return Files(folder)
