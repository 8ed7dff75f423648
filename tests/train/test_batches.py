"""Batches: pure functions of seed, epoch and step, shared out to processes, augmented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qcompiler.errors import QCompilerError
from qcompiler.models.data import resnet20_pixels
from qcompiler.train.batches import PAD, Batches, crop, flip
from qcompiler.train.config import TrainConfig
from qcompiler.train.dataset import Part
from qcompiler.train.pixels import Pixels, pixels, resolve

N, SIZE = 50, 12
DRAWS = np.random.default_rng(5)
IMAGES = DRAWS.integers(0, 256, (N, 8, 10, 3)).astype(np.uint8)
PART = Part(torch.from_numpy(IMAGES).permute(0, 3, 1, 2).contiguous(), torch.arange(N))
LOOK = Pixels((0.5, 0.4, 0.3), (0.2, 0.2, 0.3))


def batches(augment: str = "crop-flip", seed: int = 0, rank: int = 0, world: int = 1) -> Batches:
    return Batches(PART, LOOK, SIZE, seed, augment, rank, world)


def test_global_random_numbers_and_history_do_not_matter() -> None:
    first = batches()
    seen = {(e, s): first(e, s) for e in range(2) for s in range(first.steps)}
    torch.manual_seed(99)
    again = batches()
    for (epoch, step), (images, labels) in reversed(seen.items()):
        state = torch.get_rng_state()
        got = again(epoch, step)
        assert torch.equal(got[0], images) and torch.equal(got[1], labels)
        assert torch.equal(torch.get_rng_state(), state)


def test_an_epoch_has_each_image_once_and_skips_the_rest() -> None:
    made = batches()
    assert made.steps == 4
    for epoch in (0, 1):
        labels = torch.cat([made(epoch, step)[1] for step in range(made.steps)])
        assert len(labels) == 48 and len(set(labels.tolist())) == 48
    assert not torch.equal(made.order(0), made.order(1))
    assert not torch.equal(made.order(0), batches(seed=1).order(0))


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_a_batch(world: int) -> None:
    images, labels = batches()(1, 2)
    for rank in range(world):
        mine = batches(rank=rank, world=world)(1, 2)
        assert torch.equal(mine[0], images[rank::world])
        assert torch.equal(mine[1], labels[rank::world])


def test_crop_moves_images_over_a_border_of_zeros() -> None:
    offsets = torch.randint(2 * PAD + 1, (2, N))
    got = crop(PART.images, offsets).numpy()
    for k, image in enumerate(PART.images.numpy()):
        padded = np.pad(image, ((0, 0), (PAD, PAD), (PAD, PAD)))
        y, x = offsets[:, k].tolist()
        assert np.array_equal(got[k], padded[:, y : y + 8, x : x + 10])


def test_flip_turns_the_wanted_images() -> None:
    wanted = torch.arange(N) % 2
    got = flip(PART.images, wanted).numpy()
    assert np.array_equal(got[0::2], PART.images[0::2].numpy())
    assert np.array_equal(got[1::2], PART.images[1::2].numpy()[..., ::-1])


def test_every_offset_and_both_sides_occur() -> None:
    made = batches("crop-flip")
    plain = batches("none")
    moved = sum(
        not torch.equal(a, b)
        for step in range(4)
        for a, b in zip(made(0, step)[0], plain(0, step)[0], strict=True)
    )
    assert moved > 40
    flipped = batches("flip")(0, 0)[0]
    upright = plain(0, 0)[0]
    turned = [not torch.equal(a, b) for a, b in zip(flipped, upright, strict=True)]
    assert 0 < sum(turned) < SIZE
    for a, b, k in zip(flipped, upright, turned, strict=True):
        assert torch.equal(a, b.flip(2) if k else b)


# ---- pixels -------------------------------------------------------------------------------


def resolved(**given: Any) -> TrainConfig:
    return resolve(TrainConfig(Path("data.npz"), Path("run"), **given), PART)


def test_measured_mean_and_deviation() -> None:
    look = pixels(resolved())
    values = IMAGES.reshape(-1, 3) / 255
    assert np.allclose(look.mean, values.mean(0), atol=1e-6)
    assert np.allclose(look.std, values.std(0), atol=1e-6)
    normal = look(PART.images)
    assert abs(float(normal.mean())) < 1e-4 and abs(float(normal.std()) - 1) < 1e-3


def test_imagenet_is_what_the_checkpoint_of_resnet20_wants() -> None:
    look = pixels(resolved(normalize="imagenet"))
    assert torch.equal(look(PART.images), resnet20_pixels(IMAGES))


def test_given_numbers_and_what_does_not_go_together() -> None:
    assert pixels(resolved(mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0))).mean == (0.1, 0.2, 0.3)
    with pytest.raises(QCompilerError, match="1 numbers, but the images have 3 channels"):
        resolved(mean=(0.1,), std=(0.1,))
    config = TrainConfig(Path("d"), Path("r"))
    constant = Part(torch.full((4, 1, 2, 2), 7, dtype=torch.uint8), torch.zeros(4).long())
    with pytest.raises(QCompilerError, match="channel 0 of the training images is constant"):
        resolve(config, constant)
    features = Part(torch.randn(4, 5), torch.zeros(4).long())
    assert resolve(config, features).augment == "none"
    assert resolved().augment == "crop-flip"
    with pytest.raises(QCompilerError, match=r"samples of shape \(5,\) have no rows"):
        resolve(TrainConfig(Path("d"), Path("r"), augment="flip"), features)
    with pytest.raises(QCompilerError, match="mean and deviation are for uint8 images"):
        resolve(TrainConfig(Path("d"), Path("r"), normalize="imagenet"), features)
