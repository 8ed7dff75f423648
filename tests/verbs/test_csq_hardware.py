"""A CSQ network in Verilog: exact, and as fast as the planes that survived allow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.estimate.devices import device
from qcompiler.estimate.engines import module_price
from qcompiler.ir import integer
from qcompiler.ir.graph import Graph
from qcompiler.ir.planes import encode
from qcompiler.models.data import digits_data
from qcompiler.passes.base import run_passes
from qcompiler.passes.engines import Engines, engine_of_layers
from qcompiler.passes.fold import ANY, FoldingSpace
from qcompiler.passes.integerize import Integerize
from qcompiler.passes.pipeline import CONNECT
from qcompiler.quant.csq import CSQ, CSQConfig
from qcompiler.quant.qat.method import Finalized
from qcompiler.verbs.auto_engine import lower
from qcompiler.verbs.compile import Compiled, Target, write_build
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


def serial(graph: Graph, folder: Path) -> Compiled:
    """The build with one product of one plane a cycle in every layer, whatever is cheapest."""
    integers = run_passes(graph, [Integerize()])
    explicit, lowered = lower(integers, Engines(engine_of_layers(integers, {})))
    space, chip = FoldingSpace(lowered, module_price("ecp5")), device("ecp5-85k")
    engines = space.choices.engines
    for name, options in engines.items():
        single = [o for o in options if o.lanes == (1, 1) and not o.op.per_fold]
        engines[name] = [max(single, key=lambda option: option.cycles)]
    compiled = Compiled.of(explicit, run_passes(space.fold(ANY), CONNECT), chip)
    write_build(compiled, Target(), chip, folder)
    return compiled


def build(budget: float, folder: Path, groups: int = 1) -> Built:
    result, images = trained(budget, groups)
    compiled = serial(result.graph, folder)
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
    products = 12 * 4 * 9 * 64
    assert two.verified.cycles_per_frame == pytest.approx(products * two.planes, rel=0.02)


def test_groups_with_gates_of_their_own_run_exactly(tmp_path: Path) -> None:
    built = build(2.0, tmp_path / "build", groups=4)
    assert built.verified.frames >= 2
    assert any(layer.live != int(layer.live) for layer in built.result.layers)
