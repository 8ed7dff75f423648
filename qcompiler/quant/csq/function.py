"""The weight of CSQ as one autograd function that keeps no planes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def digits(positive: Tensor, negative: Tensor, beta: Tensor) -> Tensor:
    """``σ(β·P) - σ(β·M)``: soft digits in (-1, 1), of the shape of the logits."""
    soft = torch.sigmoid_(positive * beta)
    return soft.sub_(torch.sigmoid_(negative * beta))


class BitSum(Function):
    """``W = Σ_i c_i · (σ(β·P_i) - σ(β·M_i))`` (CSQ, arXiv 2212.02770, eq. 4).

    What autograd would keep, 2N planes and their differences, is computed again in backward.

    Args of ``apply``:
        positive, negative: Logits (N, O, …).
        coefficients: c (G, N), scale, place value and gate of each plane, for each of G groups
            of O/G output channels.
        beta: Temperature, shape ().
    """

    @staticmethod
    def forward(
        ctx: Any, positive: Tensor, negative: Tensor, coefficients: Tensor, beta: Tensor
    ) -> Tensor:
        ctx.save_for_backward(positive, negative, coefficients, beta)
        soft = _grouped(digits(positive, negative, beta), len(coefficients))
        return torch.einsum("gn,ngr->gr", coefficients, soft).reshape(positive.shape[1:])

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        positive, negative, coefficients, beta = ctx.saved_tensors
        groups = len(coefficients)
        up = upstream.reshape(groups, -1)
        spread = torch.einsum("gn,gr->ngr", coefficients * beta, up).reshape(positive.shape)
        on, off = torch.sigmoid_(positive * beta), torch.sigmoid_(negative * beta)
        down = torch.ops.aten.sigmoid_backward(spread, on)
        other = torch.ops.aten.sigmoid_backward(spread.neg_(), off)
        soft = _grouped(on.sub_(off), groups)
        return down, other, torch.einsum("ngr,gr->gn", soft, up), None


def _grouped(planes: Tensor, groups: int) -> Tensor:
    """(N, O, …) to (N, G, rest)."""
    return planes.reshape(len(planes), groups, -1)


def naive(positive: Tensor, negative: Tensor, coefficients: Tensor, beta: Tensor) -> Tensor:
    """The same by ordinary autograd, as the paper's formula reads; for tests and comparison."""
    soft = torch.sigmoid(beta * positive) - torch.sigmoid(beta * negative)
    places = coefficients.repeat_interleave(positive.shape[1] // len(coefficients), 0).T
    shape = (*places.shape, *(1,) * (positive.dim() - 2))
    return (places.reshape(shape) * soft).sum(0)
