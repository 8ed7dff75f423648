"""What a user asks of a training run."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qcompiler.errors import QCompilerError

RESNET20 = "qcompiler.models.resnet_cifar:ResNet20"
NORMALIZE = ("measured", "imagenet")
AUGMENT = ("none", "flip", "crop-flip")
UNQUANTIZED = (0, 32)
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run.

    Args:
        data: npz file with ``images``, uint8 (N, H, W, C) or float (N, C, H, W) or (N, F), and
            integer ``labels`` (N,); ``classes`` may name the classes.
        checkpoint_dir: Folder of the run: checkpoint, logs, result.
        method: Name in ``methods.METHODS``.
        model: ``package.module:function``, a callable without arguments that gives an nn.Module.
        weights: State dict to start from, .npz or .pt.
        test: npz file like ``data``; None takes the last ``holdout`` share of ``data``.
        validation: Last share of the training images, kept out to choose between what a method
            ends with, 0 to 0.5; 0: it does not choose. Test images never do.
        normalize: Mean and deviation of uint8 images, for (x/255 - mean)/std, where they are not
            given: ``measured`` on the training images or ``imagenet``'s.
        mean: One number a channel, of x/255.
        std: The same.
        epochs: Passes over the training images.
        batch_size: Images a step, of all processes together; what is left of an epoch is skipped.
        lr: Largest learning rate.
        momentum: Of SGD.
        weight_decay: Of SGD; the method says for which parameters.
        warmup: Epochs in which the rate rises to ``lr``, before the cosine takes it to 0; None
            takes one, or half of a shorter training.
        label_smoothing: 0 to 1.
        augment: One of AUGMENT; None takes crop-flip for images of three channels, else none.
        seed: Of initial weights, order, crops, flips and dropout.
        threads: CPU threads; None leaves torch's number.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:1``.
        budget: Average weight bits, for methods that choose them.
        bits: Weight bits, for methods that do not; 0 or 32 is "not quantized in training".
        activations: Bits of the codes between layers; 0 or 32 likewise.
        options: Further settings of the method by name, as text.
        checkpoint_every: Time or steps between checkpoints: ``60s``, ``5m``, ``1h`` or ``500``.
            There is one after each epoch in any case.
    """

    data: Path
    checkpoint_dir: Path
    method: str = "csq"
    model: str = RESNET20
    weights: Path | None = None
    test: Path | None = None
    holdout: float = 0.1
    validation: float = 0.0
    normalize: str = "measured"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    epochs: int = 30
    batch_size: int = 128
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float | None = None
    label_smoothing: float = 0.0
    augment: str | None = None
    seed: int = 0
    threads: int | None = None
    device: str = "auto"
    budget: float | None = None
    bits: int = 0
    activations: int = 0
    options: Mapping[str, str] = field(default_factory=dict)
    checkpoint_every: str = "60s"

    def __post_init__(self) -> None:
        for what in ("epochs", "batch_size"):
            _whole(getattr(self, what), what, 1)
        _whole(self.seed, "seed", 0)
        if self.threads is not None:
            _whole(self.threads, "threads", 1)
        limits: dict[str, float] = {"momentum": 1, "label_smoothing": 1, "holdout": 1}
        limits |= {"weight_decay": math.inf, "lr": math.inf}
        for what, most in limits.items():
            _share(getattr(self, what), what, most, zero=what not in ("lr", "holdout"))
        if not 0 <= self.validation <= 0.5:
            raise _bad("validation", f"{self.validation:g} is no share from 0 to 0.5")
        if self.warmup is not None:
            _share(self.warmup, "warmup", self.epochs)
        for what in ("bits", "activations"):
            value = getattr(self, what)
            if isinstance(value, bool) or value not in (*UNQUANTIZED, *range(1, 9)):
                raise _bad(what, f"{value!r} is not a width from 1 to 8 bits, nor 0 or 32")
        if self.budget is not None and not 0 < self.budget <= 8:
            raise _bad("budget", f"an average of {self.budget:g} bits is outside (0, 8]")
        if self.augment is not None:
            _one_of(self.augment, AUGMENT, "augment")
        self._check_normalization()
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device):
            raise QCompilerError(
                f"device {self.device!r} is unknown", hint="choose auto, cpu, cuda or cuda:NUMBER"
            )
        every(self.checkpoint_every)

    def _check_normalization(self) -> None:
        _one_of(self.normalize, NORMALIZE, "normalize")
        if (self.mean is None) != (self.std is None):
            raise _bad("mean", "mean and std go together")
        if self.mean is not None and self.std is not None:
            if len(self.mean) != len(self.std) or not self.mean:
                raise _bad("mean", f"{len(self.mean)} numbers, and {len(self.std)} in std")
            if not all(map(math.isfinite, self.mean)):
                raise _bad("mean", f"{self.mean} are not all finite")
            if not all(0 < s < math.inf for s in self.std):
                raise _bad("std", f"{self.std} are not all positive")

    def json(self) -> dict[str, Any]:
        """All fields as JSON holds them."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}


def every(text: str) -> tuple[float, int]:
    """Seconds and steps between checkpoints; the one that is not asked for is infinite or 0."""
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text):
        return float(found[1]) * UNITS[found[2]], 0
    if re.fullmatch(r"[1-9]\d*", text):
        return math.inf, int(text)
    raise QCompilerError(
        f"{text!r} is neither a time nor a number of steps",
        where="checkpoint_every",
        hint="write 60s, 5m or 1h, or a number of steps such as 500",
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return list(value)
    return dict(sorted(value.items())) if isinstance(value, Mapping) else value


def _bad(what: str, problem: str) -> QCompilerError:
    return QCompilerError(problem, where=what)


def _whole(value: object, what: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**63:
        raise _bad(what, f"{value!r} is not a whole number from {least}")


def _share(value: float, what: str, most: float, zero: bool = True) -> None:
    if not 0 <= value < most or (value == 0 and not zero):
        below = f" and below {most:g}" if most < math.inf else " and finite"
        raise _bad(what, f"{value:g} is not {'at least' if zero else 'above'} 0{below}")


def _one_of(value: str, known: tuple[str, ...], what: str) -> None:
    if value not in known:
        raise QCompilerError(
            f"{what} {value!r} is unknown", hint=f"choose one of {', '.join(known)}"
        )
