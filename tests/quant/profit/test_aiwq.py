"""AIWQ: the divergence, the layer's own padding, and thirds."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from qcompiler.errors import QCompilerError
from qcompiler.models.mobilenet_parts import NegativePad2d
from qcompiler.quant.profit.aiwq import (
    Sampler,
    Stability,
    assign_thirds,
    divergence,
    duq_form,
    is_depthwise,
    ranking,
    stability_of,
)
from qcompiler.quant.profit.duq import DuQWeight
from qcompiler.quant.qat.weights import FormedLayer, attach, formed_layers


def by_hand(new: Tensor, old: Tensor) -> float:
    """KL of Gaussians fitted to each channel, by torch.distributions."""
    (m, s), (n, t) = ((y.mean((0, 2, 3)), y.std((0, 2, 3), correction=0)) for y in (new, old))
    return float(kl_divergence(Normal(m, s), Normal(n, t)).mean())


def measured(net: nn.Module) -> FormedLayer:
    """The one layer of a network, at 4 bits and ready to be measured."""
    attach(net, DuQWeight)
    (layer,) = formed_layers(net)
    form = duq_form(layer)
    form.stability = Stability(form.shape)
    form.quantize(4, *layer.originals)
    return layer


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_divergence() -> None:
    new, old = drawn(8, 3, 5, 5), 1.1 * drawn(8, 3, 5, 5) + 0.2
    assert divergence(new, old) == pytest.approx(by_hand(new.double(), old.double()), rel=1e-4)
    assert divergence(new, new) == 0
    channels_last = [t.contiguous(memory_format=torch.channels_last) for t in (new, old)]
    assert divergence(*channels_last) == pytest.approx(divergence(new, old), rel=1e-4)
    new[:, 1] = 3.0  # a constant channel is left out
    assert divergence(new, old) == pytest.approx(
        by_hand(new[:, ::2].double(), old[:, ::2].double()), rel=1e-4
    )
    assert divergence(torch.zeros(2, 3, 4, 4), old) == 0


def test_measured_with_the_layers_own_padding() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(NegativePad2d(1), nn.Conv2d(4, 4, 3, groups=4, bias=False)).train()
    layer = measured(net)
    assert is_depthwise(layer)
    sampler = Sampler([layer])
    x = F.hardswish(drawn(6, 4, 5, 5))
    before = net[1].weight.detach().clone()
    net(x)
    assert float(stability_of(layer).count) == 0  # nothing to compare with yet
    with torch.no_grad():
        layer.originals[0].add_(0.1 * drawn(4, 1, 3, 3, seed=1))
    net(x)
    after = net[1].weight.detach().clone()
    assert not torch.equal(before, after)
    ring = F.pad(x, (1, 1, 1, 1), value=-0.375)
    new, old = (F.conv2d(ring, w, groups=4).double() for w in (after, before))
    expected = by_hand(new, old)
    assert stability_of(layer).mean == pytest.approx(expected, rel=1e-3) and expected > 1e-3
    flawed = by_hand(new, F.conv2d(x, before, groups=4, padding=1).double())
    assert abs(flawed - expected) > 0.1 * expected  # zeros around would be seen
    sampler.stop()
    with torch.no_grad():
        layer.originals[0].mul_(1.2)
    net(x)
    assert float(stability_of(layer).count) == 1


def test_padding_of_the_module_itself() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect")).train()
    layer = measured(net)
    Sampler([layer])
    x = drawn(4, 2, 6, 6)
    before = net[0].weight.detach().clone()
    net(x)
    with torch.no_grad():
        layer.originals[0].add_(0.1 * drawn(3, 2, 3, 3, seed=1))
    new = net(x).detach().double()
    ring = F.pad(x, (1, 1, 1, 1), mode="reflect")
    old = F.conv2d(ring, before, net[0].bias).detach().double()
    assert stability_of(layer).mean == pytest.approx(by_hand(new, old), rel=1e-3)


def test_nothing_is_measured_in_eval_and_what_explodes_is_left_out() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 1, bias=False)).train()
    layer = measured(net)
    Sampler([layer])
    x = drawn(4, 2, 6, 6)
    net.eval()(x)
    with torch.no_grad():
        net.train()(x)
    assert not bool(stability_of(layer).held)
    net(x)
    with torch.no_grad():
        layer.originals[2].add_(9)  # ten times the output: a divergence far above 1
    net(x)
    assert float(stability_of(layer).count) == 0 and stability_of(layer).mean == 1


def test_another_width_forgets() -> None:
    stability = Stability(torch.Size([2, 2, 1, 1]))
    stability.begin(4)
    stability.total += 3
    stability.count += 4
    stability.third.fill_(1)
    stability.begin(4)
    assert stability.mean == 0.75 and int(stability.third) == 1
    stability.begin(3)
    assert float(stability.count) == 0 and int(stability.third) == -1


def test_thirds() -> None:
    net = nn.Sequential(*(nn.Conv2d(1, 1, 1) for _ in range(8)))
    attach(net, DuQWeight)
    layers = list(formed_layers(net))
    for k, layer in enumerate(layers):
        duq_form(layer).stability = Stability(torch.Size([1, 1, 1, 1]))
        stability_of(layer).count += 1
        stability_of(layer).total += (k * 5 % 8) / 10
    with pytest.raises(QCompilerError, match="no step measured"):
        assign_thirds(layers)
    for layer in layers:
        stability_of(layer).held.fill_(True)
    assign_thirds(layers)
    order = ranking(layers)
    means = [stability_of(layer).mean for layer in order]
    assert means == sorted(means, reverse=True)
    thirds = [int(stability_of(layer).third) for layer in order]
    assert thirds == [0, 0, 1, 1, 1, 2, 2, 2]  # order[:L/3], order[L/3:2L/3], the rest
    stability_of(order[0]).held.fill_(False)  # the others are cut in three without it
    stability_of(order[0]).third.fill_(-1)
    assign_thirds(layers)
    assert order[0] not in ranking(layers)
    thirds = [int(stability_of(layer).third) for layer in order]
    assert thirds == [-1, 0, 0, 1, 1, 2, 2, 2]


def test_an_output_of_one_pixel_is_not_measured() -> None:
    """Such as of the 1x1 convolutions of a squeeze-and-excite, which are linear layers."""
    net = nn.Sequential(nn.Conv2d(2, 3, 1)).train()
    layer = measured(net)
    Sampler([layer])
    for step in range(3):
        with torch.no_grad():
            layer.originals[0].add_(0.1)
        net(drawn(4, 2, 1, 1, seed=step))
    assert not bool(stability_of(layer).held) and not ranking([layer])
    net(drawn(4, 2, 1, 2))
    assert ranking([layer]) == [layer]
