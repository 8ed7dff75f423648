"""The weight of CSQ as one autograd function that keeps no planes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

CACHED = 16 * 8192  # numbers of one piece
_held = threading.local()


class Phase(NamedTuple):
    """What does not train.

    Args:
        places: Place values e (N,).
        beta: Temperature, shape ().
        worth: What a fresh bit is worth while it is soft, shape ().
        fixed: Whether gates are hard, bool ().
        chosen: Hard gates, bool (G, N).
        rate: Factor on the gradient of the logits, shape (); 1 is the true gradient.
    """

    places: Tensor
    beta: Tensor
    worth: Tensor
    fixed: Tensor
    chosen: Tensor
    rate: Tensor

    def gates(self, logits: Tensor) -> Tensor:
        """g (G, N), 0 to 1."""
        soft = torch.sigmoid(self.beta * logits)
        return torch.where(self.fixed, self.chosen.to(soft.dtype), soft)


class BitSum(Function):
    """``W = s/t · Σ_i e_i · g_i · (σ(β·P_i) - σ(β·M_i))`` (CSQ, arXiv 2212.02770, eq. 4).

    What autograd would keep, 2N planes and their differences, is computed again in backward, and
    as ``(tanh(β·P_i/2) - tanh(β·M_i/2)) / 2``: one pass for P and M together.

    Args of ``apply``:
        logits: P and M, (2, N, O, …).
        gates: Gate logits m (G, N), for each of G groups of O/G output channels.
        scale: s, shape ().
        phase: The fields of `Phase`.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, gates: Tensor, scale: Tensor, *phase: Tensor) -> Tensor:
        ctx.save_for_backward(logits, gates, scale, *phase)
        now = Phase(*phase)
        signed = _signed(now.gates(gates) * now.places * (scale / now.worth))
        bits, half = _rows(logits, gates), now.beta / 2
        weight = torch.empty_like(bits[0])
        for piece in _pieces(bits):
            part = bits[..., piece]
            soft = torch.mul(part, half, out=_scratch(0, part)).tanh_()
            if len(signed) == 1:
                torch.mm(signed, soft[:, 0], out=weight[:, piece])
            else:
                weight[:, piece] = torch.einsum("gn,ngr->gr", signed, soft)
        return weight.view(logits.shape[2:])

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        logits, gates, scale, *phase = ctx.saved_tensors
        now = Phase(*phase)
        opened, unit = now.gates(gates), now.places / now.worth
        signed = _signed(opened * unit * scale)
        bits, half = _rows(logits, gates), now.beta / 2
        up, slopes = upstream.reshape(bits.shape[1:]), (signed * half * now.rate).T[:, :, None]
        down, sums = torch.empty_like(bits), torch.zeros_like(bits[..., 0])
        for piece in _pieces(bits):
            part = bits[..., piece]
            soft = torch.mul(part, half, out=_scratch(0, part)).tanh_()
            spread = torch.mul(slopes, up[:, piece], out=_scratch(1, part))
            torch.ops.aten.tanh_backward.grad_input(spread, soft, grad_input=down[..., piece])
            if len(signed) == 1:
                sums[:, 0].addmv_(soft[:, 0], up[0, piece])
            else:
                sums += torch.einsum("ngr,gr->ng", soft, up[:, piece])
        planes = gates.shape[1]
        each = (sums[:planes] - sums[planes:]).T * unit / 2  # gradient of s·g
        slope = opened * (1 - opened) * now.beta * scale * ~now.fixed
        return down.view(logits.shape), each * slope, (each * opened).sum(), *(None for _ in phase)


def _rows(logits: Tensor, gates: Tensor) -> Tensor:
    """(2, N, O, …) to (2N, G, rest)."""
    return logits.reshape(2 * logits.shape[1], len(gates), -1)


def _signed(coefficients: Tensor) -> Tensor:
    """What P and M planes add to the weight: (G, 2N)."""
    return torch.cat([coefficients, -coefficients], dim=1) / 2


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


def naive(logits: Tensor, gates: Tensor, scale: Tensor, *phase: Tensor) -> Tensor:
    """The same by ordinary autograd, as the paper's formula reads; for tests and comparison."""
    now = Phase(*phase)
    soft = torch.sigmoid(now.beta * logits[0]) - torch.sigmoid(now.beta * logits[1])
    places = scale / now.worth * now.places * now.gates(gates)
    places = places.repeat_interleave(logits.shape[2] // len(gates), 0).T
    shape = (*places.shape, *(1,) * (soft.dim() - 2))
    return (places.reshape(shape) * soft).sum(0)
