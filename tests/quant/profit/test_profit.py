"""PROFIT on small MobileNet-like networks: stages, freezing, and the integers at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.ir import nn as ir
from qcompiler.models.mobilenet_parts import ConvBNActivation, NegativePad2d, SqueezeExcite
from qcompiler.models.mobilenet_v2 import InvertedResidual
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.quant.profit import PROFIT, ProfitConfig
from qcompiler.quant.profit.aiwq import Sampler, stability_of
from qcompiler.quant.qat.activation import trained_quantizers
from qcompiler.quant.qat.lsq import LSQ, LSQConfig
from qcompiler.quant.qat.weights import formed_layers
from qcompiler.reference.integer import IntegerReference
from qcompiler.reference.nn import run_nn

STEPS = 100


class V2(nn.Module):
    """Stem, two inverted residuals, the second with a shortcut unless it is left out, head."""

    def __init__(self, shortcut: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = ConvBNActivation(3, 8, 3, activation=nn.ReLU6)
        self.one = InvertedResidual(8, 8, 2, 2)
        self.two = InvertedResidual(8, 8 if shortcut else 16, 1, 2)
        self.head = ConvBNActivation(8 if shortcut else 16, 16, 1, activation=nn.ReLU6)
        self.fc = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.head(self.two(self.one(self.stem(x))))
        logits: Tensor = self.fc(F.adaptive_avg_pool2d(y, 1).flatten(1))
        return logits


class V3(nn.Module):
    """h-swish, a depthwise layer that pads with -3/8, squeeze-and-excite, a linear 1x1."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = ConvBNActivation(3, 8, 3, activation=nn.Hardswish)
        self.depthwise = ConvBNActivation(
            8, 8, 3, 2, groups=8, activation=nn.Hardswish, pad=NegativePad2d(1)
        )
        self.squeeze = SqueezeExcite(8, 4)
        self.project = nn.Conv2d(8, 4, 1)
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.squeeze(self.depthwise(self.stem(x))))
        logits: Tensor = self.fc(F.adaptive_avg_pool2d(y, 1).flatten(1))
        return logits


def data(count: int = 32) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(7)
    return torch.randn(count, 3, 8, 8, generator=draws), torch.arange(count) % 4


def profit(**given: Any) -> PROFIT:
    return PROFIT(ProfitConfig(**{"bits": 4, "activations": 4, "sample_epochs": 10.0, **given}))


class Loop:
    """SGD as the trainer does it, step by step."""

    def __init__(self, method: PROFIT, net: nn.Module) -> None:
        self.method, (self.x, self.labels) = method, data()
        self.model = method.prepare(net, self.x).train()
        method.plan(STEPS)
        groups = [{"lr_scale": 1.0, **g} for g in method.parameter_groups(self.model, 1e-4)]
        self.optimizer = torch.optim.SGD(groups, lr=0.02, momentum=0.9)
        self.step = 0

    def until(self, index: int) -> nn.Module:
        """Train to the beginning of a stage, or to the end."""
        phase = self.method.phase
        while self.step < STEPS and phase(self.step / STEPS) < index:
            done = self.step / STEPS
            if self.step and phase(done) != phase((self.step - 1) / STEPS):
                self.optimizer.state.clear()
            for group in self.optimizer.param_groups:
                group["lr"] = 0.02 * group["lr_scale"] * self.method.rate(done)
            self.method.begin_step(self.model, done)
            loss = F.cross_entropy(self.model(self.x), self.labels)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            self.step += 1
        if self.step == STEPS:
            self.method.end_epoch(self.model, 1.0)
        return self.model

    def state(self) -> dict[str, Tensor]:
        return {k: v.detach().clone() for k, v in self.model.state_dict().items()}


# ---- stages ---------------------------------------------------------------------------------


def test_bits_go_down_and_scales_carry_over() -> None:
    loop = Loop(profit(freeze=False), V2())
    for layer in formed_layers(loop.model):
        layer.originals[0].data.mul_(2)  # as if they had been trained in float
    quantizers = trained_quantizers(loop.model)
    seen: list[tuple[int, int]] = []
    for k, phase in enumerate(loop.method.schedule.phases):
        before = loop.state()
        loop.method.begin_step(loop.model, loop.method.schedule.starts[k])
        after = loop.state()
        layer = next(formed_layers(loop.model))
        assert {int(q.bits) for q in quantizers} == {phase.activations}  # type: ignore[arg-type]
        assert int(layer.form.bits) == phase.weights  # type: ignore[arg-type]
        now = (phase.activations, phase.weights)
        changed = {name for name in after if not torch.equal(before[name], after[name])}
        if not seen or seen[-1] == now:
            assert not changed
        elif 0 in seen[-1] and seen[-1].count(0) > now.count(0):  # the first width starts them
            started = "quantize_" if not phase.weights else "parametrizations.weight.original"
            assert any(started in name for name in changed)
        else:  # bits alone
            assert {name.rsplit(".", 1)[1] for name in changed} == {"bits"}
        seen.append(now)
    assert seen[0] == (0, 0) and seen[-1] == (4, 4)


