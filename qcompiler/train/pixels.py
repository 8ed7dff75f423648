"""From stored images to what the network takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from qcompiler.errors import QCompilerError
from qcompiler.models.data import IMAGENET_MEAN, IMAGENET_STD
from qcompiler.train.config import TrainConfig
from qcompiler.train.dataset import Part

LEVELS = 256


@dataclass(frozen=True)
class Pixels:
    """``(x/255 - mean)/std`` for uint8 images (N, C, H, W); float images pass unchanged."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """float32 of the same shape."""
        if images.dtype != torch.uint8:
            return images
        mean, std = (torch.tensor(v, device=images.device) for v in (self.mean, self.std))
        return images.float().div_(255).sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1))


def resolve(config: TrainConfig, train: Part) -> TrainConfig:
    """``config`` with the augmentation, mean and deviation that it leaves to the images.

    Raises:
        QCompilerError: They do not go together with these images.
    """
    shape = tuple(train.images.shape[1:])
    augment = config.augment or ("crop-flip" if len(shape) == 3 and shape[0] == 3 else "none")
    if augment != "none" and len(shape) != 3:
        raise QCompilerError(
            f"samples of shape {shape} have no rows and columns to {augment}",
            where="augment",
            hint="leave out --augment",
        )
    if train.images.dtype != torch.uint8:
        if config.normalize != "measured" or config.mean is not None:
            raise QCompilerError(
                "mean and deviation are for uint8 images; these are float, used as they are",
                where="normalize",
            )
        return replace(config, augment=augment)
    mean, std = _statistics(config, train)
    if len(mean) != shape[0]:
        raise QCompilerError(
            f"{len(mean)} numbers, but the images have {shape[0]} channels", where="mean"
        )
    return replace(config, augment=augment, mean=mean, std=std)


def pixels(config: TrainConfig) -> Pixels:
    """What a resolved configuration does to its images."""
    return Pixels(config.mean or (), config.std or ())


def _statistics(config: TrainConfig, train: Part) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if config.mean is not None and config.std is not None:
        return config.mean, config.std
    if config.normalize == "imagenet":
        return IMAGENET_MEAN, IMAGENET_STD
    found = []
    for channel in range(train.images.shape[1]):
        counts = torch.bincount(train.images[:, channel].flatten(), minlength=LEVELS).double()
        values, total = torch.arange(LEVELS).double() / 255, counts.sum()
        mean = (counts * values).sum() / total
        std = (counts * (values - mean) ** 2).sum().div(total).sqrt()
        if std == 0:
            raise QCompilerError(
                f"channel {channel} of the training images is constant",
                where=str(config.data),
                hint="leave the channel out, or give --mean and --std",
            )
        found.append((round(float(mean), 6), round(float(std), 6)))
    return tuple(m for m, _ in found), tuple(max(s, 1e-6) for _, s in found)
