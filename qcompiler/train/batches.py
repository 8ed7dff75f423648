"""Batches as pure functions of seed, epoch and step: a resumed run sees the same ones."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from qcompiler.train.dataset import Part
from qcompiler.train.pixels import Pixels

PAD = 4
ORDER, AUGMENT, NOISE = range(3)  # streams of random numbers


def derived(seed: int, *numbers: int) -> int:
    """A seed for one use of random numbers, independent of all others."""
    words = np.random.SeedSequence([seed, *numbers]).generate_state(2, np.uint32)
    return int(words[0]) << 31 ^ int(words[1])


def generator(seed: int, *numbers: int) -> torch.Generator:
    return torch.Generator().manual_seed(derived(seed, *numbers))


class Batches:
    """The training images, batch by batch; what is left of an epoch is skipped.

    Args:
        part: On the device of the training.
        size: Images a batch, of all processes.
        augment: ``none``, ``flip`` or ``crop-flip``.
        rank: This process, of ``world``; each takes its share of every batch.
    """

    def __init__(
        self, part: Part, pixels: Pixels, size: int, seed: int, augment: str, rank: int, world: int
    ) -> None:
        self.part, self.pixels, self.size, self.seed = part, pixels, size, seed
        self.augment, self.rank, self.world = augment, rank, world
        self.steps = len(part) // size
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))

    def __call__(self, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """Images as the network takes them and labels, of this process."""
        mine = slice(self.rank, None, self.world)
        picked = self.order(epoch)[step * self.size : (step + 1) * self.size][mine]
        picked = picked.to(self.part.labels.device)
        images = self.part.images[picked]
        if self.augment != "none":
            draws = generator(self.seed, epoch, step, AUGMENT)
            flips = torch.randint(2, (self.size,), generator=draws)[mine]
            offsets = torch.randint(2 * PAD + 1, (2, self.size), generator=draws)[:, mine]
            if self.augment == "crop-flip":
                images = crop(images, offsets.to(images.device))
            images = flip(images, flips.to(images.device))
        return self.pixels(images), self.part.labels[picked]

    def order(self, epoch: int) -> Tensor:
        """All images in the order of an epoch."""
        if self._order[0] != epoch:
            draws = generator(self.seed, epoch, 0, ORDER)
            self._order = epoch, torch.randperm(len(self.part), generator=draws)
        return self._order[1]


def crop(images: Tensor, offsets: Tensor) -> Tensor:
    """Windows of the same size from images (N, C, H, W) with a border of PAD zeros.

    Args:
        offsets: Row and column of each window's corner, (2, N), 0 to 2·PAD.
    """
    height, width = images.shape[2:]
    windows = F.pad(images, (PAD,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(len(images), device=images.device), :, offsets[0], offsets[1]]


def flip(images: Tensor, wanted: Tensor) -> Tensor:
    """Images (N, C, H, W), left and right exchanged where ``wanted`` (N,) is not zero."""
    return torch.where(wanted.bool().view(-1, 1, 1, 1), images.flip(3), images)
