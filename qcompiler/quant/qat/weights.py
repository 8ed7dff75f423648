"""Weights in a trainable quantized form, put on a model's layers as torch parametrizations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from qcompiler.errors import QCompilerError

LAYERS = (nn.Conv2d, nn.Linear)


class WeightForm(nn.Module, ABC):
    """A parametrization of a layer's ``weight``; its originals are the parameters that train.

    Args:
        shape: Of the weight.
    """

    latent: ClassVar[int] = 0  # originals, from the first, that are ordinary float weights

    def __init__(self, shape: torch.Size) -> None:
        super().__init__()
        self.shape = shape

    @abstractmethod
    def forward(self, *originals: Tensor) -> Tensor:
        """The float weight of the forward pass."""

    @abstractmethod
    def right_inverse(self, weight: Tensor) -> tuple[Tensor, ...]:
        """Originals that stand for (about) this weight: how training starts."""

    @abstractmethod
    def integers(self, *originals: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (weight's shape, int64) and step, float64: () or (O,); weight = step · codes."""

    @abstractmethod
    def live(self, *originals: Tensor) -> Tensor:
        """Planes that codes may use, bool (G, N), lowest first, for G groups of channels."""


@dataclass(frozen=True)
class FormedLayer:
    """One layer of a model whose weight has a form."""

    name: str
    module: nn.Module
    form: WeightForm

    @property
    def originals(self) -> tuple[Tensor, ...]:
        held: Any = self.module.get_submodule("parametrizations.weight")
        return tuple(getattr(held, f"original{k}") for k in range(held.ntensors))

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return self.form.shape.numel()

    def integers(self) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return self.form.integers(*self.originals)

    def live(self) -> Tensor:
        with torch.no_grad():
            return self.form.live(*self.originals).cpu()


def attach(model: nn.Module, make: Callable[[torch.Size], WeightForm]) -> None:
    """Give every Conv2d and Linear of a model, first, last and shortcuts included, a weight form.

    Raises:
        QCompilerError: There is no such layer, one has a form already, or shares its weight.
    """
    layers = [(n, m) for n, m in model.named_modules() if isinstance(m, LAYERS)]
    if not layers:
        raise QCompilerError("the model has no Conv2d and no Linear layer to quantize")
    seen: dict[int, str] = {}
    for name, module in layers:
        if parametrize.is_parametrized(module):
            raise QCompilerError(
                "it has a parametrization already",
                where=name,
                hint="prepare a model once, and remove weight_norm and the like before",
            )
        if module.weight.dtype != torch.float32:
            raise QCompilerError(
                f"its weight is {module.weight.dtype}", where=name, hint="call model.float() first"
            )
        if not torch.isfinite(module.weight).all():
            raise QCompilerError("its weight holds NaN or infinite values", where=name)
        if (other := seen.setdefault(id(module.weight), name)) != name:
            raise QCompilerError(
                f"shares its weight with {other}", where=name, hint="give each layer its own"
            )
    for _, module in layers:
        form = make(module.weight.shape).to(module.weight.device)
        parametrize.register_parametrization(module, "weight", form)


def formed_layers(model: nn.Module) -> Iterator[FormedLayer]:
    """The layers that have a form, in the model's order."""
    for name, module in model.named_modules():
        if isinstance(module, LAYERS) and parametrize.is_parametrized(module, "weight"):
            form = module.get_submodule("parametrizations.weight.0")
            if isinstance(form, WeightForm):
                yield FormedLayer(name, module, form)


def harden(model: nn.Module) -> None:
    """Replace each form by a plain parameter of exact codes times step, in place."""
    for layer in list(formed_layers(model)):
        codes, step = layer.integers()
        shape = (-1,) + (1,) * (codes.dim() - 1)
        hard = (codes * step.reshape(shape)).float()
        # remove_parametrizations would take the property from the class, which copies share
        del layer.module.parametrizations
        layer.module.__class__ = type(layer.module).__bases__[0]
        layer.module.register_parameter("weight", nn.Parameter(hard))


def largest(weight: Tensor) -> Tensor:
    """The largest magnitude; of zeros what a fresh weight would have, so that they train."""
    peak = weight.abs().max()
    return peak if peak > 0 else torch.full_like(peak, weight[0].numel() ** -0.5)


def best_step(weight: Tensor, levels: int) -> Tensor:
    """Step of least mean square error of ``round(w / step)`` clamped at ±levels."""
    peak = largest(weight)
    steps = torch.linspace(0.1, 1.0, 91, device=weight.device) * peak / levels
    errors = [
        ((weight / s).round().clamp(-levels, levels) * s - weight).square().mean() for s in steps
    ]
    return steps[int(torch.stack(errors).argmin())]