def test_stages_without_weights_move_the_rest() -> None:
    loop = Loop(profit(), V2())
    stages = [k for k, p in enumerate(loop.method.schedule.phases) if not p.trains and p.weights]
    loop.until(stages[0])
    before = loop.state()
    loop.until(stages[0] + 1)
    after = loop.state()
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert not any(name.endswith("weight.original0") for name in moved)
    for part in ("weight.original1", "weight.original2", ".a", ".c", "running_mean", "fc.bias"):
        assert any(name.endswith(part) for name in moved), part
    assert any(name.endswith("0.1.weight") for name in moved)  # a batch norm's


@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_weights_stay_to_the_bit_while_their_scales_train(freeze: bool) -> None:
    loop = Loop(profit(bits=3, staircase=False, bn_stages=False, freeze=freeze), V2())
    layers = [c for c in formed_layers(loop.model) if isinstance(c.module, nn.Conv2d)]
    last = len(loop.method.schedule.phases)
    for frozen, index in ((1, last - 2), (2, last - 1)):
        loop.until(index)
        before = loop.state()
        loop.until(index + 1)
        after = loop.state()
        for layer in layers:
            prefix = f"{layer.name}.parametrizations.weight.original"
            same = [torch.equal(before[f"{prefix}{k}"], after[f"{prefix}{k}"]) for k in range(2)]
            chosen = freeze and 0 <= int(stability_of(layer).third) < frozen
            assert same == [chosen, False], layer.name
        moved = {name for name in after if not torch.equal(before[name], after[name])}
        assert any(name.endswith("original2") for name in moved)  # batch norm hides some c
        norms = [n for n in after if n.endswith(("running_mean", "running_var"))]
        assert not any(torch.equal(before[n], after[n]) for n in norms)
        assert not torch.equal(
            before["fc.parametrizations.weight.original0"],
            after["fc.parametrizations.weight.original0"],
        )
    if not freeze:
        assert not loop.method.layer_columns(loop.model)
        return
    thirds = [int(stability_of(layer).third) for layer in layers]
    count = len(layers)
    assert thirds.count(0) == count // 3 and thirds.count(2) == count - 2 * count // 3
    rows = loop.method.layer_columns(loop.model)
    assert sorted(row["rank"] for row in rows.values()) == list(range(1, count + 1))
    assert rows["one.conv.1.0"]["depthwise"] == 1 and rows["head.0"]["depthwise"] == 0
    by_rank = sorted(rows.values(), key=lambda row: row["rank"])
    assert [row["aiwq"] for row in by_rank] == sorted((r["aiwq"] for r in by_rank), reverse=True)


def test_squeeze_and_excite_is_never_frozen() -> None:
    loop = Loop(profit(), V3())
    rows = loop.method.layer_columns(loop.until(99))
    convolutions = [c.name for c in formed_layers(loop.model) if isinstance(c.module, nn.Conv2d)]
    excites = [name for name in convolutions if name.startswith("squeeze")]
    assert len(excites) == 2 and set(rows) == set(convolutions) - set(excites)
    assert sorted(row["third"] for row in rows.values()) == [1, 2, 3]


def test_a_layer_of_which_every_divergence_is_left_out_is_in_the_log() -> None:
    """It ranks first; so the log must show it."""
    method = profit()
    model = method.prepare(V2(), data()[0])
    layers = [c for c in formed_layers(model) if isinstance(c.module, nn.Conv2d)]
    assert not method.layer_columns(model)
    for layer in layers[:2]:
        stability_of(layer).held.fill_(True)
    stability_of(layers[0]).count.fill_(1)
    assert [row["aiwq"] for row in method.layer_columns(model).values()] == [1, 0]


def test_nothing_is_measured_after_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sampling doubles a step's time, and would move the ranking on."""
    stops: list[int] = []
    stop = Sampler.stop

    def counted(self: Sampler) -> None:
        stops.append(loop.step)
        stop(self)

    monkeypatch.setattr(Sampler, "stop", counted)
    loop = Loop(profit(), V2())
    (index,) = (k for k, p in enumerate(loop.method.schedule.phases) if p.samples)
    loop.until(index + 1)
    measured = [c for c in formed_layers(loop.model) if isinstance(c.module, nn.Conv2d)]
    assert all(c.module._forward_hooks for c in measured) and not stops
    first = loop.step
    loop.until(index + 2)
    assert stops == [first] and not any(c.module._forward_hooks for c in measured)


