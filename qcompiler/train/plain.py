"""Training without quantization, as a method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.quant.qat.method import Finalized

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Plain:
    """Leaves the model as it is; weight decay on matrices and kernels, not on norms and biases."""

    name: ClassVar[str] = "float"

    def prepare(self, model: nn.Module, samples: Tensor) -> nn.Module:
        return model

    def parameter_groups(self, model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        trained = [p for p in model.parameters() if p.requires_grad]
        return [
            {"params": [p for p in trained if p.dim() > 1], "weight_decay": weight_decay},
            {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
        ]

    def begin_step(self, model: nn.Module, done: float) -> None:
        pass

    def penalty(self, model: nn.Module) -> Tensor | None:
        return None

    def end_epoch(self, model: nn.Module, done: float) -> None:
        pass

    def columns(self, model: nn.Module) -> dict[str, float]:
        return {}

    def finalize(self, model: nn.Module, samples: Array) -> Finalized:
        raise QCompilerError(
            "a network that was trained in float has no integers yet",
            where="float",
            hint="quantize it with `qcompiler quantize`, or train with another --method",
        )
