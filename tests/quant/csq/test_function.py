"""The fused weight of CSQ against plain autograd and against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from qcompiler.quant.csq.function import BitSum, naive


def arguments(
    groups: int, shape: tuple[int, ...], planes: int, beta: float, fixed: bool = False
) -> list[Tensor]:
    """Logits, gates and scale that train, then a phase."""
    generator = torch.Generator().manual_seed(groups + planes)

    def random(*size: int) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64)

    trained = [random(2, planes, *shape), random(groups, planes), random()]
    places = 2.0 ** torch.arange(planes, dtype=torch.float64)
    scalars = torch.tensor([beta, 0.7], dtype=torch.float64).unbind()
    chosen = random(groups, planes) > 0
    phase = [places, *scalars, torch.tensor(fixed), chosen, torch.ones((), dtype=torch.float64)]
    return [*(t.requires_grad_() for t in trained), *phase]


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 3, 3)])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("planes", [1, 3, 8])
def test_equals_autograd(shape: tuple[int, ...], groups: int, planes: int, fixed: bool) -> None:
    results = []
    for function in (BitSum.apply, naive):
        args = arguments(groups, shape, planes, 3.0, fixed)
        weight = function(*args)
        weight.backward(torch.linspace(-1, 1, weight.numel()).double().reshape(weight.shape))
        gates = torch.zeros_like(args[1]) if args[1].grad is None else args[1].grad
        results.append([weight.detach(), args[0].grad, gates, args[2].grad])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_pieces_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = BitSum.apply(*arguments(2, (4, 5), 3, 2.0))
    monkeypatch.setattr("qcompiler.quant.csq.function.CACHED", 40)
    args = arguments(2, (4, 5), 3, 2.0)
    torch.testing.assert_close(BitSum.apply(*args), whole, rtol=1e-14, atol=0)
    assert torch.autograd.gradcheck(BitSum.apply, args)


def test_gradient_is_that_of_differences() -> None:
    assert torch.autograd.gradcheck(BitSum.apply, arguments(2, (4, 2), 3, 2.0))


def test_limit_is_the_hard_form() -> None:
    logits, gates, scale, places, _, worth, *rest = arguments(1, (4, 2, 3, 3), 8, 1.0)
    hard = (logits[0] > 0).double() - (logits[1] > 0).double()
    wanted = torch.einsum("n,n...->...", (gates[0] > 0) * places, hard) * scale / worth
    hot = torch.tensor(1e6, dtype=torch.float64)
    got = BitSum.apply(logits, gates, scale, places, hot, worth, *rest)
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
