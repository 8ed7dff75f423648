"""Images and labels of a run: read, checked, split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qcompiler.arrays import read_archive
from qcompiler.errors import QCompilerError
from qcompiler.train.config import TrainConfig

Array = np.ndarray[Any, Any]
HINT = "write it with numpy.savez(path, images=..., labels=...)"


@dataclass(frozen=True, eq=False)
class Part:
    """Images, uint8 (N, C, H, W) or float32 (N, C, H, W) or (N, F), and int64 labels (N,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Part:
        return Part(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class TrainData:
    """What a run trains on and is measured on.

    Args:
        classes: Number of classes.
        named: The file names its classes, so that there are no others.
        digest: Of all images, labels and the split: another one is another run.
        validation: Images kept out of training to choose with, if any.
    """

    train: Part
    test: Part
    classes: int
    named: bool
    digest: str
    validation: Part | None = None


def load_data(config: TrainConfig) -> TrainData:
    """Read the files that ``config`` names.

    Raises:
        QCompilerError: A file that cannot be used, or too few images.
    """
    whole, names = _read(config.data)
    where = str(config.data)
    if config.test is not None:
        train, (test, _) = whole, _read(config.test)
        if test.images.shape[1:] != train.images.shape[1:] or (
            test.images.dtype != train.images.dtype
        ):
            raise QCompilerError(
                f"its images are {_kind(test)}, those of {config.data} {_kind(train)}",
                where=str(config.test),
            )
    else:
        train, test = _split(whole, config.holdout, where, "test", "test images of their own")
    validation = None
    if config.validation:
        train, validation = _split(train, config.validation, where, "validate", "no --validation")
    if len(train) < config.batch_size:
        raise QCompilerError(
            f"{len(train):,} images to train on are less than one batch of {config.batch_size}",
            where=where,
            hint=f"give a --batch-size of {len(train)} or less",
        )
    classes = names or int(whole.labels.max()) + 1
    for part, file in ((whole, config.data), (test, config.test or config.data)):
        if int(part.labels.max()) >= classes:
            raise QCompilerError(
                f"label {int(part.labels.max())} is out of range; there are {classes} classes",
                where=str(file),
            )
    parts = [train, test] if validation is None else [train, test, validation]
    return TrainData(train, test, classes, bool(names), _digest(*parts), validation)


def _read(path: Path) -> tuple[Part, int]:
    """The images and labels of a file, and how many classes it names (0: it does not)."""
    archive, where = read_archive(path, HINT), str(path)
    if missing := [name for name in ("images", "labels") if name not in archive]:
        raise QCompilerError(
            f"lacks the array {' and '.join(missing)}; it holds {', '.join(archive) or 'nothing'}",
            where=where,
            hint=HINT,
        )
    images = _images(archive["images"], where)
    labels = _labels(archive["labels"], len(images), where)
    return Part(images, labels), len(archive["classes"]) if "classes" in archive else 0


def _images(array: Array, where: str) -> Tensor:
    wanted = "uint8 (N, H, W, C) or float (N, C, H, W) or (N, F) was expected"
    problem = f"images have dtype {array.dtype} and shape {array.shape}; {wanted}"
    if array.dtype == np.uint8:
        if array.ndim != 4 or min(array.shape[1:]) < 1:
            hint = "add the channel: images[..., None]" if array.ndim == 3 else ""
            raise QCompilerError(problem, where=where, hint=hint)
        if array.shape[1] in (1, 3) and array.shape[3] > 4:
            hint = "channels come first here; save images.transpose(0, 2, 3, 1)"
            raise QCompilerError(problem, where=where, hint=hint)
        return torch.from_numpy(np.ascontiguousarray(array.transpose(0, 3, 1, 2)))
    if array.dtype.kind != "f" or array.ndim not in (2, 4) or min(array.shape[1:]) < 1:
        hint = "pixels are saved as uint8" if array.dtype.kind in "iu" else ""
        raise QCompilerError(problem, where=where, hint=hint)
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, np.float32)
    if not (finite := np.isfinite(array).reshape(len(array), -1).all(axis=1)).all():
        first = int((~finite).argmax())
        raise QCompilerError(f"images hold NaN or infinity (first in image {first})", where=where)
    return torch.from_numpy(array)


def _labels(array: Array, count: int, where: str) -> Tensor:
    if array.dtype.kind not in "iu" or array.ndim != 1:
        hint = "save labels.ravel()" if array.ndim == 2 and 1 in array.shape else ""
        raise QCompilerError(
            f"labels have dtype {array.dtype} and shape {array.shape}; integers (N,) were expected",
            where=where,
            hint=hint,
        )
    if len(array) != count:
        raise QCompilerError(f"holds {count:,} images and {len(array):,} labels", where=where)
    if count == 0:
        raise QCompilerError("holds no image", where=where)
    labels = torch.from_numpy(array.astype(np.int64))
    if int(labels.min()) < 0:
        raise QCompilerError(
            f"label {int(labels.min())} is out of range; classes count from 0", where=where
        )
    return labels


def _split(whole: Part, share: float, where: str, purpose: str, other: str) -> tuple[Part, Part]:
    """All but the last ``share`` to train on, the rest for ``purpose``."""
    held = max(round(share * len(whole)), 1)
    cut = len(whole) - held
    train = Part(whole.images[:cut], whole.labels[:cut])
    test = Part(whole.images[cut:], whole.labels[cut:])
    if new := sorted(set(test.labels.tolist()) - set(train.labels.tolist())):
        raise QCompilerError(
            f"the last {held:,} images, held out to {purpose}, are of classes that the others "
            f"are not: {', '.join(map(str, new[:5]))}",
            where=where,
            hint=f"shuffle the file, or give {other}",
        )
    return train, test


def _kind(part: Part) -> str:
    return f"{str(part.images.dtype)[6:]} of shape {tuple(part.images.shape[1:])}"


def _digest(*parts: Part) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(str((part.images.dtype, tuple(part.images.shape))).encode())
        digest.update(part.images.contiguous().numpy().data)
        digest.update(part.labels.numpy().data)
    return digest.hexdigest()
