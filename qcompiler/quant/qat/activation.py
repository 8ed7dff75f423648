"""Activation quantizers that train: LSQ (Esser et al., arXiv 1902.08153), PACT (1805.06085)."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from qcompiler.ir.nn import QuantSpec
from qcompiler.quant.qat.op import quantize

KINDS = ("lsq", "pact")
TINY = torch.finfo(torch.float32).tiny
SWISH_LOW = -3 / 8  # the least value of h-swish, x * relu6(x + 3) / 6


class TrainedQuantizer(nn.Module, ABC):
    """A per-tensor quantizer of activations whose steps train; all its parameters are steps."""

    @abstractmethod
    def start(self, values: Tensor) -> None:
        """Set the steps for these values, (K,)."""

    @abstractmethod
    def spec(self) -> QuantSpec:
        """What it does now, as the nn dialect says it."""


class ActivationQuantizer(TrainedQuantizer):
    """One step for rounding and for values.

    Codes are [0, 2^B - 1] for what is never below the offset, else [-Q, Q] with Q = 2^(B-1) - 1.
    ``lsq`` learns from the rounding error inside and from what is cut off, ``pact`` from what is
    cut off alone.

    Args:
        bits: Width of the codes, 2 to 8.
        signed: Whether values may be below the offset.
        kind: One of KINDS.
        offset: The value of code 0.
    """

    def __init__(self, bits: int, signed: bool, kind: str = "lsq", offset: float = 0.0) -> None:
        super().__init__()
        self.bits, self.signed, self.kind, self.offset = bits, signed, kind, offset
        self.hi = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
        self.lo = -self.hi if signed else 0
        self.step = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.offset:
            return self._rounded(x - self.offset) + self.offset
        return self._rounded(x)

    def _rounded(self, x: Tensor) -> Tensor:
        step = self.step.abs().clamp_min(TINY)
        if self.kind == "lsq":
            step = scale_gradient(step, 1 / (x.numel() / len(x) * self.hi) ** 0.5)
            scaled = (x / step).clamp(self.lo, self.hi)
            return (scaled + (scaled.round() - scaled).detach()) * step
        inside = torch.maximum(torch.minimum(x, self.hi * step), self.lo * step)
        rounded = (inside / step).round() * step
        return inside + (rounded - inside).detach()

    @torch.no_grad()
    def start(self, values: Tensor) -> None:
        """Set the step to the one of least mean square error on these values."""
        values = values - self.offset
        peak = values.abs().max()
        if peak == 0:
            return  # a dead layer: any step will do
        shares = torch.linspace(0.05, 1.0, 96, device=values.device)
        flat = values.flatten()[:: max(1, values.numel() // 100_000)]
        errors = []
        for step in shares * peak / self.hi:
            rounded = (flat / step).round().clamp(self.lo, self.hi) * step
            errors.append((rounded - flat).square().mean())
        self.step.copy_(shares[int(torch.stack(errors).argmin())] * peak / self.hi)

    def spec(self) -> QuantSpec:
        step = float(self.step.detach().abs().clamp_min(TINY))
        return QuantSpec.uniform(step, self.lo, self.hi, self.offset)

    def extra_repr(self) -> str:
        sign = "signed" if self.signed else "unsigned"
        offset = f", offset={self.offset:g}" if self.offset else ""
        return f"bits={self.bits}, {sign}, kind={self.kind}{offset}"


class FrozenQuantizer(nn.Module):
    """The same as an operator that exports."""

    def __init__(self, trained: TrainedQuantizer) -> None:
        super().__init__()
        spec = trained.spec()
        self.steps = float(spec.step_in), float(spec.step_out)
        self.offset, self.lo, self.hi = float(spec.offset), spec.lo, spec.hi

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = quantize(x, *self.steps, self.offset, self.lo, self.hi)
        return y


def trained_quantizers(model: nn.Module) -> list[TrainedQuantizer]:
    """Those of a model, in its order."""
    return [m for m in model.modules() if isinstance(m, TrainedQuantizer)]


def freeze(model: nn.Module) -> None:
    """Put a FrozenQuantizer in place of each trained one."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, TrainedQuantizer):
                setattr(module, name, FrozenQuantizer(child))


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """The value of x with ``factor`` times its gradient (LSQ §2.2)."""
    scaled = x * factor
    return scaled + (x - scaled).detach()
