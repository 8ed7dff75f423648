"""Activation quantizers: models that are written in other ways, and how steps start."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.ir import nn as ir
from qcompiler.quant.qat.activation import ActivationQuantizer
from qcompiler.quant.qat.insert import insert_activation_quantizers
from qcompiler.quant.qat.lsq import LSQ, LSQConfig

X = torch.randn(16, 2, 8, 8, generator=torch.Generator().manual_seed(3))


def quantizers(model: nn.Module) -> list[ActivationQuantizer]:
    return [m for m in model.modules() if isinstance(m, ActivationQuantizer)]


class Two(nn.Module):
    """Two convolutions whose results go through `join`."""

    def __init__(self, join: Any, outputs: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(2, 3, 1), nn.Conv2d(2, 3, 1)
        self.last = nn.Conv2d(outputs, 2, 1)
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.join(F.relu(self.a(x)), F.relu(self.b(x))))


def test_a_quiet_branch_does_not_clip_a_loud_one() -> None:
    net = Two(lambda a, b: torch.cat([a, b], 1), 6)
    with torch.no_grad():
        for parameter in net.b.parameters():
            parameter.mul_(0.01)
    (shared,) = quantizers(insert_activation_quantizers(net, 4, "lsq", X))
    peak = float(F.relu(net.a(X)).max())
    assert float(shared.step.detach()) * 15 > 0.3 * peak


@pytest.mark.parametrize("flat", ["size", "shape", "reshape"])
def test_flatten_by_sizes(flat: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(2, 3, 1), nn.Linear(192, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = F.relu(self.conv(x))
            if flat == "size":
                x = x.view(x.size(0), -1)
            elif flat == "shape":
                x = x.view(x.shape[0], -1)
            else:
                x = torch.reshape(x, (x.shape[0], -1))
            return self.fc(x)

    model = insert_activation_quantizers(Net(), 4, "lsq", X)
    assert [m.signed for m in quantizers(model)] == [False]
    assert model(X).shape == (16, 4)


def test_what_reads_the_mode_is_refused() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return F.dropout(self.fc(x), 0.5, self.training)

    with pytest.raises(QCompilerError, match=r"self\.training"):
        insert_activation_quantizers(Net(), 4, "lsq", torch.randn(4, 4))


def test_steps_of_a_fresh_network_fit_what_training_sees() -> None:
    """Running statistics of a batch norm that never ran say nothing."""
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3)
    )  # fmt: skip
    with torch.no_grad():
        net[0].weight.mul_(0.05)
    model = insert_activation_quantizers(net, 4, "lsq", X)
    (quantizer,) = quantizers(model)
    seen = F.relu(net[1].train()(net[0](X))).detach()
    clipped = (seen > float(quantizer.step.detach()) * 15.5).float().mean()
    assert 0 <= float(clipped) < 0.02


def test_modes_come_back_module_by_module() -> None:
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1)
    ).train()
    net[1].eval()
    buffers = {k: v.clone() for k, v in net.named_buffers()}
    model = LSQ(LSQConfig(activations=4)).prepare(net, X)
    modes = {type(m).__name__: m.training for m in model.modules()}
    assert modes["BatchNorm2d"] is False and modes["ReLU"] is True
    assert all((buffers[k] == v).all() for k, v in net.named_buffers() if k in buffers)


def test_a_subclass_of_a_layer_is_one() -> None:
    class Special(nn.Conv2d):
        pass

    net = nn.Sequential(Special(2, 4, 1), nn.ReLU(), Special(4, 2, 1))
    method = LSQ(LSQConfig(activations=4))
    model = method.prepare(net, X)
    assert len(quantizers(model)) == 1
    assert len(method.finalize(model.eval(), X.numpy()).layers) == 2


def test_trained_steps_of_an_addition_stay() -> None:
    net = Two(lambda a, b: a + b)
    method = LSQ(LSQConfig(activations=4))
    model = method.prepare(net, X)
    steps = sorted(float(q.step.detach().abs()) for q in quantizers(model))
    graph = method.finalize(model.eval(), X.numpy()).graph
    found = {round(float(graph.op(q).spec.step_in), 7) for q in graph.find(ir.Quantizer)}
    assert {round(s, 7) for s in steps} <= found
