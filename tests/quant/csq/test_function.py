"""The fused weight of CSQ against plain autograd and against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from qcompiler.quant.csq.function import BitSum, naive


def arguments(groups: int, shape: tuple[int, ...], planes: int, beta: float) -> list[Tensor]:
    generator = torch.Generator().manual_seed(groups + planes)
    logits = torch.randn(2, planes, *shape, generator=generator, dtype=torch.float64)
    coefficients = torch.randn(groups, planes, generator=generator, dtype=torch.float64)
    tensors = [logits, coefficients]
    return [*(t.requires_grad_() for t in tensors), torch.tensor(beta, dtype=torch.float64)]


@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 3, 3)])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("planes", [1, 3, 8])
def test_equals_autograd(shape: tuple[int, ...], groups: int, planes: int) -> None:
    results = []
    for function in (BitSum.apply, naive):
        args = arguments(groups, shape, planes, 3.0)
        weight = function(*args)
        weight.backward(torch.linspace(-1, 1, weight.numel()).double().reshape(weight.shape))
        results.append([weight.detach(), *(a.grad for a in args[:2])])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_gradient_is_that_of_differences() -> None:
    assert torch.autograd.gradcheck(BitSum.apply, arguments(2, (4, 2), 3, 2.0))


def test_limit_is_the_hard_form() -> None:
    bits, coefficients, _ = arguments(1, (4, 2, 3, 3), 8, 1.0)
    hard = (bits[0] > 0).double() - (bits[1] > 0).double()
    wanted = torch.einsum("n,n...->...", coefficients[0], hard)
    got = BitSum.apply(bits, coefficients, torch.tensor(1e6, dtype=torch.float64))
    torch.testing.assert_close(got, wanted)


def test_keeps_no_planes() -> None:
    """What backward finds saved is the logits themselves, no copies of their size."""
    args = arguments(1, (8, 4, 3, 3), 8, 1.0)
    own = {t.data_ptr() for t in args}
    kept: list[int] = []

    def pack(t: Tensor) -> Tensor:
        kept.append(t.data_ptr())
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        BitSum.apply(*args)
    assert kept and set(kept) <= own
