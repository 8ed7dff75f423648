"""From a trained torch model to a graph that computes with exactly the trained codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.ir import integer
from qcompiler.ir import nn as ir
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.quant.csq import CSQ, CSQConfig
from qcompiler.quant.qat.activation import ActivationQuantizer, FrozenQuantizer
from qcompiler.quant.qat.bsq import BSQ, BSQConfig
from qcompiler.quant.qat.insert import insert_activation_quantizers
from qcompiler.quant.qat.lsq import LSQ, LSQConfig
from qcompiler.quant.qat.method import Method
from qcompiler.quant.qat.weights import formed_layers
from qcompiler.reference.integer import IntegerReference
from qcompiler.reference.nn import run_nn


class Net(nn.Module):
    """Residual, projection, concat, pool, and functional ReLUs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.stem = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.left = nn.Conv2d(4, 4, 3, padding=1)
        self.shortcut = nn.Conv2d(4, 4, 1)
        self.deep = nn.Conv2d(8, 6, 3, stride=2)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)))
        y = F.relu(self.left(x) + self.shortcut(x))
        z = torch.cat([x, y], 1)
        return self.fc(F.relu(self.deep(z)).mean((2, 3)))


METHODS: dict[str, Any] = {
    "csq": lambda a: CSQ(CSQConfig(budget=3, activations=a)),
    "csq-groups": lambda a: CSQ(CSQConfig(budget=2, activations=a, groups=2)),
    "lsq": lambda a: LSQ(LSQConfig(bits=3, activations=a)),
    "bsq": lambda a: BSQ(BSQConfig(strength=0.1, activations=a)),
}


def trained(method: Method, steps: int = 20) -> tuple[nn.Module, np.ndarray[Any, Any]]:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(16, 2, 8, 8, generator=generator)
    labels = torch.randint(0, 3, (16,), generator=generator)
    model = method.prepare(Net(), x).train()
    groups = method.parameter_groups(model, 1e-4)
    for group in groups:
        group["lr"] = 0.02 * group.pop("lr_scale", 1.0)
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    for step in range(steps):
        method.begin_step(model, step / steps)
        loss = F.cross_entropy(model(x), labels)
        penalty = method.penalty(model)
        optimizer.zero_grad()
        (loss if penalty is None else loss + penalty).backward()
        optimizer.step()
        if step % 8 == 7:
            method.end_epoch(model, step / steps)
    method.begin_step(model, 1.0)
    return model.eval(), x.numpy()


@pytest.mark.parametrize("activations", [0, 4])
@pytest.mark.parametrize("name", METHODS)
def test_codes_survive_to_the_integer_graph(name: str, activations: int) -> None:
    method = METHODS[name](activations)
    model, x = trained(method)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    result = method.finalize(model, x)
    assert all((before[k] == v).all() for k, v in model.state_dict().items())
    graph = run_passes(result.graph, [Integerize("exact")])
    wanted = {layer.name: layer.integers()[0].numpy() for layer in formed_layers(model)}
    assert len(wanted) == 5
    for layer, codes in wanted.items():
        op = graph.op(layer)
        assert isinstance(op, integer.Conv)
        assert (op.weight.reshape(-1) == codes.reshape(-1)).all()
    reference = IntegerReference(graph)
    got = reference.decode(reference(reference.encode(x)))
    fake = run_nn(result.graph, torch.from_numpy(x), dtype=torch.float64)
    np.testing.assert_allclose(got.reshape(16, -1), fake.numpy().reshape(16, -1), atol=1e-9)
    with torch.no_grad():
        soft = model(torch.from_numpy(x)).numpy()
    noise = np.square(got.reshape(16, -1) - soft).mean() / soft.var()
    assert noise < (0.02 if activations == 0 else 0.1)


def test_trained_steps_are_in_the_graph() -> None:
    method = METHODS["lsq"](4)
    model, x = trained(method)
    steps = {
        float(m.step.detach().abs()) for m in model.modules() if isinstance(m, ActivationQuantizer)
    }
    graph = method.finalize(model, x).graph
    found = {float(graph.op(q).spec.step_in) for q in graph.find(ir.Quantizer)}
    widths = {graph.op(q).spec.hi for q in graph.find(ir.Quantizer)}
    assert {round(s, 6) for s in steps} <= {round(s, 6) for s in found}
    assert 15 in widths


