"""DuQ: gradients against finite differences, where scales start, how bits change, what exports."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.quant.profit.duq import (
    DuQ,
    DuQActivation,
    DuQWeight,
    inverse_softplus,
    softplus,
)
from qcompiler.quant.qat.activation import FrozenQuantizer
from qcompiler.quant.qat.weights import attach, formed_layers
from qcompiler.reference.quantizer import fake_quantize

CODES = {"unsigned": (0, 15, 0.0), "symmetric": (-7, 7, 0.0), "hswish": (0, 15, -0.375)}


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def raws(a: float, c: float) -> tuple[Tensor, Tensor]:
    pair = (torch.tensor(inverse_softplus(v), dtype=torch.float64) for v in (a, c))
    return tuple(t.requires_grad_() for t in pair)  # type: ignore[return-value]


def by_autograd(x: Tensor, a: Tensor, c: Tensor, lo: int, hi: int, offset: float) -> Tensor:
    """The definition, with rounding as identity for gradients."""
    clip, scale = nn.functional.softplus(a), nn.functional.softplus(c)
    inside = ((x - offset) / clip).clamp(lo / hi, 1)
    rounded = (inside * hi).round() / hi
    return scale * (inside + (rounded - inside).detach()) + offset


@pytest.mark.parametrize("form", CODES)
@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "sliced"])
def test_gradients_are_those_of_the_definition(form: str, layout: str) -> None:
    lo, hi, offset = CODES[form]
    x = drawn(3, 4, 5, 6)
    if layout == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
    elif layout == "sliced":
        x = drawn(3, 4, 5, 12)[..., ::2]
    upstream = drawn(*x.shape, seed=1)
    found = []
    for function in (DuQ.apply, by_autograd):
        leaves = (x.detach().clone().requires_grad_(), *raws(1.3, 1.1))
        y = function(*leaves, lo, hi, offset)
        y.backward(upstream)
        found.append((y.detach(), *(leaf.grad for leaf in leaves)))
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("form", CODES)
def test_what_comes_next_may_work_in_place(form: str) -> None:
    lo, hi, offset = CODES[form]
    found = []
    for inplace in (True, False):
        leaves = (drawn(50).requires_grad_(), *raws(1.3, 1.1))
        y = nn.functional.hardswish(DuQ.apply(*leaves, lo, hi, offset), inplace=inplace)
        y.mul_(2).square().sum().backward()
        found.append([leaf.grad for leaf in leaves])
    for one, other in zip(*found, strict=True):
        assert one is not None and torch.equal(one, other)


@pytest.mark.parametrize("form", CODES)
def test_gradients_of_scales_by_finite_differences(form: str) -> None:
    """Of the soft quantizer ``c'·clip((x-d)/a') + d``, which rounding passes gradients of."""
    lo, hi, offset = CODES[form]
    x, upstream = drawn(200) + 0.5, drawn(200, seed=1)

    def soft(a: float, c: float) -> float:
        y = c * ((x - offset) / a).clamp(lo / hi, 1) + offset
        return float((y * upstream).sum())

    a, c = raws(1.3, 1.1)
    (DuQ.apply(x, a, c, lo, hi, offset) * upstream).sum().backward()
    slope = 1 - math.exp(-1.3), 1 - math.exp(-1.1)  # sigmoid of the raw parameter
    h = 1e-6
    da = (soft(1.3 + h, 1.1) - soft(1.3 - h, 1.1)) / (2 * h)
    assert a.grad is not None and float(a.grad) == pytest.approx(da * slope[0], rel=1e-5)
    # the output scale's gradient is that of rounded values
    rounded = (((x - offset) / 1.3).clamp(lo / hi, 1) * hi).round() / hi
    dc = float((rounded * upstream).sum()) * slope[1]
    assert c.grad is not None and float(c.grad) == pytest.approx(dc, rel=1e-9)


def test_softplus_and_its_inverse() -> None:
    for value in (1e-2, 0.3, 6.0, 80.0):
        raw = torch.tensor(inverse_softplus(value), dtype=torch.float64)
        assert softplus(raw) == pytest.approx(value, rel=1e-12)


# ---- activations --------------------------------------------------------------------------


def test_unsigned_starts_at_the_percentile_of_what_is_positive() -> None:
    values = torch.cat([torch.zeros(900), torch.linspace(0.01, 1, 100)])
    quantizer = DuQActivation("unsigned")
    quantizer.start(values)
    expected = float(torch.linspace(0.01, 1, 100).quantile(0.95))
    assert softplus(quantizer.a) == softplus(quantizer.c) == pytest.approx(expected, rel=1e-5)


def test_symmetric_starts_at_magnitudes_and_hswish_at_what_is_shifted() -> None:
    values = drawn(5000).float() - 1.0
    symmetric, swish = DuQActivation("symmetric"), DuQActivation("hswish")
    symmetric.start(values)
    assert softplus(symmetric.a) == pytest.approx(float(values.abs().quantile(0.95)), rel=1e-5)
    after = nn.functional.hardswish(values)
    swish.start(after)
    shifted = after + 0.375
    expected = float(shifted[shifted > 0].quantile(0.95))
    assert softplus(swish.a) == pytest.approx(expected, rel=1e-5) and expected > 0.375


def test_a_dead_layer_starts_at_the_floor() -> None:
    quantizer = DuQActivation("unsigned")
    for values in (torch.zeros(10), torch.full((10,), 1e-4)):
        quantizer.start(values)
        assert softplus(quantizer.a) == pytest.approx(1e-2, rel=1e-5)


@pytest.mark.parametrize("form", CODES)
def test_bits_change_in_place_and_are_in_the_state(form: str) -> None:
    quantizer = DuQActivation(form)
    x = drawn(1000).float()
    assert quantizer(x) is x  # not quantized yet
    quantizer.start(x)
    scales = quantizer.a.clone(), quantizer.c.clone()
    for bits in (8, 5, 4, 3, 2):
        quantizer.quantize(bits)
        assert (quantizer.a, quantizer.c) == scales
        levels = 2**bits - 1 if form == "symmetric" else 2**bits
        assert len(quantizer(x).unique()) <= levels
        assert quantizer.limits == ((1 - 2 ** (bits - 1)) * (form == "symmetric"), levels // 2
                                    if form == "symmetric" else levels - 1)  # fmt: skip
    other = DuQActivation(form)
    other.load_state_dict(quantizer.state_dict())
    assert torch.equal(other(x), quantizer(x)) and int(other.bits) == 2


@pytest.mark.parametrize("form", CODES)
def test_what_is_frozen_is_what_trained(form: str) -> None:
    quantizer = DuQActivation(form)
    x = drawn(4000)
    quantizer.start(x.float())
    quantizer.quantize(4)
    with torch.no_grad():
        quantizer.c.add_(0.2)  # so that both steps count
    spec = quantizer.spec()
    assert float(spec.step_in) != float(spec.step_out) and (spec.lo, spec.hi) == CODES[form][:2]
    expected = fake_quantize(spec, x)
    torch.testing.assert_close(quantizer.double()(x), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(FrozenQuantizer(quantizer)(x), expected, rtol=0, atol=1e-12)
    if form == "hswish":
        assert float(FrozenQuantizer(quantizer)(torch.tensor(-0.375))) == -0.375  # code 0


def test_bits_that_there_are_not() -> None:
    for bits in (1, 9):
        with pytest.raises(QCompilerError, match=f"DuQ: {bits} bits are neither 2 to 8 nor 0"):
            DuQActivation("unsigned").quantize(bits)
    with pytest.raises(QCompilerError, match="DuQ: form 'relu' is unknown"):
        DuQActivation("relu")
    with pytest.raises(QCompilerError, match="not quantized yet"):
        DuQActivation("symmetric").spec()


# ---- weights ------------------------------------------------------------------------------


def test_weights_go_down_in_place() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3))
    before = net[0].weight.detach().clone()
    attach(net, DuQWeight)
    (layer,) = formed_layers(net)
    form = layer.form
    assert isinstance(form, DuQWeight) and torch.equal(net[0].weight, before)
    with pytest.raises(QCompilerError, match="not quantized yet"):
        layer.integers()
    with torch.no_grad():
        layer.originals[0].mul_(2)
    form.quantize(8, *layer.originals)
    peak = 0.9 * float(2 * before.abs().max())  # of the weight as it is by then
    scales = [t.clone() for t in layer.originals[1:]]
    assert [softplus(t) for t in scales] == pytest.approx([peak, peak], rel=1e-5)
    for bits in (5, 4, 3, 2):
        form.quantize(bits, *layer.originals)
        codes, step = layer.integers()
        assert int(codes.abs().max()) == 2 ** (bits - 1) - 1
        np.testing.assert_allclose(
            (codes * step).numpy(), net[0].weight.detach().numpy(), rtol=1e-6
        )
    assert [t.clone() for t in layer.originals[1:]] == scales
    other = nn.Sequential(nn.Conv2d(3, 4, 3))
    attach(other, DuQWeight)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other[0].weight, net[0].weight)


def test_scales_that_start_anew_at_each_width() -> None:
    torch.manual_seed(0)
    weight = torch.randn(16, 8, 3, 3) ** 3  # few are near the largest
    form = DuQWeight(weight.shape)
    originals = form.right_inverse(weight)
    for bits in (8, 4, 3):
        form.quantize(bits, *originals, refit=True)
        refit = (weight - form(*originals)).square().mean()
        other = DuQWeight(weight.shape)
        kept = other.right_inverse(weight)
        other.quantize(bits, *kept)
        assert refit < 0.95 * (weight - other(*kept)).square().mean()
        assert torch.equal(*originals[1:])
    originals[1].add_(1)
    clip = originals[1].clone()
    form.quantize(3, *originals, refit=True)  # the same width: what was learned stays
    assert torch.equal(originals[1], clip)
