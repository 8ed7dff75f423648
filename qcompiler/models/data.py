"""Images and labels: scikit-learn's digits, and CIFAR-10 from npz files in a given folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qcompiler.errors import QCompilerError

Array = np.ndarray[Any, Any]
Preprocess = Callable[[Array], Tensor]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Split:
    """Float32 images (N, C, H, W), ready for the network, and int64 labels (N,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def accuracy(self, logits: Tensor) -> float:
        """Top-1 accuracy of logits (N, classes), 0 to 1."""
        return float((logits.argmax(1) == self.labels).double().mean())


def load_arrays(path: str | Path) -> dict[str, Array]:
    """All arrays of an npz file; a missing or damaged file is the user's error."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError:
        raise QCompilerError("there is no such file", where=str(path)) from None
    except (OSError, ValueError) as error:
        raise QCompilerError(f"this is no readable npz file: {error}", where=str(path)) from None


def resnet20_pixels(images: Array) -> Tensor:
    """uint8 (N, 32, 32, 3) to (N, 3, 32, 32): x/255, then ImageNet's mean and deviation."""
    mean = torch.tensor(IMAGENET_MEAN).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD).view(3, 1, 1)
    return (raw_pixels(images) / 255 - mean) / std


def raw_pixels(images: Array) -> Tensor:
    """uint8 (N, H, W, C) to float 0..255 (N, C, H, W), as MLPerf Tiny's ResNet-8 takes them."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().contiguous()


def cifar_test(folder: str | Path, preprocess: Preprocess) -> Split:
    """The 10,000 test images of CIFAR-10 from ``folder/cifar10_test.npz``."""
    return _cifar(Path(folder) / "cifar10_test.npz", preprocess)


def cifar_calibration(folder: str | Path, preprocess: Preprocess) -> Split:
    """1,000 training images, 100 a class, from ``folder/cifar10_calib_1k.npz``."""
    return _cifar(Path(folder) / "cifar10_calib_1k.npz", preprocess)


def _cifar(path: Path, preprocess: Preprocess) -> Split:
    arrays = load_arrays(path)
    if missing := {"images", "labels"} - set(arrays):
        raise QCompilerError(f"the file lacks {', '.join(sorted(missing))}", where=str(path))
    return Split(preprocess(arrays["images"]), torch.from_numpy(arrays["labels"].astype(np.int64)))


@dataclass(frozen=True)
class DigitsData:
    """scikit-learn's 8x8 digits, (N, 1, 8, 8) in 0..1: 1,437 to train, 360 held out."""

    train: Split
    test: Split


def digits_data() -> DigitsData:
    """The same stratified split every time; comes with scikit-learn, no download."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    parts = train_test_split(
        images, labels.astype(np.int64), test_size=0.2, random_state=0, stratify=labels
    )
    train_x, test_x, train_y, test_y = (torch.from_numpy(np.ascontiguousarray(p)) for p in parts)
    return DigitsData(Split(train_x, train_y), Split(test_x, test_y))
