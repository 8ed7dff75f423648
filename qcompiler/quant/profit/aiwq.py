"""AIWQ: how much a step of training changes a convolution's output through its rounded weights.

PROFIT's measure (arXiv 2008.04693) for the order in which layers are frozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.quant.profit.duq import DuQWeight
from qcompiler.quant.qat.weights import FormedLayer

MOST = 1.0  # a divergence above it is left out
LEAST_STEPS = 2  # of a stage that measures: weights are compared with those a step before
PARTS = 3


class Stability(nn.Module):
    """What has been measured of one layer at one width; buffers alone, for the state dict.

    Args:
        shape: Of the layer's weight.
    """

    codes: Tensor
    step: Tensor
    bits: Tensor
    held: Tensor
    total: Tensor
    count: Tensor
    third: Tensor

    def __init__(self, shape: torch.Size) -> None:
        super().__init__()
        self.register_buffer("codes", torch.zeros(shape, dtype=torch.int8))  # a step before
        self.register_buffer("step", torch.ones(()))
        self.register_buffer("bits", torch.tensor(0))  # the width that all of it is about
        self.register_buffer("held", torch.tensor(False))  # codes of a step before: measured
        self.register_buffer("total", torch.zeros(()))  # of divergences
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("third", torch.tensor(-1))  # 0: the most unstable; -1: not known

    def begin(self, bits: int) -> None:
        """Forget what was measured at another width."""
        if int(self.bits) != bits:
            for buffer in (self.held, self.total, self.count):
                buffer.zero_()
            self.third.fill_(-1)
            self.bits.fill_(bits)

    @property
    def mean(self) -> float:
        """A_l: the mean divergence; above all others if every one was left out."""
        return float(self.total / self.count) if float(self.count) else MOST

    @torch.no_grad()
    def measure(self, layer: FormedLayer, x: Tensor, y: Tensor) -> None:
        """Compare a training step's output with that of the weights of the step before.

        The module itself computes both, with its own padding. An output of one pixel is not
        measured: the layer is a linear one, such as in squeeze-and-excite, and never frozen.

        Args:
            x: The layer's input.
            y: Its output with the weight as it is.
        """
        if y.shape[2:].numel() == 1:
            return
        form = duq_form(layer)
        if bool(self.held):
            form.held = self.codes * self.step
            try:
                old = layer.module.forward(x)
            finally:
                form.held = None
            if (found := divergence(y, old)) <= MOST:
                self.total += found
                self.count += 1
        codes, step = layer.integers()
        self.codes.copy_(codes)
        self.step.copy_(step)
        self.held.fill_(True)


def divergence(new: Tensor, old: Tensor) -> float:
    """KL(new || old) of Gaussians fitted to each channel of (N, C, H, W), the channels' mean.

    ``log(s'/s) + (s² + (m - m')²)/(2 s'²) - 1/2``; constant channels are left out.
    """
    (mean, variance), (middle, other) = _moments(new), _moments(old)
    kept = (variance > 0) & (other > 0)
    ratio = variance[kept] / other[kept]
    moved = (mean - middle)[kept].square() / other[kept]
    found = (ratio + moved - 1 - ratio.log()) / 2
    return float(found.mean()) if len(found) else 0.0


def _moments(y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel, float64; many times faster than ``torch.var_mean``."""
    mean, variance = y.new_zeros(y.shape[1]), y.new_zeros(y.shape[1])
    torch.batch_norm(y, None, None, mean, variance, True, 1.0, 0.0, False)
    count = y.numel() // y.shape[1]
    return mean.double(), variance.double() * (count - 1) / count  # it was the unbiased one


class Sampler:
    """Measures every forward pass of training from now on, until `stop`."""

    def __init__(self, layers: Sequence[FormedLayer]) -> None:
        self.handles = [layer.module.register_forward_hook(_hook(layer)) for layer in layers]

    def stop(self) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles = []


def _hook(layer: FormedLayer) -> Any:
    stability = stability_of(layer)

    def measure(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if module.training and torch.is_grad_enabled():
            stability.measure(layer, inputs[0], output)

    return measure


def assign_thirds(layers: Sequence[FormedLayer]) -> None:
    """Rank the layers by what was measured, the most unstable first, and cut the list in three.

    Raises:
        QCompilerError: Nothing was measured.
    """
    if not (ranked := ranking(layers)):
        raise QCompilerError(
            "no step measured how stable the layers are",
            where="profit",
            hint="train for more epochs, or with --set freeze=false",
        )
    ends = [k * len(ranked) // PARTS for k in range(1, PARTS)]
    for rank, layer in enumerate(ranked):
        stability_of(layer).third.fill_(sum(rank >= end for end in ends))


def ranking(layers: Sequence[FormedLayer]) -> list[FormedLayer]:
    """Those that were measured, the most unstable first; equal ones in the model's order."""
    measured = [layer for layer in layers if bool(stability_of(layer).held)]
    return sorted(measured, key=lambda layer: -stability_of(layer).mean)


def is_depthwise(layer: FormedLayer) -> bool:
    module = layer.module
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1


def duq_form(layer: FormedLayer) -> DuQWeight:
    assert isinstance(layer.form, DuQWeight)
    return layer.form


def stability_of(layer: FormedLayer) -> Stability:
    found = layer.form.get_submodule("stability")
    assert isinstance(found, Stability)
    return found
