"""The fused weight of CSQ against plain autograd and against finite differences."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from qcompiler.quant.csq.function import BitSums, naive


def random(*size: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(size))
    return torch.randn(size, generator=generator, dtype=torch.float64).requires_grad_()


BETA = torch.tensor(3.0, dtype=torch.float64)


def arguments(groups: int, shape: tuple[int, ...], planes: int) -> list[Any]:
    """Two layers: one of the shape in groups, one small and whole."""
    logits = [random(2, planes, *shape), random(2, planes, 3, 2)]
    rates = torch.ones(groups + 1, dtype=torch.float64)
    return [(groups, 1), random(groups + 1, planes), BETA, rates, *logits]


@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 3, 3)])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("planes", [1, 3, 8])
def test_equals_autograd(shape: tuple[int, ...], groups: int, planes: int) -> None:
    def apart(sizes: Any, coefficients: Tensor, beta: Tensor, _: Tensor, *logits: Tensor) -> Any:
        rows = coefficients.split(sizes)
        return [naive(row, beta, bits) for row, bits in zip(rows, logits, strict=True)]

    results = []
    for function in (BitSums.apply, apart):
        args = arguments(groups, shape, planes)
        weights = function(*args)
        torch.autograd.backward(weights, [random(*w.shape).detach() for w in weights])
        trained = (args[1], *args[4:])
        results.append([*(w.detach() for w in weights), *(t.grad for t in trained)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_pieces_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = BitSums.apply(*arguments(2, (4, 5), 3))
    monkeypatch.setattr("qcompiler.quant.csq.function.CACHED", 40)
    args = arguments(2, (4, 5), 3)
    for ours, theirs in zip(BitSums.apply(*args), whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-14, atol=0)
    assert torch.autograd.gradcheck(BitSums.apply, args)


def test_gradient_is_that_of_differences() -> None:
    assert torch.autograd.gradcheck(BitSums.apply, arguments(2, (4, 2), 3))


def test_rates_scale_the_gradient_of_logits_alone() -> None:
    grads = []
    for rate in (1.0, 5.0):
        args = arguments(2, (4, 5), 3)
        args[3] = torch.tensor([1.0, 1.0, rate], dtype=torch.float64)
        sum(w.sum() for w in BitSums.apply(*args)).backward()
        grads.append([args[1].grad, *(t.grad for t in args[4:])])
    (c, a, b), (c2, a2, b2) = grads
    torch.testing.assert_close(c2, c)
    torch.testing.assert_close(a2, a)
    torch.testing.assert_close(b2, 5 * b)


def test_limit_is_the_hard_form() -> None:
    sizes, coefficients, _, rates, *logits = arguments(1, (4, 2, 3, 3), 8)
    hot = torch.tensor(1e6, dtype=torch.float64)
    got = BitSums.apply(sizes, coefficients, hot, rates, *logits)
    for weight, row, bits in zip(got, coefficients, logits, strict=True):
        hard = (bits[0] > 0).double() - (bits[1] > 0).double()
        torch.testing.assert_close(weight, torch.einsum("n,n...->...", row, hard))


def test_keeps_no_planes() -> None:
    """What backward finds saved is the logits themselves, no copies of their size."""
    args = arguments(1, (8, 4, 3, 3), 8)
    own = {t.data_ptr() for t in args if isinstance(t, Tensor)}
    kept: list[int] = []

    def pack(t: Tensor) -> Tensor:
        kept.append(t.data_ptr())
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        BitSums.apply(*args)
    assert kept and set(kept) <= own
