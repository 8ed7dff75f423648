"""Bad input to `train`: one clear error, and nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.places import contents
from tests.train.nets import Tiny, pictures
from tests.verbs.conftest import Capture, refused

IMAGES, LABELS = pictures(60)


def failing() -> nn.Module:
    raise RuntimeError("no such thing")


def text() -> str:
    return "a model"


def sigmoid() -> nn.Module:
    return nn.Sequential(Tiny(), nn.Sigmoid(), nn.Softsign())


def two_classes() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 2))


def cut_off(path: Path) -> None:
    np.savez_compressed(path, images=IMAGES, labels=LABELS)
    path.write_bytes(path.read_bytes()[:-50])


def refuse(place: Path, capsys: Capture, **options: Any) -> str:
    """The error of a run of Tiny on ``place/data.npz`` with some options changed."""
    given = {
        "data": place / "data.npz",
        "checkpoint-dir": place / "run",
        "method": "float",
        "model": "tests.train.nets:Tiny",
        "batch-size": 16,
        **{name.replace("_", "-"): value for name, value in options.items()},
    }
    if not (place / "data.npz").exists():
        np.savez(place / "data.npz", images=IMAGES, labels=LABELS)
    before = contents(place)
    arguments = [part for name, value in given.items() for part in (f"--{name}", value)]
    error = refused(["train", *arguments], capsys)
    assert contents(place) == before, "something was left behind"
    return error


# ---- data -----------------------------------------------------------------------------------

ONE_SHORT = {"images": IMAGES, "labels": LABELS[:-1]}
DATA: dict[str, tuple[dict[str, Any], str]] = {
    "no labels": ({"images": IMAGES}, "lacks the array labels; it holds images"),
    "other names": ({"x": IMAGES, "y": LABELS}, "lacks the array images and labels"),
    "negative": ({"images": IMAGES, "labels": LABELS - 1}, "label -1 is out of range"),
    "beyond the names": (
        {"images": IMAGES, "labels": LABELS, "classes": ["a", "b"]},
        "label 2 is out of range; there are 2 classes",
    ),
    "one label short": (ONE_SHORT, "holds 60 images and 59 labels"),
    "float labels": ({"images": IMAGES, "labels": LABELS / 2}, "labels have dtype float64"),
    "a column of labels": (
        {"images": IMAGES, "labels": LABELS[:, None]},
        "integers (N,) were expected\n  hint: save labels.ravel()",
    ),
    "no channel": ({"images": IMAGES[..., 0], "labels": LABELS}, "add the channel: images["),
    "channels first": (
        {"images": IMAGES.transpose(0, 3, 1, 2), "labels": LABELS},
        "images have dtype uint8 and shape (60, 3, 8, 8)",
    ),
    "int64 images": (
        {"images": IMAGES.astype(int), "labels": LABELS},
        "float (N, C, H, W) or (N, F) was expected\n  hint: pixels are saved as uint8",
    ),
    "three axes": ({"images": IMAGES[..., 0] / 255, "labels": LABELS}, "shape (60, 8, 8)"),
    "text": ({"images": np.array(["a"] * 60), "labels": LABELS}, "images have dtype <U1"),
    "NaN": (
        {"images": np.full((60, 3, 8, 8), np.nan), "labels": LABELS},
        "images hold NaN or infinity (first in image 0)",
    ),
    "empty": ({"images": IMAGES[:0], "labels": LABELS[:0]}, "holds no image"),
    "less than a batch": (
        {"images": IMAGES[:17], "labels": LABELS[:17]},
        "15 images to train on are less than one batch of 16",
    ),
    "a class at the end": (
        {"images": IMAGES, "labels": np.repeat([0, 1, 2], [27, 27, 6])},
        "the last 6 images, held out to test, are of classes that the others are not: 2",
    ),
}


@pytest.mark.parametrize("case", DATA)
def test_data(case: str, tmp_path: Path, capsys: Capture) -> None:
    arrays, words = DATA[case]
    np.savez(tmp_path / "data.npz", **arrays)
    error = refuse(tmp_path, capsys)
    assert f"{tmp_path}/data.npz: " in error and words in error


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "there is no such file"),
    "empty": (lambda path: path.write_bytes(b""), "the file is empty"),
    "text": (lambda path: path.write_text("1, 2"), "is not an .npz or .npy file of plain arrays"),
    "cut off": (cut_off, "is not an .npz or .npy file of plain arrays"),
    "one array": (lambda path: np.save(path.open("wb"), IMAGES), "is one array without names"),
}


@pytest.mark.parametrize("option", ["data", "test"])
@pytest.mark.parametrize("case", FILES)
def test_files(case: str, option: str, tmp_path: Path, capsys: Capture) -> None:
    make, words = FILES[case]
    path = tmp_path / "bad.npz"
    make(path)
    error = refuse(tmp_path, capsys, **{option: path})
    assert f"{path}: {words}" in error and "labels=...)" in error


def test_test_images_of_another_kind(tmp_path: Path, capsys: Capture) -> None:
    test = tmp_path / "test.npz"
    np.savez(test, images=IMAGES[:, :6], labels=LABELS)
    error = refuse(tmp_path, capsys, test=test)
    assert "test.npz: its images are uint8 of shape (3, 6, 8), those of " in error
    np.savez(test, images=IMAGES, labels=LABELS + 1)
    error = refuse(tmp_path, capsys, test=test)
    assert "test.npz: label 3 is out of range; there are 3 classes" in error


# ---- model and weights ------------------------------------------------------------------------

MODELS = {
    "tests.train.nets": "'tests.train.nets' is no model path\n  hint: write package.module:fun",
    "no.such.module:Net": "no.such.module cannot be imported: No module named 'no'",
    "tests.train.nets:Nothing": "tests.train.nets has no Nothing",
    "tests.train.nets:CLASSES": "tests.train.nets:CLASSES is of type int, no function",
    "tests.verbs.test_train_errors:failing": "failing() failed: no such thing",
    "tests.verbs.test_train_errors:text": "text() returned str, no nn.Module",
    "tests.verbs.test_train_errors:two_classes": "gives 2 logits, the data has 3 classes",
    "tests.verbs.test_train_errors:sigmoid": "aten.sigmoid.default",
    "tests.train.nets:Features": "cannot take images of shape (3, 8, 8): ",
}


@pytest.mark.parametrize("model", MODELS)
def test_models(model: str, tmp_path: Path, capsys: Capture) -> None:
    assert MODELS[model] in refuse(tmp_path, capsys, model=model)


def test_weights_that_do_not_fit(tmp_path: Path, capsys: Capture) -> None:
    torch.save(two_classes().state_dict(), tmp_path / "w.pt")
    error = refuse(tmp_path, capsys, weights=tmp_path / "w.pt")
    assert "w.pt: does not fit Tiny: lacks conv.weight, conv.bias, norm.weight" in error


# ---- options ----------------------------------------------------------------------------------

OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"method": "magic"}, "method 'magic' is unknown\n  hint: choose one of float, csq, lsq, bsq"),
    ({"method": "csq"}, "csq needs a budget"),
    ({"set": "planes"}, "--set: 'planes' is no setting"),
    ({"set": "planes=7"}, "float has no setting 'planes'"),
    ({"method": "csq", "budget": "3", "set": "plains=7"}, "csq has no setting 'plains'"),
    ({"method": "csq", "budget": "3", "set": "planes=99"}, "planes: 99 planes are outside 1 to 8"),
    ({"epochs": "0"}, "epochs: 0 is not a whole number from 1"),
    ({"epochs": "x"}, "Invalid value for '--epochs'"),
    ({"lr": "-1"}, "lr: -1 is not above 0"),
    ({"batch_size": "100"}, "54 images to train on are less than one batch of 100"),
    ({"mean": "0.5,x", "std": "1"}, "--mean: '0.5,x' is no list of numbers"),
    ({"mean": "0.5"}, "mean and std go together"),
    ({"mean": "0.5", "std": "0.5", "normalize": "imagenet"}, "--normalize and --mean exclude"),
    ({"mean": "0.5", "std": "0.5"}, "mean: 1 numbers, but the images have 3 channels"),
    ({"augment": "rotate"}, "augment 'rotate' is unknown"),
    ({"device": "tpu"}, "device 'tpu' is unknown"),
    ({"device": "cuda:77"}, "device cuda:77 is not available: torch "),
    ({"checkpoint_every": "often"}, "'often' is neither a time nor a number of steps"),
]


@pytest.mark.parametrize(("options", "words"), OPTIONS)
def test_options(options: dict[str, Any], words: str, tmp_path: Path, capsys: Capture) -> None:
    assert words in refuse(tmp_path, capsys, **options)


# ---- the folder -------------------------------------------------------------------------------


def test_folders_of_others(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("years of work")
    error = refuse(tmp_path, capsys)
    assert f"{tmp_path}/run: holds thesis.tex but no run, and is left alone" in error
    assert "--checkpoint-dir" in error
    assert "is a file, a folder was expected" in refuse(
        tmp_path, capsys, checkpoint_dir=tmp_path / "data.npz"
    )
    below = tmp_path / "data.npz" / "run"
    assert f"{below}: cannot be made: " in refuse(tmp_path, capsys, checkpoint_dir=below)


def test_restart_leaves_folders_of_others_alone(tmp_path: Path, capsys: Capture) -> None:
    np.savez(tmp_path / "data.npz", images=IMAGES, labels=LABELS)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "result.json").write_text("{}")
    before = contents(tmp_path)
    given = ["train", "--data", tmp_path / "data.npz", "--checkpoint-dir", tmp_path / "run"]
    error = refused([*given, "--method", "float", "--restart"], capsys)
    assert "holds result.json but no run" in error and contents(tmp_path) == before
