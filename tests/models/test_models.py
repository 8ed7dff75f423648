"""The shipped networks: accuracy on real data, and the same answers after import."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from qcompiler.errors import QCompilerError
from qcompiler.frontend.torch_export import import_module
from qcompiler.models import data
from qcompiler.models.digits import DigitsNet, train_digits
from qcompiler.models.resnet8 import ResNet8, load_resnet8
from qcompiler.models.resnet_cifar import ResNet20, load_resnet20
from qcompiler.reference.nn import run_batched

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
RESNET20 = "cifar10_resnet20_akamaster.npz"
RESNET8 = "mlperf_tiny_resnet8_cifar10.npz"
needs_data = pytest.mark.skipif(
    not (DATA / "cifar10_test.npz").exists(), reason=f"no CIFAR-10 and no checkpoints in {DATA}"
)


def size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def compare(model: nn.Module, split: data.Split, count: int) -> float:
    """Accuracy of the imported graph on the first images, after comparing it with torch."""
    part = data.Split(split.images[:count], split.labels[:count])
    with torch.no_grad():
        expected = torch.cat([model(piece) for piece in part.images.split(250)])
    graph = import_module(model, (part.images[:1],))
    got = run_batched(graph, part.images, batch=250)
    assert (got - expected).abs().max() < 1e-3
    assert part.accuracy(got) == part.accuracy(expected)
    return part.accuracy(got)


def test_sizes() -> None:
    assert size(ResNet20()) == 269_722
    assert size(ResNet8()) == 78_186
    assert size(DigitsNet()) < 8_000


def test_digits_are_learned_and_imported() -> None:
    seen: list[tuple[int, int]] = []
    model, digits = train_digits(0, progress=lambda epoch, of, loss: seen.append((epoch, of)))
    assert seen[-1] == (12, 12) and not model.training
    assert compare(model, digits.test, len(digits.test)) > 0.97


def test_digits_training_is_deterministic() -> None:
    state = torch.get_rng_state()
    first, second = (train_digits(3, epochs=1)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert torch.equal(state, torch.get_rng_state())


def test_digits_splits() -> None:
    digits = data.digits_data()
    assert (len(digits.train), len(digits.test)) == (1437, 360)
    assert digits.train.images.shape == (1437, 1, 8, 8)
    assert digits.train.images.min() == 0 and digits.train.images.max() == 1
    assert torch.bincount(digits.test.labels).min() >= 34


@needs_data
def test_resnet20() -> None:
    split = data.cifar_test(DATA, data.resnet20_pixels)
    assert compare(load_resnet20(DATA / RESNET20), split, 250) > 0.88


@needs_data
def test_resnet8() -> None:
    split = data.cifar_test(DATA, data.raw_pixels)
    assert compare(load_resnet8(DATA / RESNET8), split, 500) > 0.84


@needs_data
@pytest.mark.long
def test_accuracy_on_all_test_images() -> None:
    split = data.cifar_test(DATA, data.resnet20_pixels)
    assert compare(load_resnet20(DATA / RESNET20), split, 10_000) == pytest.approx(0.9173)
    split = data.cifar_test(DATA, data.raw_pixels)
    assert compare(load_resnet8(DATA / RESNET8), split, 10_000) == pytest.approx(0.8719)


@needs_data
def test_calibration_images() -> None:
    split = data.cifar_calibration(DATA, data.raw_pixels)
    assert split.images.shape == (1000, 3, 32, 32) and split.images.max() == 255
    assert torch.bincount(split.labels).tolist() == [100] * 10


def test_preprocessing() -> None:
    images = np.zeros((1, 2, 2, 3), np.uint8)
    images[0, 0, 1] = (255, 128, 0)
    assert data.raw_pixels(images)[0, :, 0, 1].tolist() == [255, 128, 0]
    expected = [(1 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, -0.406 / 0.225]
    np.testing.assert_allclose(data.resnet20_pixels(images)[0, :, 0, 1], expected, rtol=1e-6)


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(QCompilerError, match="there is no such file"):
        load_resnet20(tmp_path / "no.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(QCompilerError, match="no readable npz file"):
        data.load_arrays(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(QCompilerError, match="not ResNet-20's weights: missing"):
        load_resnet20(tmp_path / "other.npz")
    with pytest.raises(QCompilerError, match=r"the file lacks conv2d.kernel"):
        load_resnet8(tmp_path / "other.npz")
    np.savez(tmp_path / "cifar10_test.npz", images=np.zeros((1, 2, 2, 3), np.uint8))
    with pytest.raises(QCompilerError, match="the file lacks labels"):
        data.cifar_test(tmp_path, data.raw_pixels)


def test_keras_weights_of_another_shape(tmp_path: Path) -> None:
    np.savez(tmp_path / "k.npz", **{"conv2d.kernel": np.zeros((3, 3, 3, 8), np.float32)})
    with pytest.raises(QCompilerError, match=r"shape \(8, 3, 3, 3\) was found, \(16, 3, 3, 3\)"):
        load_resnet8(tmp_path / "k.npz")