def test_sites_of_activation_quantizers() -> None:
    """Behind each ReLU, shared where a concat joins, and in front of the last layer."""
    model = insert_activation_quantizers(Net(), 4, "lsq", torch.randn(8, 2, 8, 8))
    found = [m for m in model.modules() if isinstance(m, ActivationQuantizer)]
    calls = [n for n in model.graph.nodes if str(n.target).startswith("quantize_")]
    assert len(found) == 3 and len(calls) == 4  # two ReLUs in front of the concat share one
    assert not any(m.signed for m in found)
    assert all(float(m.step) != 1 for m in found)


def test_signed_where_no_relu_is() -> None:
    layers = nn.Conv2d(2, 4, 1), nn.Conv2d(4, 2, 1), nn.Hardtanh(0, 6), nn.Conv2d(2, 2, 1)
    net = nn.Sequential(*layers)
    model = insert_activation_quantizers(net, 3, "pact", torch.randn(8, 2, 4, 4))
    found = [m for m in model.modules() if isinstance(m, ActivationQuantizer)]
    assert [(m.signed, m.lo, m.hi) for m in found] == [(True, -3, 3), (False, 0, 7)]


def test_untraceable_model_is_refused_with_a_way_out() -> None:
    class Branches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(QCompilerError, match=r"torch\.fx cannot trace(.|\n)*--activations 0"):
        insert_activation_quantizers(Branches(), 4, "lsq", torch.zeros(1, 2))


def test_frozen_quantizer_is_the_trained_one() -> None:
    for signed in (False, True):
        trained = ActivationQuantizer(4, signed)
        values = torch.randn(1000, generator=torch.Generator().manual_seed(1))
        trained.start(values)
        torch.testing.assert_close(FrozenQuantizer(trained)(values), trained(values))


def test_start_is_the_least_error() -> None:
    values = torch.randn(5000, generator=torch.Generator().manual_seed(2)).abs()
    quantizer = ActivationQuantizer(2, False)
    quantizer.start(values)
    best = float((quantizer(values) - values).detach().square().mean())
    for factor in (0.7, 0.85, 1.2, 1.5):
        other = ActivationQuantizer(2, False)
        with torch.no_grad():
            other.step.copy_(quantizer.step * factor)
        assert float((other(values) - values).detach().square().mean()) > best


@pytest.mark.parametrize("kind", ["lsq", "pact"])
def test_activation_gradients(kind: str) -> None:
    """Inside the range the input's gradient passes, outside only the step's does."""
    quantizer = ActivationQuantizer(2, False, kind)
    with torch.no_grad():
        quantizer.step.fill_(0.5)
    x = torch.tensor([[-1.0, 0.6, 9.0]], requires_grad=True)
    quantizer(x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[0.0, 1.0, 0.0]]
    assert quantizer.step.grad is not None
    rounding = 1 - 0.6 / 0.5 if kind == "lsq" else 0.0
    scale = 1 / (3 * 3) ** 0.5 if kind == "lsq" else 1.0
    assert float(quantizer.step.grad) == pytest.approx((rounding + 3) * scale, abs=1e-6)


def test_weights_that_cannot_be_prepared() -> None:
    method = METHODS["lsq"](0)
    x = torch.zeros(2, 2, 8, 8)
    with pytest.raises(QCompilerError, match="no Conv2d and no Linear"):
        method.prepare(nn.Sequential(nn.ReLU()), x)
    model = method.prepare(Net(), x)
    with pytest.raises(QCompilerError, match="parametrization already"):
        method.prepare(model, x)
    spoiled = Net()
    with torch.no_grad():
        spoiled.left.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(QCompilerError, match=r"left: its weight holds NaN"):
        method.prepare(spoiled, x)
    tied = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    tied[1].weight = tied[0].weight
    with pytest.raises(QCompilerError, match="shares its weight"):
        method.prepare(tied, torch.zeros(1, 4))


def test_layer_used_twice_is_refused() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(F.relu(self.conv(x)))

    method = METHODS["lsq"](0)
    x = torch.randn(4, 2, 4, 4)
    model = method.prepare(Twice(), x)
    with pytest.raises(QCompilerError, match="exactly once"):
        method.finalize(model.eval(), x.numpy())


def test_unsettled_weights_are_refused() -> None:
    method = METHODS["csq"](0)
    x = torch.randn(4, 2, 8, 8)
    model = method.prepare(Net(), x)
    with pytest.raises(QCompilerError, match="not yet the digits"):
        method.finalize(model.eval(), x.numpy())
