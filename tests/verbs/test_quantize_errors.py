"""Bad input to `quantize`: one clear error, and nothing left behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from qcompiler.errors import QCompilerError
from qcompiler.quant.config import QuantConfig
from qcompiler.verbs.quantize import quantize
from tests.conftest import Files, SmallNet
from tests.places import contents
from tests.verbs.conftest import IMAGES, Capture, refused, with_nan


def quantize_refused(
    place: Path, capsys: Capture, model: Path, calibration: Path, *options: str
) -> str:
    before = contents(place)
    arguments = ["quantize", model, "--calibration", calibration, "-o", place / "new" / "net.qc"]
    error = refused([*arguments, *options], capsys)
    assert contents(place) == before, "something was left behind"
    return error


# ---- models --------------------------------------------------

MODELS = {
    "missing.pt2": ["missing.pt2: there is no such file"],
    "empty.pt2": ["empty.pt2: the file is empty", "torch.export.save"],
    "text.pt2": ["text.pt2: ", "no zip archive", "torch.export.save"],
    "state_dict.pt": ["state_dict.pt: ", "state dict", "no network in it", "torch.export.save"],
    "images.npz": ["images.npz: ", "no pt2 file", "torch.export.save"],
    "nan.pt2": ["NaN or infinite values in conv2.weight (1 of 144)"],
    "infinite.pt2": ["NaN or infinite values in conv2.weight (1 of 144)"],
    "sigmoid.pt2": [
        "aten.sigmoid.default is not supported",
        "WithSigmoid, ",
        "conftest.py:",
        "supported operators: ",
        "conv2d",
    ],
}


@pytest.mark.parametrize("model", MODELS)
def test_models(model: str, place: Path, files: Files, capsys: Capture) -> None:
    error = quantize_refused(place, capsys, files / model, files / "images.npz")
    for words in MODELS[model]:
        assert words in error


# ---- calibration sets --------------------------------------------------

WANTED = "the network takes float arrays of shape (N, 2, 6, 6)"

ARRAYS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "another size": (lambda: IMAGES[:, :, :5], ["has shape (9, 2, 5, 6)", WANTED]),
    "one sample": (lambda: IMAGES[0], ["has shape (2, 6, 6)", WANTED]),
    "a number": (lambda: np.float32(3), ["has shape ()", WANTED]),
    "channels last": (
        lambda: IMAGES.transpose(0, 2, 3, 1),
        ["has shape (9, 6, 6, 2)", "channels come last", "images.transpose(0, 3, 1, 2)"],
    ),
    "uint8": (lambda: IMAGES.astype(np.uint8), ["has dtype uint8", WANTED, "preprocessing"]),
    "text": (lambda: np.array(["a", "b"]), ["has dtype <U1", WANTED]),
    "empty": (lambda: IMAGES[:0], ["holds no sample", WANTED]),
    "NaN": (with_nan, ["holds NaN or infinity (first in sample 3)"]),
    "infinity": (lambda: IMAGES * np.inf, ["holds NaN or infinity"]),
    "beyond float32": (lambda: IMAGES.astype(np.float64) * 1e300, ["holds NaN or infinity"]),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_calibration_arrays(case: str, place: Path, files: Files, capsys: Capture) -> None:
    make, expected = ARRAYS[case]
    path = place / "calibration.npz"
    np.savez(path, images=make())
    error = quantize_refused(place, capsys, files / "model.pt2", path)
    assert str(path) in error
    for words in expected:
        assert words in error


def two_arrays(path: Path) -> None:
    np.savez(path, a=IMAGES, b=IMAGES)


def cut_off(path: Path) -> None:
    np.savez_compressed(path, images=IMAGES)
    path.write_bytes(path.read_bytes()[:-50])


def damaged(path: Path) -> None:
    np.savez_compressed(path, images=IMAGES)
    content = bytearray(path.read_bytes())
    content[100:140] = bytes(40)
    path.write_bytes(content)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "there is no such file"),
    "a folder": (lambda path: path.mkdir(), "there is no such file"),
    "empty file": (lambda path: path.write_bytes(b""), "the file is empty"),
    "text": (lambda path: path.write_text("1, 2, 3"), "is not an .npz or .npy file"),
    "objects": (
        lambda path: np.savez(path, images=np.array([{}, []], dtype=object)),
        "is not an .npz or .npy file of plain arrays",
    ),
    "cut off": (cut_off, "is not an .npz or .npy file"),
    "damaged": (damaged, "is not an .npz or .npy file"),
    "two arrays": (two_arrays, "holds the arrays a, b, none of them called images"),
}


@pytest.mark.parametrize("case", FILES)
def test_calibration_files(case: str, place: Path, files: Files, capsys: Capture) -> None:
    make, words = FILES[case]
    path = place / "calibration.npz"
    make(path)
    error = quantize_refused(place, capsys, files / "model.pt2", path)
    assert f"{path}: {words}" in error
    assert "hint: " in error and "numpy.savez(path, images=...)" in error


# ---- widths --------------------------------------------------

WIDTHS = [
    *(("--weights", bad) for bad in ("0", "9", "-1", "x", "4.5")),
    *(("--activations", bad) for bad in ("0", "9", "-1", "x")),
    *(("--input-bits", bad) for bad in ("0", "9")),
    *(("--output-bits", bad) for bad in ("1", "17")),
    ("--method", "best"),
    ("--percentile", "10"),
]


@pytest.mark.parametrize(("option", "value"), WIDTHS)
def test_widths(option: str, value: str, place: Path, files: Files, capsys: Capture) -> None:
    images = files / "images.npz"
    error = quantize_refused(place, capsys, files / "model.pt2", images, option, value)
    assert option.removeprefix("--").replace("-", " ").split()[0] in error
    if "bits" in option or value in ("0", "9", "-1"):
        assert re.search(r"is not a width from [12] to (8|16) bits", error)


TABLES = {
    "conv9: 4": ["the layer table names conv9", "its layers are conv1, conv2, fc"],
    "conv1: {weight: 4}": ["layer conv1: unknown field ['weight']", "weights and activations"],
    "conv1: 9": ["conv1: weights: 9 is not a width from 1 to 8 bits"],
    "conv1: 0": ["conv1: weights: 0 is not a width"],
    "conv1: x": ["conv1: weights: 'x' is not a width"],
    "fc: {activations: -1}": ["fc: activations: -1 is not a width"],
    "conv1: [": ["table.yaml: not valid YAML or JSON"],
    "just words": ["table.yaml: a table of layers was expected", "hint: write lines like"],
    "default: {activations: 4}": ["table.yaml, default: activations are not set here"],
}


@pytest.mark.parametrize("table", TABLES)
def test_layer_tables(table: str, place: Path, files: Files, capsys: Capture) -> None:
    path = place / "table.yaml"
    path.write_text(table + "\n")
    images = files / "images.npz"
    error = quantize_refused(place, capsys, files / "model.pt2", images, "--weights", str(path))
    for words in TABLES[table]:
        assert words in error


def test_zero_padding_without_a_code(place: Path, files: Files, capsys: Capture) -> None:
    images = files / "images.npz"
    error = quantize_refused(place, capsys, files / "unpadded.pt2", images, "--activations", "1")
    assert "second: its zero padding has no code: zero would be code 0.5 of [0..1]" in error
    assert "more activation bits" in error and "negative padding" in error


def test_the_library_raises_what_the_command_prints(files: Files) -> None:
    with pytest.raises(QCompilerError, match="calibration set: has dtype uint8"):
        quantize(files / "model.pt2", np.zeros((2, 2, 6, 6), np.uint8))
    with pytest.raises(QCompilerError, match="calibration set: has dtype int64"):
        quantize(SmallNet().eval(), np.zeros((2, 2, 6, 6), np.int64))
    with pytest.raises(QCompilerError, match="training mode"):
        quantize(nn.Sequential(nn.BatchNorm2d(2)).train(), IMAGES)
    with pytest.raises(QCompilerError, match="weights: 9"):
        QuantConfig(weights=9)
