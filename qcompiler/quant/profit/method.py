"""PROFIT as a training method: stages, AIWQ, freezing, a teacher (arXiv 2008.04693)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.quant.profit.aiwq import (
    LEAST_STEPS,
    Sampler,
    Stability,
    assign_thirds,
    duq_form,
    is_depthwise,
    ranking,
    stability_of,
)
from qcompiler.quant.profit.config import ProfitConfig
from qcompiler.quant.profit.duq import DuQActivation, DuQWeight
from qcompiler.quant.profit.phases import Phase, Schedule
from qcompiler.quant.qat.activation import trained_quantizers
from qcompiler.quant.qat.base import parameter_groups, split_off
from qcompiler.quant.qat.export import finalize
from qcompiler.quant.qat.insert import insert_quantizers, start_quantizers
from qcompiler.quant.qat.method import Finalized
from qcompiler.quant.qat.sites import Values
from qcompiler.quant.qat.teaching import Teaching
from qcompiler.quant.qat.weights import FormedLayer, attach, formed_layers

Array = np.ndarray[Any, Any]


class PROFIT(Teaching):
    """DuQ quantizers that become narrower stage by stage (`qcompiler.quant.qat.method.Method`).

    Args:
        teacher: A trained network of the same inputs and outputs to learn from; None: none.
    """

    name: ClassVar[str] = "profit"

    def __init__(self, config: ProfitConfig, teacher: nn.Module | None = None) -> None:
        super().__init__(config.distill_weight, teacher)
        self.config, self.schedule = config, Schedule(config)
        self.samples = torch.empty(0)
        self._steps = 0  # of the whole training, where they are known
        self._entered = -1  # the stage that the model has been set for
        self._sampler: Sampler | None = None

    def prepare(self, model: nn.Module, samples: Tensor) -> nn.Module:
        self.samples, self._entered = samples, -1
        if self.config.activation_stairs:
            model = insert_quantizers(model, _activation, samples.device)
        attach(model, DuQWeight)
        for layer in self._convolutions(model):
            form = duq_form(layer)
            form.stability = Stability(form.shape).to(layer.originals[0].device)
        return model

    def parameter_groups(self, model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        scales: list[Tensor] = [p for q in trained_quantizers(model) for p in q.parameters()]
        scales += [raw for layer in formed_layers(model) for raw in layer.originals[1:]]
        groups = split_off(parameter_groups(model, weight_decay), scales, self.config.quant_rate)
        return [{**group, "nesterov": True} for group in groups]

    # ---- stages --------------------------------------------------------------------------

    def plan(self, steps: int) -> None:
        """Raise if a stage that trains or measures weights at the last width has too few steps."""
        phases = [self.schedule.index(k / steps) for k in range(steps)]
        for k, phase in enumerate(self.schedule.phases):
            if phase.samples and phases.count(k) < LEAST_STEPS:
                raise QCompilerError(
                    f"{steps} steps of training leave {phases.count(k)} to measure how stable the "
                    f"layers are; {LEAST_STEPS} are the least",
                    where="profit",
                    hint="train for more epochs, or with --set freeze=false",
                )
            if phase.trains and phase.weights == self.config.bits and k not in phases:
                raise QCompilerError(
                    f"{steps} steps of training leave none to stage {k + 1} of "
                    f"{len(self.schedule.phases)}, which trains {phase.weights}-bit weights",
                    where="profit",
                    hint="train for more epochs, or with --set staircase=no",
                )
        self._steps = steps

    def phase(self, done: float) -> int:
        """Of the optimizer: momentum stays where the rate does not start anew."""
        return self.schedule.index(done) if self.config.restarts else 0

    def rate(self, done: float) -> float:
        return self.schedule.rate(done)

    def averaging(self, done: float) -> tuple[float, int]:
        """Anew at each width: narrower weights are other weights."""
        return self.config.ema_rate, self.schedule.width(done)

    def begin_step(self, model: nn.Module, done: float) -> None:
        """Set the model for its stage, once; all that must outlast a stop is in its buffers."""
        k = self.schedule.index(done)
        if k == self._entered:
            return
        phase, layers = self.schedule.phases[k], list(formed_layers(model))
        self._narrow(model, layers, phase)
        self._sample(model, phase)
        for layer in layers:
            layer.originals[0].requires_grad_(phase.trains and not _frozen(layer, phase))
        self._entered = k

    def _narrow(self, model: nn.Module, layers: list[FormedLayer], phase: Phase) -> None:
        """The bits of a stage; quantizers that had none start from the network as it is."""
        activations = _activations(model)
        if phase.activations and activations and not int(activations[0].bits):
            start_quantizers(model, self.samples.to(activations[0].a.device))
        for quantizer in activations:
            quantizer.quantize(phase.activations)
        for layer in layers:
            duq_form(layer).quantize(phase.weights, *layer.originals, refit=self.config.refit)

    def _sample(self, model: nn.Module, phase: Phase) -> None:
        """Measure from now on, or no longer; rank the layers when they are to be frozen."""
        if self._sampler is not None:
            self._sampler.stop()
            self._sampler = None
        convolutions = self._convolutions(model)
        if phase.samples:
            for layer in convolutions:
                stability_of(layer).begin(phase.weights)
            self._sampler = Sampler(convolutions)
        elif phase.frozen and convolutions and not _assigned(convolutions):
            assign_thirds(convolutions)

    def _convolutions(self, model: nn.Module) -> list[FormedLayer]:
        """What is measured and frozen, unless it gives one pixel; linear layers never are."""
        if not self.config.freeze:
            return []
        return [c for c in formed_layers(model) if isinstance(c.module, nn.Conv2d)]

    # ---- loss, log, end ------------------------------------------------------------------

    def penalty(self, model: nn.Module) -> Tensor | None:
        return None

    def end_epoch(self, model: nn.Module, done: float) -> None:
        """Be in the stage of the last step, after a stop too; at the end in the last stage."""
        if self._steps:
            self.begin_step(model, (round(done * self._steps) - 1) / self._steps)
        if done >= 1:
            self.begin_step(model, 1.0)

    def columns(self, model: nn.Module) -> dict[str, float]:
        layers = list(formed_layers(model))
        phase = self.schedule.phases[max(self._entered, 0)]
        return {
            "stage": float(self._entered + 1),
            "activations": float(phase.activations),
            "bits": float(phase.weights),
            "frozen": float(sum(not layer.originals[0].requires_grad for layer in layers)),
        }

    def layer_columns(self, model: nn.Module) -> dict[str, dict[str, float]]:
        """Of each measured convolution: AIWQ, its rank from 1, the third in which it was frozen."""
        return {
            layer.name: {
                "depthwise": float(is_depthwise(layer)),
                "aiwq": stability_of(layer).mean,
                "rank": float(rank),
                "third": float(stability_of(layer).third) + 1,
            }
            for rank, layer in enumerate(ranking(self._convolutions(model)), 1)
        }

    def finalize(self, model: nn.Module, samples: Array) -> Finalized:
        return finalize(model, samples)


def _activation(values: Values) -> DuQActivation:
    if values.shifted:
        return DuQActivation("hswish")
    return DuQActivation("unsigned" if values.positive else "symmetric")


def _activations(model: nn.Module) -> list[DuQActivation]:
    return [q for q in trained_quantizers(model) if isinstance(q, DuQActivation)]


def _assigned(layers: list[FormedLayer]) -> bool:
    return any(int(stability_of(layer).third) >= 0 for layer in layers)


def _frozen(layer: FormedLayer, phase: Phase) -> bool:
    if not phase.frozen or not isinstance(layer.module, nn.Conv2d):
        return False
    return 0 <= int(stability_of(layer).third) < phase.frozen
