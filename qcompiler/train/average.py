"""The running mean of a model's weights over the steps of training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from qcompiler.quant.qat.method import Averaged


class WeightAverage:
    """``mean += share * (value - mean)`` after every step, of parameters and batch statistics.

    The share is 1, 1/2, 1/3, … until that falls below the rate: a plain mean at first, so that
    where it starts does not matter. Where the method says so it starts anew.

    Args:
        method: Says at what rate.
        total: Steps of the whole training.
    """

    def __init__(self, method: Averaged, model: nn.Module, total: int) -> None:
        self.method, self.total, self.steps = method, total, 0
        self.values = {name: t.detach().clone() for name, t in _averaged(model).items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """After step ``step``, counted from 0."""
        rate, period = self.method.averaging(step / self.total)
        if step and self.method.averaging((step - 1) / self.total)[1] != period:
            self.steps = 0
        self.steps += 1
        share = max(rate, 1 / self.steps)
        current = [t.detach() for t in _averaged(model).values()]
        torch._foreach_lerp_(list(self.values.values()), current, share)

    @torch.no_grad()
    def exchange(self, model: nn.Module) -> None:
        """The model gets the mean, and the mean what the model had; twice is as before."""
        for name, tensor in _averaged(model).items():
            held = tensor.clone()
            tensor.copy_(self.values[name])
            self.values[name].copy_(held)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"steps": self.steps, "values": self.values}

    def restore(self, state: dict[str, Any]) -> None:
        """What ``state`` gave; raises KeyError or RuntimeError if it is of another model."""
        self.steps = int(state["steps"])
        for name, value in self.values.items():
            value.copy_(state["values"][name])


def _averaged(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and batch norms' statistics by name."""
    found: dict[str, Tensor] = dict(model.named_parameters())
    for path, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            floating = {k: t for k, t in module.named_buffers() if t.is_floating_point()}
            found |= {f"{path}.{k}": t for k, t in floating.items()}
    return found
