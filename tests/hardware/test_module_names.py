"""No generated module is called like the core or a module of the library."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn

from qcompiler.hardware.instance import module_name
from qcompiler.verbs.compile import Target, compile
from qcompiler.verbs.quantize import quantize
from qcompiler.verbs.verify import verify


class Clashing(nn.Module):
    """Layers called like what stands beside them in the design."""

    def __init__(self) -> None:
        super().__init__()
        self.fifo = nn.Conv2d(2, 2, 1)
        self.core = nn.Conv2d(2, 2, 1)
        self.window = nn.Conv2d(2, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.window(self.core(self.fifo(x).relu()).relu())


@pytest.mark.parametrize(
    ("prefix", "node", "name"),
    [
        ("qc_top", "fifo", "qc_top_fifo"),
        ("qc", "conv1", "qc_conv1"),
        ("qc", "fifo", "qc__fifo"),
        ("qc_threshold", "stage", "qc_threshold__stage"),
        ("qc_top", "core", "qc_top__core"),
        ("qc_top", "core_1", "qc_top_core_1"),
    ],
)
def test_names(prefix: str, node: str, name: str) -> None:
    assert module_name(prefix, node) == name


@pytest.mark.sim
def test_layers_called_like_modules(tmp_path: Path) -> None:
    images = np.random.default_rng(1).normal(0, 1, (8, 2, 4, 4)).astype(np.float32)
    network = quantize(Clashing().eval(), images).graph
    build = tmp_path / "build"
    compile(network, Target(fps=100_000, top="qc"), out=build)
    modules = [
        name
        for path in sorted(build.rglob("*.v"))
        for name in re.findall(r"^module (\w+)", path.read_text(), re.M)
    ]
    assert {"qc", "qc_core", "qc__core", "qc__fifo", "qc_window", "qc__window"} <= set(modules)
    assert set(Counter(modules).values()) == {1}
    assert verify(build, images[:1], every_stream=False).frames == 3
