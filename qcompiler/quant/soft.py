"""Learnable stand-ins for the quantizers of weights and activations."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qcompiler.ir.nn import QuantSpec
from qcompiler.reference.quantizer import codes, values

ZETA, GAMMA = 1.1, -0.1  # of the rectified sigmoid, AdaRound eq. 23
SHARP, BLUNT = 2.0, 20.0  # last and first exponent of the regularizer


def sharpness(done: float) -> float:
    """The regularizer's exponent, falling from BLUNT to SHARP on a cosine; `done` in [0, 1]."""
    return SHARP + 0.5 * (BLUNT - SHARP) * (1 + math.cos(done * math.pi))


class SoftWeight:
    """A layer's weight, each code between the two nearest ones: ``floor + h(v)``.

    It starts at the unrounded weight; `settled` takes the nearer of the two.
    """

    def __init__(self, op: Any) -> None:
        self.op = op
        spec: QuantSpec = op.weight_quant
        shape = (-1,) + (1,) * (op.weight.ndim - 1)
        self.step_in = _column(spec.step_in, len(op.weight)).reshape(shape)
        self.step_out = _column(spec.step_out, len(op.weight)).reshape(shape)
        self.offset = _column(spec.offset, len(op.weight)).reshape(shape)
        scaled = (torch.from_numpy(op.weight).double() - self.offset) / self.step_in
        self.floor = scaled.floor()
        rest = (scaled - self.floor).clamp(1e-4, 1 - 1e-4)
        self.v = torch.logit((rest - GAMMA) / (ZETA - GAMMA)).float().requires_grad_()

    def gate(self) -> Tensor:
        """h(v): how far each weight is on its way up, 0 to 1."""
        return (torch.sigmoid(self.v) * (ZETA - GAMMA) + GAMMA).clamp(0, 1)

    def soft(self) -> Tensor:
        spec = self.op.weight_quant
        code = (self.floor.float() + self.gate()).clamp(spec.lo, spec.hi)
        return code * self.step_out.float() + self.offset.float()

    def unsettled(self, power: float) -> Tensor:
        """The regularizer: how many gates are neither shut nor open."""
        return (1 - (2 * self.gate() - 1).abs().pow(power)).sum()

    def settled(self) -> Any:
        """The layer with weights on the grid; its quantizer gives these codes and no others."""
        spec: QuantSpec = self.op.weight_quant
        with torch.no_grad():
            code = (self.floor + (self.gate() >= 0.5)).clamp(spec.lo, spec.hi)
            weight = (code * self.step_in + self.offset).numpy()
        moved = replace(self.op, weight=weight.astype(np.float64))
        assert (codes(spec, moved.weight) == code.numpy()).all()
        assert values(spec, code.numpy()).shape == moved.weight.shape
        return moved


class SoftQuantizer:
    """A per-tensor quantizer whose step learns (LSQ); offset and codes in step with it."""

    def __init__(self, spec: QuantSpec, learns: bool) -> None:
        self.spec, self.learns = spec, learns
        self.log_step = torch.zeros((), requires_grad=learns)

    def __call__(self, x: Tensor) -> Tensor:
        factor = self.log_step.exp()
        step_in, step_out = (float(s) * factor for s in (self.spec.step_in, self.spec.step_out))
        offset = float(self.spec.offset) * factor
        scaled = ((x - offset) / step_in).clamp(self.spec.lo, self.spec.hi)
        code = scaled + (scaled.round() - scaled).detach()  # straight through
        return code * step_out + offset

    def settled(self) -> QuantSpec:
        factor = float(self.log_step.detach().exp())
        steps = self.spec.step_in * factor, self.spec.step_out * factor
        return QuantSpec(*steps, self.spec.offset * factor, self.spec.lo, self.spec.hi)


def _column(value: Any, channels: int) -> Tensor:
    return torch.from_numpy(np.broadcast_to(np.asarray(value, np.float64), (channels,)).copy())