def test_activations_left_to_calibration() -> None:
    loop = Loop(profit(activations=0), V2())
    assert not trained_quantizers(loop.model)
    result = loop.method.finalize(loop.until(99).eval(), loop.x.numpy())
    assert result.bits == 3 and result.gap < 1e-3


@pytest.mark.parametrize("weight", [None, 0.5])
@pytest.mark.parametrize(("kind", "config"), [(PROFIT, ProfitConfig), (LSQ, LSQConfig)])
def test_a_teacher_pulls_the_outputs(kind: Any, config: Any, weight: float | None) -> None:
    torch.manual_seed(1)
    teacher = V2().train()
    given = {"teacher": "a:b", "teacher_weights": "c.pt", "distill": weight}
    method = kind(config(bits=4, **given), teacher)
    assert not teacher.training and not any(p.requires_grad for p in teacher.parameters())
    x, _ = data()
    logits = torch.randn(32, 4, requires_grad=True)
    loss = method.distillation(x, logits)
    assert loss is not None
    soft, ours = teacher(x).softmax(1), logits.log_softmax(1)
    share = weight or 1.0
    assert float(loss.detach()) == pytest.approx(
        -share * float((soft * ours).sum(1).mean().detach()), rel=1e-5
    )
    loss.backward()
    expected = share * (logits.softmax(1) - soft) / 32
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, expected.detach(), rtol=1e-4, atol=1e-7)
    assert kind(config(bits=4)).distillation(x, logits) is None


def test_a_teacher_gets_plain_layout() -> None:
    teacher = nn.Sequential(Flat(), nn.Linear(192, 4))
    x, _ = data()
    loss = PROFIT(ProfitConfig(bits=4), teacher).distillation(
        x.contiguous(memory_format=torch.channels_last), torch.zeros(32, 4)
    )
    assert float(loss) == pytest.approx(np.log(4), rel=1e-5)  # type: ignore[arg-type]


class Flat(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.view(len(x), -1)  # refuses channels_last


# ---- integers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [3, 4])
@pytest.mark.parametrize("net", ["v2", "v2 without shortcut", "v3"])
def test_integers_are_what_trained(net: str, bits: int) -> None:
    made = V3() if net == "v3" else V2(shortcut=net == "v2")
    loop = Loop(profit(bits=bits, activations=bits), made)
    model = loop.until(99).eval()
    x = loop.x.numpy()
    result = loop.method.finalize(model, x)
    graph = run_passes(result.graph, [Integerize("exact")])
    for layer in formed_layers(model):
        op: Any = graph.op(layer.name.replace(".", "_"))
        codes = layer.integers()[0].numpy()
        assert (op.weight.reshape(-1) == codes.reshape(-1)).all()
        assert np.abs(codes).max() <= 2 ** (bits - 1) - 1
    reference = IntegerReference(graph)
    seen = reference.encode(x)
    got = reference.decode(reference(seen)).reshape(len(x), -1)
    fake = run_nn(result.graph, torch.from_numpy(x), dtype=torch.float64).numpy()
    assert np.abs(got - fake.reshape(got.shape)).max() == 0  # not one code differs
    specs = [result.graph.op(q).spec for q in result.graph.find(ir.Quantizer)]
    for quantizer in trained_quantizers(model):
        trained = quantizer.spec()
        assert any(
            float(s.step_in) == float(trained.step_in)
            and float(s.step_out) == float(trained.step_out)
            and float(s.offset) == float(trained.offset)
            and (s.lo, s.hi) == (trained.lo, trained.hi)
            for s in specs
        )
    if net == "v3":
        assert [float(s.offset) for s in specs].count(-0.375) == 1
    if net == "v2 without shortcut":
        exact_decisions(model, result.graph, x, got)


def exact_decisions(
    model: nn.Module, graph: Any, x: np.ndarray[Any, Any], got: np.ndarray[Any, Any]
) -> None:
    """All values have trained quantizers: torch's model, in float64, comes to the same outputs."""
    first, last = (graph.op(q).spec for q in (graph.find(ir.Quantizer)[0],
                                              graph.find(ir.Quantizer)[-1]))  # fmt: skip
    step = float(first.step_in)
    images = (torch.from_numpy(x).double() / step).round().clamp(first.lo, first.hi) * step
    with torch.no_grad():
        logits = model.double()(images).numpy()
    out = float(last.step_in)
    codes = np.rint((logits - float(last.offset)) / out).clip(last.lo, last.hi)
    assert np.array_equal(codes, np.rint((got - float(last.offset)) / out))
