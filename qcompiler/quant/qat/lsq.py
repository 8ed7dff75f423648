"""LSQ at uniform bits: learned step sizes (Esser et al., arXiv 1902.08153)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.quant.qat.activation import scale_gradient
from qcompiler.quant.qat.base import check_activations, parameter_groups, quantize_model
from qcompiler.quant.qat.export import finalize
from qcompiler.quant.qat.method import Finalized
from qcompiler.quant.qat.teaching import Teaching, TeachingConfig
from qcompiler.quant.qat.weights import WeightForm, best_step

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class LSQConfig(TeachingConfig):
    """Settings, beside those of a teacher.

    Args:
        bits: Of a weight, its sign included: codes in [-Q, Q], Q = 2^(bits-1) - 1; 2 to 8.
        activations: Bits of the codes between layers; 0 or 32: left to calibration.
        activation_kind: ``lsq`` or ``pact``.
    """

    bits: int = 4
    activations: int = 0
    activation_kind: str = "lsq"

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 8:
            raise QCompilerError(f"{self.bits} weight bits are outside 2 to 8", where="bits")
        check_activations(self.activations, self.activation_kind)
        self.check_teaching()


class LSQWeight(WeightForm):
    """``W = s · round(clamp(V / s, -Q, Q))``; originals V (the weight's shape) and s ()."""

    latent = 1

    def __init__(self, shape: torch.Size, bits: int) -> None:
        super().__init__(shape)
        self.levels = 2 ** (bits - 1) - 1

    def forward(self, *originals: Tensor) -> Tensor:
        weight, step = originals
        step = scale_gradient(step.abs(), 1 / (weight.numel() * self.levels) ** 0.5)
        scaled = (weight / step).clamp(-self.levels, self.levels)
        return (scaled + (scaled.round() - scaled).detach()) * step

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, ...]:
        return weight, best_step(weight, self.levels)

    def integers(self, *originals: Tensor) -> tuple[Tensor, Tensor]:
        weight, step = originals
        codes = (weight / step.abs()).clamp(-self.levels, self.levels).round()
        return codes.long(), step.abs().double()

    def live(self, *originals: Tensor) -> Tensor:
        return torch.ones(1, self.levels.bit_length(), dtype=torch.bool)


class LSQ(Teaching):
    """The same width in every layer (`qcompiler.quant.qat.method.Method`).

    Args:
        teacher: A trained network of the same inputs and outputs to learn from; None: none.
    """

    name: ClassVar[str] = "lsq"

    def __init__(self, config: LSQConfig, teacher: nn.Module | None = None) -> None:
        super().__init__(config.distill_weight, teacher)
        self.config = config

    def prepare(self, model: nn.Module, samples: Tensor) -> nn.Module:
        c = self.config

        def make(shape: torch.Size) -> WeightForm:
            return LSQWeight(shape, c.bits)

        return quantize_model(model, make, c.activations, c.activation_kind, samples)

    def parameter_groups(self, model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        return parameter_groups(model, weight_decay)

    def begin_step(self, model: nn.Module, done: float) -> None:
        """Nothing changes with time."""

    def penalty(self, model: nn.Module) -> Tensor | None:
        return None

    def end_epoch(self, model: nn.Module, done: float) -> None:
        """Nothing changes with time."""

    def columns(self, model: nn.Module) -> dict[str, float]:
        return {"bits": float(self.config.bits - 1)}  # planes, sign not counted

    def finalize(self, model: nn.Module, samples: Array) -> Finalized:
        return finalize(model, samples)
