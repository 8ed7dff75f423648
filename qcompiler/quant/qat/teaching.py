"""Distillation: a trained network whose outputs a method learns as well as the labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.errors import QCompilerError

USAGE = "--set teacher=package.module:function --set teacher_weights=weights.pt"


@dataclass(frozen=True, kw_only=True)
class TeachingConfig:
    """Settings of a method that can be taught.

    Args:
        teacher: ``package.module:function`` of a network whose outputs are learned as well.
        teacher_weights: Its weights, .npz or .pt.
        distill: Weight of what the teacher says in the loss; None: 1.
    """

    teacher: str | None = None
    teacher_weights: str | None = None
    distill: float | None = None

    def check_teaching(self) -> None:
        """Raise QCompilerError where one of the settings lacks another."""
        if self.distill is not None and not 0 < self.distill < math.inf:
            raise QCompilerError(f"{self.distill:g} is not positive", where="distill")
        if (self.teacher is None) != (self.teacher_weights is None):
            raise QCompilerError(
                "teacher and teacher_weights go together", where="teacher", hint=USAGE
            )
        if self.distill is not None and self.teacher is None:
            raise QCompilerError(
                "there is no teacher to distill from", where="distill", hint=f"give {USAGE}"
            )

    @property
    def distill_weight(self) -> float:
        """``distill`` as it counts."""
        return 1.0 if self.distill is None else self.distill


class Teaching:
    """What a taught method has (`qcompiler.quant.qat.method.Taught`).

    Args:
        weight: Of what the teacher says in the loss.
        teacher: A trained network of the same inputs and outputs; None: none.
    """

    def __init__(self, weight: float, teacher: nn.Module | None) -> None:
        self._weight = weight
        self.teacher = None if teacher is None else teacher.eval().requires_grad_(False)

    def distillation(self, images: Tensor, logits: Tensor) -> Tensor | None:
        """Mean cross entropy of the network's outputs to the teacher's, at temperature 1."""
        if self.teacher is None:
            return None
        with torch.no_grad():  # in the layout that any network takes, the student's or not
            taught = self.teacher.to(images.device)(images.contiguous()).softmax(1)
        return self._weight * F.cross_entropy(logits, taught)
