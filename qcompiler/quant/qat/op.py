"""The quantizer of docs/numerics.md §2 as one torch operator, so that it survives export."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.library.custom_op("qcompiler::quantize", mutates_args=())
def quantize(x: Tensor, step_in: float, step_out: float, offset: float, lo: int, hi: int) -> Tensor:
    """``step_out * clamp(round_half_even((x - offset) / step_in), lo, hi) + offset``."""
    codes = x.sub(offset).div_(step_in).round_().clamp_(lo, hi)
    return codes.mul_(step_out).add_(offset)


@quantize.register_fake
def _shape(x: Tensor, step_in: float, step_out: float, offset: float, lo: int, hi: int) -> Tensor:
    return torch.empty_like(x)
