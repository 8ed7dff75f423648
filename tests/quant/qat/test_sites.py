"""Activation quantizers: models that are written in other ways, and how steps start."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from qcompiler.errors import QCompilerError
from qcompiler.ir import nn as ir
from qcompiler.models.mobilenet_parts import NegativePad2d, SqueezeExcite
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.quant.qat.activation import ActivationQuantizer
from qcompiler.quant.qat.insert import insert_activation_quantizers
from qcompiler.quant.qat.lsq import LSQ, LSQConfig
from qcompiler.quant.qat.sites import Sites, Values
from qcompiler.reference.integer import IntegerReference
from qcompiler.reference.nn import run_nn

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


# ---- MobileNets ---------------------------------------------------------------------------


class Bottlenecks(nn.Module):
    """Linear bottlenecks around an addition, then squeeze-and-excite in front of a projection."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.reduce = nn.Conv2d(2, 4, 1)
        self.expand, self.shrink = nn.Conv2d(4, 8, 1), nn.Conv2d(8, 4, 1)
        self.wide = nn.Conv2d(4, 8, 1)
        self.squeeze = SqueezeExcite(8, 4)
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        x = x + self.shrink(F.relu6(self.expand(x)))
        return self.last(self.squeeze(F.relu(self.wide(x))))


def sites(net: nn.Module) -> dict[str, tuple[set[str], Values]]:
    """Of each site: its nodes, who reads the codes, and what is known."""
    traced = fx.symbolic_trace(net)
    return {
        "+".join(n.name for n in site.nodes): (
            {user.name for users in site.users for user in users},
            site.values,
        )
        for site in Sites(traced).find()
    }


def test_additions_get_what_is_in_a_linear_bottleneck_and_products_are_left_alone() -> None:
    found = sites(Bottlenecks())
    assert {name: users for name, (users, _) in found.items()} == {
        "reduce": {"expand"},  # the addition reads it unquantized
        "relu6": {"shrink"},
        "add": {"wide"},
        "squeeze_avgpool": {"squeeze_fc1"},  # not the ReLU that it and the product read
        "squeeze_activation": {"squeeze_fc2"},
        "mul": {"last"},
    }
    positive = {name for name, (_, values) in found.items() if values.positive}
    assert positive == {"relu6", "squeeze_avgpool", "squeeze_activation", "mul"}


class Swish(nn.Module):
    """h-swish in front of a padded layer and a 1x1 layer."""

    def __init__(self, pad: nn.Module | None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.act = nn.Conv2d(2, 4, 1), nn.Hardswish()
        self.pad = pad or nn.Identity()
        self.deep = nn.Conv2d(4, 4, 3, padding=int(pad is None))
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.deep(self.pad(self.act(self.stem(x))))))


@pytest.mark.parametrize(
    ("pad", "border"),
    [(None, 0.0), (NegativePad2d(1), -0.375), (nn.ConstantPad2d(1, -0.375), -0.375),
     (nn.ZeroPad2d(1), 0.0)],
)  # fmt: skip
def test_the_form_of_an_hswish_follows_its_border(pad: nn.Module | None, border: float) -> None:
    found = list(sites(Swish(pad)).values())
    assert [(v.swish, v.positive, v.borders) for _, v in found] == [
        (True, False, {border}),
        (True, False, frozenset()),
    ]
    model = insert_activation_quantizers(Swish(pad), 4, "lsq", X)
    padded, plain = quantizers(model)
    assert (padded.offset, padded.signed) == ((-0.375, False) if border else (0.0, True))
    assert (plain.offset, plain.signed) == (-0.375, False)  # there is no border at all


def test_lsq_with_negative_padding_ends_in_integers() -> None:
    method = LSQ(LSQConfig(bits=4, activations=4))
    model = method.prepare(Swish(NegativePad2d(1)), X).eval()
    result = method.finalize(model, X.numpy())
    integers = IntegerReference(run_passes(result.graph, [Integerize("exact")]))
    got = integers.decode(integers(integers.encode(X.numpy())))
    fake = run_nn(result.graph, X, dtype=torch.float64).numpy()
    assert abs(got - fake).max() == 0
    assert {float(result.graph.op(q).spec.offset) for q in result.graph.find(ir.Quantizer)} == {
        0.0, -0.375,
    }  # fmt: skip
