"""A CSQ network in Verilog: exact, and as fast as the planes that survived allow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.ir import hardware as hw
from qcompiler.ir import integer
from qcompiler.ir.planes import encode
from qcompiler.models.data import digits_data
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.quant.csq import CSQ, CSQConfig
from qcompiler.quant.qat.method import Finalized
from qcompiler.verbs.compile import Compiled, Target
from qcompiler.verbs.compile import compile as compile_network
from qcompiler.verbs.verify import Verified, lopsided, verify
from tests.quant.loop import fit

pytestmark = pytest.mark.sim


class Digits(nn.Module):
    """Most of the work is in one layer, whose planes then set the rate."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.body = nn.Conv2d(4, 12, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(12)
        self.fc = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)))
        x = F.relu(self.norm2(self.body(x)))
        return self.fc(x.mean((2, 3)))


@dataclass(frozen=True)
class Built:
    result: Finalized
    compiled: Compiled
    verified: Verified
    planes: int  # of the body


def trained(budget: float, groups: int) -> tuple[Finalized, np.ndarray]:
    data = digits_data()
    slope = 0.1 if groups == 1 else 0.02  # a gentle start lets groups part
    config = CSQConfig(
        budget=budget, activations=4, groups=groups, search=0.5, strength=0.1, slope=slope
    )
    method = CSQ(config)
    model = method.prepare(Digits(), data.train.images[:128]).train()
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(1))
    picks = order[:1408].split(64) * 8
    images, labels = data.train.images, data.train.labels
    fit(method, model, [(images[picked], labels[picked]) for picked in picks], 0.05)
    return method.finalize(model.eval(), data.train.images[:128].numpy()), data.test.images.numpy()


def build(budget: float, folder: Path, groups: int = 1) -> Built:
    result, images = trained(budget, groups)
    serial = Target(fps=1.0)  # slow enough for one plane a cycle everywhere
    compiled = compile_network(result.graph, serial, out=folder)
    stalls = lopsided(0.2 if groups > 1 else 0.0)
    verified = verify(folder, images[:2], stalls=stalls)
    weight = run_passes(result.graph, [Integerize()]).op("body")
    assert isinstance(weight, integer.Conv)
    return Built(result, compiled, verified, len(encode(weight.weight)))


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(4.0, tmp_path_factory.mktemp("four") / "build")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(2.0, tmp_path_factory.mktemp("two") / "build")


def test_cycles_follow_live_planes(four: Built, two: Built) -> None:
    """The ratio of two simulations is that of the planes, not only in the cycle model."""
    assert four.result.bits == pytest.approx(4.0, abs=0.3)
    assert two.result.bits == pytest.approx(2.0, abs=0.3)
    simulated = four.verified.cycles_per_frame / two.verified.cycles_per_frame
    assert four.planes > two.planes
    assert simulated == pytest.approx(four.planes / two.planes, rel=0.02)
    array = two.compiled.hardware.op("body")
    assert isinstance(array, hw.BitSerialArray)
    products = 12 * 4 * 9 * 64 / (array.pe * array.simd)
    assert two.verified.cycles_per_frame == pytest.approx(products * two.planes, rel=0.02)


def test_groups_with_gates_of_their_own_run_exactly(tmp_path: Path) -> None:
    built = build(2.0, tmp_path / "build", groups=4)
    assert built.verified.frames >= 2
    assert any(layer.live != int(layer.live) for layer in built.result.layers)
