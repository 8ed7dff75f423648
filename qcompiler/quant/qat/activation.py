"""Activation quantizers that train: LSQ (Esser et al., arXiv 1902.08153), PACT (1805.06085)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

KINDS = ("lsq", "pact")
TINY = torch.finfo(torch.float32).tiny


class ActivationQuantizer(nn.Module):
    """Static per-tensor quantizer whose step trains with the network.

    Codes are [0, 2^B - 1] for what is never negative, else [-Q, Q] with Q = 2^(B-1) - 1.
    ``lsq`` learns from the rounding error inside and from what is cut off, ``pact`` from what is
    cut off alone.

    Args:
        bits: Width of the codes, 2 to 8.
        signed: Whether values may be negative.
        kind: One of KINDS.
    """

    def __init__(self, bits: int, signed: bool, kind: str = "lsq") -> None:
        super().__init__()
        self.bits, self.signed, self.kind = bits, signed, kind
        self.hi = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
        self.lo = -self.hi if signed else 0
        self.step = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
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

    def extra_repr(self) -> str:
        sign = "signed" if self.signed else "unsigned"
        return f"bits={self.bits}, {sign}, kind={self.kind}"


class FrozenQuantizer(nn.Module):
    """The same as an op that exports: ``torch.fake_quantize_per_tensor_affine``."""

    def __init__(self, trained: ActivationQuantizer) -> None:
        super().__init__()
        self.step = float(trained.step.detach().abs().clamp_min(TINY))
        self.lo, self.hi = trained.lo, trained.hi

    def forward(self, x: Tensor) -> Tensor:
        return torch.fake_quantize_per_tensor_affine(x, self.step, 0, self.lo, self.hi)


def freeze(model: nn.Module) -> None:
    """Put a FrozenQuantizer in place of each trained one."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, ActivationQuantizer):
                setattr(module, name, FrozenQuantizer(child))


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """The value of x with ``factor`` times its gradient (LSQ §2.2)."""
    scaled = x * factor
    return scaled + (x - scaled).detach()
