"""Weight forms: that what is exported is what trained, and models that cannot be prepared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.quant.csq import CSQ, CSQConfig
from qcompiler.quant.csq.budget import csq_layers
from qcompiler.quant.qat.bsq import BSQ, BSQConfig, BSQWeight
from qcompiler.quant.qat.lsq import LSQ, LSQConfig
from qcompiler.quant.qat.weights import attach, formed_layers
from tests.quant.loop import fit

METHODS: dict[str, Any] = {
    "csq": lambda: CSQ(CSQConfig(budget=3)),
    "lsq": lambda: LSQ(LSQConfig(bits=3)),
    "bsq": lambda: BSQ(BSQConfig(strength=1e-3)),
}


@pytest.mark.parametrize("strength", [1e-4, 3e-2])
@pytest.mark.parametrize("planes", [2, 4, 8])
def test_bsq_trains_what_it_exports(planes: int, strength: float) -> None:
    """Bits go up to 2, so sums may leave what planes hold: forward and codes must agree on it."""
    torch.manual_seed(0)
    x = torch.randn(256, 6)
    labels = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    method = BSQ(BSQConfig(planes=planes, strength=strength, search=0.5))
    model = method.prepare(nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)), x)
    fit(method, model, [(x, labels)] * 300, 0.1)
    result = method.finalize(model.eval(), x.numpy())
    assert result.gap < 1e-3
    for layer, scheme in zip(formed_layers(model), result.layers, strict=True):
        codes, _ = layer.integers()
        assert int(codes.abs().max()) < 2**scheme.live  # what is said is what is there


def test_bsq_says_how_little_a_layer_of_zeros_has() -> None:
    module = nn.Sequential(nn.Linear(4, 4))
    attach(module, lambda shape: BSQWeight(shape, 8))
    layer = next(formed_layers(module))
    with torch.no_grad():
        layer.originals[0].zero_()
        layer.originals[1].zero_()
    layer.form.requantize(*layer.originals)
    assert int(layer.live().sum()) == 1 and not layer.integers()[0].any()


@pytest.mark.parametrize("name", METHODS)
def test_a_layer_that_starts_at_zero_trains(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(128, 6)
    labels = (x[:, 0] > 0).long()
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
    nn.init.zeros_(net[2].weight)
    method = METHODS[name]()
    model = method.prepare(net, x)
    assert fit(method, model, [(x, labels)] * 300, 0.1) < 0.5
    assert np.isfinite(method.finalize(model.eval(), x.numpy()).gap)


def test_budgets_go_by_name_not_by_order() -> None:
    """A trace registers modules in the order of calls, the model may have another."""

    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 3)
            self.second = nn.Conv2d(16, 4, 3)
            self.first = nn.Conv2d(2, 16, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = F.relu(self.second(F.relu(self.first(x))))
            return self.fc(x.mean((2, 3)))

    method = CSQ(CSQConfig(budget=3.0, activations=4))
    model = method.prepare(Backwards(), torch.randn(8, 2, 8, 8))
    assert method.budget is not None
    layers = csq_layers(model)
    for k, layer in enumerate(layers):  # so that layers end with different numbers of planes
        with torch.no_grad():
            layer.originals[1].add_(0.3 * k - 0.3)
    method.budget.settle(model)
    total = sum(layer.parameters for layer in layers)
    true = sum(layer.parameters * float(layer.live().sum()) for layer in layers) / total
    assert method.columns(model)["bits"] == pytest.approx(true)


def test_settling_cannot_come_closer_by_one_gate() -> None:
    method = CSQ(CSQConfig(budget=3.3))
    net = nn.Sequential(*(nn.Linear(k, k + 3) for k in range(3, 18, 3)))
    model = method.prepare(net, torch.zeros(2, 3))
    budget = method.budget
    assert budget is not None
    for layer in csq_layers(model):
        with torch.no_grad():
            layer.originals[1].normal_(generator=torch.Generator().manual_seed(layer.parameters))
    budget.settle(model)
    live = [int(layer.live().sum()) for layer in csq_layers(model)]
    off = budget.costs.equivalent(live) - 3.3
    for k in range(len(live)):  # opening any further gate would not help
        more = [n + (i == k) for i, n in enumerate(live)]
        assert live[k] == 8 or abs(budget.costs.equivalent(more) - 3.3) >= abs(off) - 1e-12


@pytest.mark.parametrize("name", METHODS)
def test_other_dtypes_are_refused(name: str) -> None:
    with pytest.raises(QCompilerError, match=r"float64(.|\n)*model.float\(\)"):
        METHODS[name]().prepare(nn.Sequential(nn.Linear(4, 2)).double(), torch.zeros(2, 4).double())


def test_names_that_fall_together_are_refused() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.Conv, self.conv = nn.Conv2d(2, 4, 1), nn.Conv2d(4, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(self.Conv(x))

    method = METHODS["lsq"]()
    model = method.prepare(Net(), torch.zeros(2, 2, 5, 5))
    with pytest.raises(QCompilerError, match="same name as"):
        method.finalize(model.eval(), np.zeros((2, 2, 5, 5), np.float32))
