"""The phases of CSQ around an ordinary loop."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from qcompiler.quant.csq import CSQ, CSQConfig
from qcompiler.quant.csq.budget import csq_layers


def beta(model: nn.Module) -> float:
    return float(csq_layers(model)[0].form.beta)


def model_of(method: CSQ) -> nn.Module:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    return method.prepare(net, torch.zeros(4, 6))


def test_temperature_rises_by_a_power_law_and_starts_again() -> None:
    method = CSQ(CSQConfig(search=0.5, temperature=(1.0, 100.0), rewind=10.0))
    model = model_of(method)
    found = []
    for done in (0.0, 0.25, 0.49999, 0.5, 0.75, 1.0):
        method.begin_step(model, done)
        found.append(beta(model))
    assert found == pytest.approx([1, 10, 100, 10, 31.623, 100], rel=1e-3)


def test_gates_are_fixed_once_and_the_budget_is_met() -> None:
    method = CSQ(CSQConfig(budget=3.0, search=0.5))
    model = model_of(method)
    method.begin_step(model, 0.3)
    assert method.penalty(model) is not None
    method.begin_step(model, 0.5)
    assert method.penalty(model) is None
    chosen = [layer.live() for layer in csq_layers(model)]
    bits = [layer.originals[0].detach().clone() for layer in csq_layers(model)]
    method.begin_step(model, 0.6)
    for layer, live, before in zip(csq_layers(model), chosen, bits, strict=True):
        assert (layer.live() == live).all()
        assert (layer.originals[0] == before).all()  # not started over again
    assert method.columns(model)["bits"] == pytest.approx(3.0, abs=0.35)  # two layers: coarse


def test_a_state_dict_restores_the_phase() -> None:
    """What a checkpoint holds is enough, in the search and behind it."""
    for done in (0.2, 0.9):
        method = CSQ(CSQConfig(budget=2.0, search=0.5))
        model = model_of(method)
        for step in (0.0, done):
            method.begin_step(model, step)
        other = CSQ(CSQConfig(budget=2.0, search=0.5))
        copy = model_of(other)
        copy.load_state_dict(model.state_dict())
        other.begin_step(copy, done)
        x = torch.randn(5, 6)
        assert torch.equal(copy(x), model(x))
        assert other.columns(copy) == method.columns(model)


@pytest.mark.parametrize("groups", [1, 4])
def test_training_lands_on_the_budget_and_hardens_for_free(groups: int) -> None:
    """Soft and hard network agree at the end; the task is still learned."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, 6, generator=generator)
    labels = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    method = CSQ(CSQConfig(budget=3.0, groups=groups, strength=0.1))
    model = model_of(method)
    optimizer = torch.optim.SGD(method.parameter_groups(model, 0.0), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 400)
    for step in range(400):
        method.begin_step(model, step / 400)
        loss = F.cross_entropy(model(x), labels)
        penalty = method.penalty(model)
        optimizer.zero_grad()
        (loss if penalty is None else loss + penalty).backward()
        optimizer.step()
        schedule.step()
    method.begin_step(model, 1.0)
    with torch.no_grad():
        soft = float((model(x).argmax(1) == labels).float().mean())
    result = method.finalize(model, x.numpy())
    assert result.gap < 0.05
    assert result.bits == pytest.approx(3.0, abs=0.35)
    assert soft > 0.85


def test_a_compiled_function_is_the_same() -> None:
    """torch.compile on layers of several shapes, forward and backward."""
    results = []
    x = torch.randn(3, 6, generator=torch.Generator().manual_seed(2))
    for compiled in (False, True):
        model = model_of(CSQ(CSQConfig(compile=compiled)))
        y = model(x)
        y.square().sum().backward()
        results.append([y.detach(), *(p.grad for p in model.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
