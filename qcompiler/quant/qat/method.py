"""What a training method is to the trainer: hooks around an ordinary training loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn

from qcompiler.ir.graph import Graph

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class LayerScheme:
    """Three sizes of one layer's weights, which are three different numbers.

    Args:
        layer: Name in the torch model.
        parameters: Number of weights.
        live: Planes that survive, sign not counted: the papers' "bits". The average over groups of
            output channels, where these have gates of their own.
        span: Planes from the lowest to the highest live one.
        stored: Bits a weight takes in memory, as the encoder lays it out.
        scheme: The live planes' exponents, lowest first.
    """

    layer: str
    parameters: int
    live: float
    span: int
    stored: int
    scheme: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Finalized:
    """A trained network as integers.

    Args:
        graph: nn dialect with quantizers; weights are exact codes times a step.
        layers: One entry per convolution or linear layer.
        gap: Largest difference of a trained and a hard weight, in steps of the layer.
    """

    graph: Graph
    layers: tuple[LayerScheme, ...]
    gap: float

    @property
    def bits(self) -> float:
        """Average live planes of a weight."""
        total = sum(s.parameters for s in self.layers)
        return sum(s.parameters * s.live for s in self.layers) / total


class Method(Protocol):
    """Turns a float model into a trainable quantized one, and that into integers.

    All state that training changes is in the model's parameters and buffers, so that a state
    dict restores it.
    """

    name: ClassVar[str]

    def prepare(self, model: nn.Module, samples: Tensor) -> nn.Module:
        """The model in its trainable quantized form; may work in place.

        Args:
            samples: Inputs (N, …) from which activation steps start.
        """

    def parameter_groups(self, model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        """Groups for a torch optimizer: weight decay only where it makes sense, ``lr_scale``."""

    def begin_step(self, model: nn.Module, done: float) -> None:
        """Set what depends on the share of training that is done, 0 to 1, before each step."""

    def penalty(self, model: nn.Module) -> Tensor | None:
        """What is added to the loss of a step."""

    def end_epoch(self, model: nn.Module, done: float) -> None:
        """Changes between epochs, in place."""

    def columns(self, model: nn.Module) -> dict[str, float]:
        """Figures for the log, the same names after every epoch."""

    def finalize(self, model: nn.Module, samples: Array) -> Finalized:
        """Integers from the trained model; the model itself is left alone.

        Args:
            samples: Inputs (N, …), float32, that set the ranges that training did not.
        """


@runtime_checkable
class Staged(Protocol):
    """What a method may have besides: stages with a learning rate of its own.

    All are pure functions, so that a resumed training takes the same steps.
    """

    def plan(self, steps: int) -> None:
        """Told before the first step how many there are; raises if they are too few."""

    def phase(self, done: float) -> int:
        """Number of the stage; momentum starts anew where it changes."""

    def rate(self, done: float) -> float:
        """Factor of the largest learning rate, in place of warm-up and cosine."""


@runtime_checkable
class Averaged(Protocol):
    """What a method may have besides: the running mean of all weights, as a second candidate.

    Where validation images are kept out, what is better on them is kept at the end.
    """

    def averaging(self, done: float) -> tuple[float, int]:
        """Rate of the mean, 0: none, and a number: the mean starts anew where that changes."""


@runtime_checkable
class Taught(Protocol):
    """What a method may have besides: a loss that looks at the outputs.

    Args:
        teacher: A network of the same inputs and outputs that the loss uses; None: none.
    """

    teacher: nn.Module | None

    def distillation(self, images: Tensor, logits: Tensor) -> Tensor | None:
        """What is added to the loss of a step."""
