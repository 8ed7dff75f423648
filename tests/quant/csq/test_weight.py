"""One layer's soft planes: how they start, settle and become integers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from qcompiler.quant.csq.config import CSQConfig
from qcompiler.quant.csq.weight import CSQWeight, subset_sums
from qcompiler.quant.qat.weights import attach, formed_layers, harden


def layer(config: CSQConfig, outputs: int = 4) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(5)
    module = nn.Sequential(nn.Conv2d(3, outputs, 3))
    weight = module[0].weight.detach().clone()
    attach(module, lambda shape: CSQWeight(shape, config))
    return module, weight


@pytest.mark.parametrize("beta", [0.5, 1.0, 20.0])
def test_starts_near_the_weight_at_any_temperature(beta: float) -> None:
    module, weight = layer(CSQConfig(budget=8, planes=8, slope=0.0))
    form = next(formed_layers(module)).form
    form.beta.fill_(beta)
    got = module[0].weight
    ratio = float((got * weight).sum() / weight.square().sum())
    assert ratio == pytest.approx(1, abs=0.02)
    assert float((got - ratio * weight).abs().max()) < float(weight.abs().max()) / 200


def test_place_values_do_not_train() -> None:
    module, _ = layer(CSQConfig())
    assert "places" in next(formed_layers(module)).form.state_dict()
    assert len(list(module.parameters())) == 4  # bias, P and M, m, s


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), planes=st.integers(1, 8), groups=st.sampled_from([1, 2, 4]))
def test_integers_are_the_hard_weight(seed: int, planes: int, groups: int) -> None:
    """Equation CSQ-3 in float64, whatever planes survive."""
    module, _ = layer(CSQConfig(budget=1, planes=planes, groups=groups))
    found = next(formed_layers(module))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in found.originals[:2]:
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
    bits, _, scale = (t.detach().double() for t in found.originals)
    on = found.live()
    assert on.any(dim=1).all()  # no group dies
    places = 2.0 ** torch.arange(planes).double() / (2**planes - 1)
    digit = ((bits[0] > 0).double() - (bits[1] > 0).double()).reshape(planes, groups, -1)
    wanted = torch.einsum("gn,ngr->gr", on * places * scale, digit)
    codes, step = found.integers()
    np.testing.assert_allclose(codes * step, wanted.reshape(codes.shape), rtol=1e-12)
    harden(module)
    shape = (-1, 1, 1, 1)
    torch.testing.assert_close(module[0].weight, (codes * step.reshape(shape)).float())


def test_a_layer_without_gates_keeps_its_strongest() -> None:
    module, _ = layer(CSQConfig(groups=2))
    found = next(formed_layers(module))
    with torch.no_grad():
        found.originals[1].copy_(-torch.arange(1.0, 17).reshape(2, 8))
    assert found.live().tolist() == [[True] + [False] * 7] * 2
    assert int(found.integers()[0].abs().max()) == 1


def test_negative_scale_becomes_negative_codes() -> None:
    module, _ = layer(CSQConfig())
    found = next(formed_layers(module))
    codes, step = found.integers()
    with torch.no_grad():
        found.originals[2].neg_()
    flipped, same = found.integers()
    assert (flipped == -codes).all() and same == step


def test_fixing_takes_the_nearest_digits() -> None:
    """On chosen planes no other digits are nearer to the weight that training had reached."""
    module, _ = layer(CSQConfig(budget=3))
    found = next(formed_layers(module))
    soft = module[0].weight.detach().clone()
    live = torch.tensor([[False, False, True, False, False, True, True, False]])
    found.form.fix(live, *found.originals)
    assert (found.live() == live).all()
    codes, step = found.integers()
    sums = subset_sums(live[0]) / 4  # the lowest live plane counts one
    assert set(codes.abs().unique().tolist()) <= set(sums.tolist())
    nearest = (soft.abs().double().reshape(-1, 1) - sums.double() * step).abs().min(dim=1).values
    off = (soft.double() - codes * step).abs().reshape(-1)
    torch.testing.assert_close(off, nearest, rtol=1e-4, atol=1e-6)
    found.form.beta.fill_(1e4)
    torch.testing.assert_close(module[0].weight.double(), codes * step, rtol=1e-5, atol=1e-6)


def test_momentum_cannot_move_fixed_gates() -> None:
    module, _ = layer(CSQConfig())
    found = next(formed_layers(module))
    found.form.fix(found.live(), *found.originals)
    before = found.live()
    with torch.no_grad():
        found.originals[1].neg_()
    assert (found.live() == before).all()
