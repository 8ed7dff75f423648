"""Small networks and data that learn in a second, and methods that end in integers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from qcompiler.ir import nn as ops
from qcompiler.progress import Quiet
from qcompiler.quant.config import QuantConfig
from qcompiler.quant.qat.method import Finalized, LayerScheme
from qcompiler.train.config import TrainConfig
from qcompiler.train.plain import Plain
from qcompiler.verbs.quantize import quantize

Array = np.ndarray[Any, Any]
CLASSES = 3


class Tiny(nn.Module):
    """8x8 colour images to 3 logits; batch norm and dropout have state to get wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.1)
        self.fc = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.drop(torch.relu(self.norm(self.conv(x))).mean((2, 3))))
        return logits


class Normless(nn.Module):
    """The same without batch norm, whose statistics would depend on how a batch is shared out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4 * 8 * 8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.conv(x))
        logits: Tensor = self.fc(y.view(len(y), -1))  # refuses channels_last
        return logits


class Features(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(x)
        return logits


class Traced(Plain):
    """Plain training with a penalty and figures, and 4-bit integers at its end.

    Keeps what it was called with.
    """

    name: ClassVar[str] = "traced"

    def __init__(self) -> None:
        object.__setattr__(self, "calls", [])

    def begin_step(self, model: nn.Module, done: float) -> None:
        assert model.training
        self.calls.append(("step", done))  # type: ignore[attr-defined]

    def penalty(self, model: nn.Module) -> Tensor | None:
        return 1e-4 * sum((p**2).sum() for p in model.parameters())  # type: ignore[return-value]

    def end_epoch(self, model: nn.Module, done: float) -> None:
        self.calls.append(("epoch", done))  # type: ignore[attr-defined]

    def columns(self, model: nn.Module) -> dict[str, float]:
        return {"bits": 4.0}

    def layer_columns(self, model: nn.Module) -> dict[str, dict[str, float]]:
        return {"fc": {"bits": 4.0}}

    def finalize(self, model: nn.Module, samples: Array) -> Finalized:
        made = quantize(model, samples, QuantConfig(weights=4, method="max-abs"))
        nodes = {n: made.graph.op(n) for n in made.graph}
        rows = [
            LayerScheme(name, op.weight.size, 3, 3, 4, (0, 1, 2))
            for name, op in nodes.items()
            if isinstance(op, ops.Conv | ops.Linear)
        ]
        return Finalized(made.graph, tuple(rows), 0.25)


def pictures(count: int, seed: int = 0) -> tuple[Array, Array]:
    """uint8 images (N, 8, 8, 3) of which one channel is brighter: the label."""
    draws = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    images = draws.integers(0, 160, (count, 8, 8, 3))
    images[np.arange(count), :, :, labels] += 70
    return images.astype(np.uint8), labels


def settings(folder: Path, **changed: Any) -> TrainConfig:
    """A run of 2 epochs of 9 steps in ``folder/run`` on ``folder/data.npz``, which is made."""
    if not (path := folder / "data.npz").exists():
        images, labels = pictures(160)
        np.savez(path, images=images, labels=labels)
    given: dict[str, Any] = {
        "data": path,
        "checkpoint_dir": folder / "run",
        "method": "float",
        "model": "tests.train.nets:Tiny",
        "epochs": 2,
        "batch_size": 16,
        "threads": 1,
    }
    return TrainConfig(**{**given, **changed})


class At(Quiet):
    """Does something when so many steps (of training, then of measuring) are done."""

    def __init__(self, step: int, act: Callable[[], object]) -> None:
        self.step, self.act, self.done = step, act, 0

    def advance(self, steps: int = 1) -> None:
        before, self.done = self.done, self.done + steps
        if before < self.step <= self.done:
            self.act()
