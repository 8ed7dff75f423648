"""CSQ as a training method: prepare, anneal, fix the gates, finalize."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from qcompiler.quant.csq.budget import Budget, csq_layers
from qcompiler.quant.csq.config import CSQConfig
from qcompiler.quant.csq.weight import CSQWeight, weigh_together
from qcompiler.quant.qat.base import parameter_groups, quantize_model, split_off
from qcompiler.quant.qat.export import finalize, soft_gaps
from qcompiler.quant.qat.method import Finalized
from qcompiler.quant.qat.weights import FormedLayer, WeightForm
from qcompiler.quant.qat.works import layer_works

Array = np.ndarray[Any, Any]


def prepare(model: nn.Module, config: CSQConfig, samples: Tensor | None = None) -> nn.Module:
    """Turn every Conv2d and Linear of any model into its CSQ form.

    In place, unless activations are quantized: that needs a trace, and the traced model comes back.

    Args:
        samples: Inputs (N, …) that activation steps start from; needed for those alone.
    """

    def make(shape: torch.Size) -> WeightForm:
        return CSQWeight(shape, config)

    model = quantize_model(model, make, config.activations, config.activation_kind, samples)
    weigh_together(model)
    return model


class CSQ:
    """The schedule and the regularizer around `prepare` (`qcompiler.quant.qat.method.Method`)."""

    name: ClassVar[str] = "csq"

    def __init__(self, config: CSQConfig) -> None:
        self.config = config
        self.budget: Budget | None = None

    def prepare(self, model: nn.Module, samples: Tensor) -> nn.Module:
        works = {work.name: work for work in layer_works(model, samples)}
        model, c = prepare(model, self.config, samples), self.config
        ours = [works[layer.name] for layer in csq_layers(model)]  # a trace has its own order
        self.budget = Budget(ours, c.budget, c.cost, c.strength, c.planes, c.count)
        return model

    def parameter_groups(self, model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        gates = [layer.originals[1] for layer in csq_layers(model)]
        return split_off(parameter_groups(model, weight_decay), gates, self.config.gate_rate)

    def begin_step(self, model: nn.Module, done: float) -> None:
        """β rises by a power law through the search, and again from ``rewind`` for the bits."""
        c = self.config
        first, last = c.temperature
        searching = done < c.search
        if searching:
            beta = first * (last / first) ** (done / c.search)
        else:
            beta = c.rewind * (last / c.rewind) ** ((done - c.search) / (1 - c.search))
        layers = csq_layers(model)
        if not searching and layers and not bool(_form(layers[0]).fixed):
            assert self.budget is not None
            self.budget.settle(model)
        for layer in layers:
            _form(layer).beta.fill_(beta)

    def penalty(self, model: nn.Module) -> Tensor | None:
        layers = csq_layers(model)
        if bool(_form(layers[0]).fixed):
            return None
        assert self.budget is not None
        return self.budget.penalty(model, layers)

    def end_epoch(self, model: nn.Module, done: float) -> None:
        """Everything follows the step; but a training of few steps may end within its search."""
        if done >= 1:
            self.begin_step(model, 1.0)

    def columns(self, model: nn.Module) -> dict[str, float]:
        assert self.budget is not None
        layers = csq_layers(model)
        return {
            "beta": float(_form(layers[0]).beta),
            "bits": self.budget.average(model),
            "gap": max(float(soft_gaps(layer).max()) for layer in layers),
        }

    def finalize(self, model: nn.Module, samples: Array) -> Finalized:
        return finalize(model, samples)


def _form(layer: FormedLayer) -> CSQWeight:
    assert isinstance(layer.form, CSQWeight)
    return layer.form
