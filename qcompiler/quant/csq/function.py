"""The weights of CSQ as one autograd function that keeps no planes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

CACHED = 2**18  # numbers of one piece
_held = threading.local()


class BitSums(Function):
    """``W = Σ_i c_i · (σ(β·P_i) - σ(β·M_i))`` (CSQ, arXiv 2212.02770, eq. 4) of several layers.

    What autograd would keep, 2N planes and their differences, is computed again in backward, and
    as ``(tanh(β·P_i/2) - tanh(β·M_i/2)) / 2``: one pass for P and M together.

    Args of ``apply``:
        groups: G of each layer: groups of O/G output channels that have coefficients of their own.
        coefficients: c (ΣG, N): scale, place value and gate of each plane, layer after layer.
        beta: Temperature, shape ().
        rates: Factor on the gradient of each group's logits (ΣG,); 1 is the true gradient.
        logits: P and M of each layer, (2, N, O, …).
    """

    @staticmethod
    def forward(
        ctx: Any,
        groups: tuple[int, ...],
        coefficients: Tensor,
        beta: Tensor,
        rates: Tensor,
        *logits: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.groups = groups
        ctx.save_for_backward(coefficients, beta, rates, *logits)
        signed, half = _split(_signed(coefficients), groups), beta / 2
        weights = []
        for bits, rows, shape in _rows(logits, groups, signed):
            weight = torch.empty_like(bits[0])
            for piece in _pieces(bits):
                part = bits[..., piece]
                soft = torch.mul(part, half, out=_scratch(0, part)).tanh_()
                if len(rows) == 1:
                    torch.mm(rows, soft[:, 0], out=weight[:, piece])
                else:
                    weight[:, piece] = torch.einsum("gn,ngr->gr", rows, soft)
            weights.append(weight.view(shape))
        return tuple(weights)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *upstreams: Tensor) -> tuple[Tensor | None, ...]:
        coefficients, beta, rates, *logits = ctx.saved_tensors
        signed, half = _signed(coefficients), beta / 2
        slopes = _split(signed * (half * rates)[:, None], ctx.groups)
        sums = torch.zeros_like(signed)
        found: list[Tensor | None] = []
        layers = zip(_rows(logits, ctx.groups, slopes), _split(sums, ctx.groups), strict=True)
        for ((bits, rows, _), total), upstream in zip(layers, upstreams, strict=True):
            up, slope = upstream.reshape(bits.shape[1:]), rows.T[..., None]
            down = torch.empty_like(bits)
            for piece in _pieces(bits):
                part = bits[..., piece]
                soft = torch.mul(part, half, out=_scratch(0, part)).tanh_()
                spread = torch.mul(slope, up[:, piece], out=_scratch(1, part))
                torch.ops.aten.tanh_backward.grad_input(spread, soft, grad_input=down[..., piece])
                if len(rows) == 1:
                    total[0].addmv_(soft[:, 0], up[0, piece])
                else:
                    total += torch.einsum("ngr,gr->gn", soft, up[:, piece])
            found.append(down.view(2, -1, *upstream.shape))
        planes = coefficients.shape[1]
        return None, (sums[:, :planes] - sums[:, planes:]) / 2, None, None, *found


def _signed(coefficients: Tensor) -> Tensor:
    """What tanh of P and of M planes adds to the weight: (ΣG, 2N)."""
    return torch.cat([coefficients, -coefficients], dim=1) / 2


def _split(table: Tensor, groups: tuple[int, ...]) -> tuple[Tensor, ...]:
    return torch.split(table, list(groups))  # type: ignore[no-untyped-call, no-any-return]


def _rows(
    logits: Sequence[Tensor], groups: tuple[int, ...], rows: Sequence[Tensor]
) -> Iterator[tuple[Tensor, Tensor, torch.Size]]:
    """Of each layer: logits as (2N, G, rest), its rows of a table, the weight's shape."""
    for bits, count, row in zip(logits, groups, rows, strict=True):
        yield bits.reshape(2 * bits.shape[1], count, -1), row, bits.shape[2:]


def _pieces(bits: Tensor) -> Iterator[slice]:
    """Columns that stay in a core's cache from one operation to the next."""
    columns = bits.shape[-1]
    step = max(1, CACHED // (bits.shape[0] * bits.shape[1]))
    if bits.device.type != "cpu" or torch.compiler.is_compiling():
        step = columns
    for start in range(0, columns, step):
        yield slice(start, min(start + step, columns))


def _scratch(slot: int, like: Tensor) -> Tensor:
    """Memory of a tensor's shape that one piece after another uses.

    Fresh pages for every layer would cost more than the arithmetic. Devices with an allocator of
    their own need no such thing.
    """
    if like.device.type != "cpu" or torch.compiler.is_compiling():
        return torch.empty_like(like)
    key = f"{slot} {like.dtype}"
    held = getattr(_held, key, None)
    if held is None or len(held) < like.numel():
        held = torch.empty(max(CACHED, like.numel()), dtype=like.dtype)
        setattr(_held, key, held)
    return held[: like.numel()].view(like.shape)


def naive(coefficients: Tensor, beta: Tensor, logits: Tensor) -> Tensor:
    """One layer by ordinary autograd, as the paper's formula reads; for tests and comparison."""
    soft = torch.sigmoid(beta * logits[0]) - torch.sigmoid(beta * logits[1])
    places = coefficients.repeat_interleave(logits.shape[2] // len(coefficients), 0).T
    shape = (*places.shape, *(1,) * (soft.dim() - 2))
    return (places.reshape(shape) * soft).sum(0)
