"""BSQ: bit-level sparsity by group lasso (Yang et al., ICLR 2021, arXiv 2102.10462)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.quant.qat.base import check_activations, parameter_groups, quantize_model
from qcompiler.quant.qat.export import finalize
from qcompiler.quant.qat.method import Finalized
from qcompiler.quant.qat.weights import FormedLayer, WeightForm, formed_layers, largest

Array = np.ndarray[Any, Any]
ROUNDS = 4  # requantizations of a search (the paper: three in 350 epochs, one behind)
MOST = 2.0  # bits are kept in [0, 2] while they train


@dataclass(frozen=True)
class BSQConfig:
    """Settings.

    Args:
        strength: α of the group lasso; it alone decides the size that comes out.
        planes: Magnitude planes that training starts with, 1 to 8.
        search: Share of training with the regularizer; the rest keeps the planes.
        activations: Bits of the codes between layers; 0 or 32: left to calibration.
        activation_kind: ``lsq`` or ``pact``.
    """

    strength: float = 0.01
    planes: int = 8
    search: float = 0.8
    activations: int = 0
    activation_kind: str = "lsq"

    def __post_init__(self) -> None:
        if not 0 <= self.strength < float("inf"):
            raise QCompilerError(f"{self.strength:g} is no size", where="strength")
        if not 1 <= self.planes <= 8:
            raise QCompilerError(f"{self.planes} planes are outside 1 to 8", where="planes")
        if not 0 < self.search < 1:
            raise QCompilerError(f"{self.search:g} is no share between 0 and 1", where="search")
        check_activations(self.activations, self.activation_kind)


class BSQWeight(WeightForm):
    """``W = s · round(Σ_i 2^i (p_i - n_i)) / (2^N - 1)``; originals p and n (N, O, …), s ().

    Planes that were stripped stay at zero in ``kept`` (N,). Place values keep their exponents, so
    a stripped low plane needs no new scale.
    """

    powers: Tensor
    kept: Tensor
    rounds: Tensor

    def __init__(self, shape: torch.Size, planes: int) -> None:
        super().__init__(shape)
        self.register_buffer("powers", 2.0 ** torch.arange(planes))
        self.register_buffer("kept", torch.ones(planes))
        self.register_buffer("rounds", torch.tensor(0))  # requantizations so far, of ROUNDS

    def forward(self, *originals: Tensor) -> Tensor:
        positive, negative, scale = originals
        powers = self.powers * self.kept
        total = torch.einsum("n,n...->...", powers, positive - negative)
        total = total + (self._codes(total) - total).detach()
        return total.mul(scale / (2 ** len(powers) - 1))

    def _codes(self, total: Tensor) -> Tensor:
        """Rounded to the lowest kept plane, and within what planes hold.

        A search may reach all N planes again, since bits go up to 2; afterwards only the kept ones.
        """
        low, settled = 2.0**self.lowest, int(self.rounds) == ROUNDS
        most = float((self.powers * self.kept).sum() if settled else self.powers.sum())
        most = most // low * low
        return ((total / low).round() * low).clamp(-most, most)

    @property
    def lowest(self) -> int:
        """Exponent of the lowest live plane."""
        return int(self.kept.nonzero()[0])

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, ...]:
        n = len(self.kept)
        peak = largest(weight)
        codes = (weight / peak * (2**n - 1)).round().long()
        return (*self._bits(codes), peak)

    def _bits(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        magnitude = codes.abs()
        bits = torch.stack([(magnitude >> i) & 1 for i in range(len(self.kept))])
        return (bits * (codes > 0)).float(), (bits * (codes < 0)).float()

    def codes(self, *originals: Tensor) -> Tensor:
        """Codes on place values from 2^0 on, within what N planes hold."""
        positive, negative, _ = originals
        total = torch.einsum("n,n...->...", self.powers * self.kept, positive - negative)
        return self._codes(total).long()

    @torch.no_grad()
    def requantize(self, *originals: Tensor) -> None:
        """Exact bits again; planes above the highest and below the lowest one are stripped."""
        codes = self.codes(*originals)
        positive, negative = self._bits(codes)
        used = (positive + negative).flatten(1).any(dim=1).nonzero().flatten()
        first, last = (int(used[0]), int(used[-1])) if len(used) else (self.lowest, self.lowest)
        self.kept.zero_()
        self.kept[first : last + 1] = 1
        originals[0].copy_(positive)
        originals[1].copy_(negative)

    def integers(self, *originals: Tensor) -> tuple[Tensor, Tensor]:
        low = self.lowest
        step = originals[2].double() * 2**low / (2 ** len(self.kept) - 1)
        codes = self.codes(*originals) >> low
        return (codes, step) if step >= 0 else (-codes, -step)

    def live(self, *originals: Tensor) -> Tensor:
        return self.kept.bool()[None]


class BSQ:
    """Group lasso on planes, then training on (`qcompiler.quant.qat.method.Method`)."""

    name: ClassVar[str] = "bsq"

    def __init__(self, config: BSQConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, samples: Tensor) -> nn.Module:
        c = self.config

        def make(shape: torch.Size) -> WeightForm:
            return BSQWeight(shape, c.planes)

        return quantize_model(model, make, c.activations, c.activation_kind, samples)

    def parameter_groups(self, model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        return parameter_groups(model, weight_decay)

    @torch.no_grad()
    def begin_step(self, model: nn.Module, done: float) -> None:
        """Bits stay within [0, 2]; from time to time in the search, and at its end, exact again."""
        for layer in formed_layers(model):
            for bits in layer.originals[:2]:
                bits.clamp_(0, MOST)
        share = min(done / self.config.search, 1.0)
        layers = list(formed_layers(model))
        if int(share * ROUNDS) > int(_form(layers[0]).rounds):
            for layer in layers:
                _form(layer).requantize(*layer.originals)
                _form(layer).rounds.fill_(int(share * ROUNDS))

    def penalty(self, model: nn.Module) -> Tensor | None:
        """``α · Σ_l (n_l · N_l / Σ n) · Σ_b ‖[p_b; n_b]‖₂`` over live planes."""
        if _settled(model):
            return None
        layers = list(formed_layers(model))
        total = sum(layer.parameters for layer in layers)
        terms = []
        for layer in layers:
            form = _form(layer)
            both = torch.cat([t.flatten(1) for t in layer.originals[:2]], dim=1)
            norms = both.square().sum(1).clamp_min(1e-12).sqrt() * form.kept
            terms.append(layer.parameters * form.kept.sum() / total * norms.sum())
        return self.config.strength * torch.stack(terms).sum()

    def end_epoch(self, model: nn.Module, done: float) -> None:
        """Everything follows the step; but a training of few steps may end within its search."""
        if done >= 1:
            self.begin_step(model, 1.0)

    def columns(self, model: nn.Module) -> dict[str, float]:
        layers = list(formed_layers(model))
        total = sum(layer.parameters for layer in layers)
        planes = sum(layer.parameters * float(_form(layer).kept.sum()) for layer in layers)
        return {"bits": planes / total}

    def finalize(self, model: nn.Module, samples: Array) -> Finalized:
        return finalize(model, samples)


def _form(layer: FormedLayer) -> BSQWeight:
    assert isinstance(layer.form, BSQWeight)
    return layer.form


def _settled(model: nn.Module) -> bool:
    return int(_form(next(formed_layers(model))).rounds) == ROUNDS
