"""Bad samples and options of `verify`: one clear error, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcompiler.errors import QCompilerError
from qcompiler.verbs.verify import verify
from tests.conftest import Files
from tests.places import contents
from tests.verbs.conftest import IMAGES, Capture, refused, with_nan

INPUTS: dict[str, tuple[Callable[[], Any], str]] = {
    "another size": (lambda: IMAGES[:, :, :5], "has shape (9, 2, 5, 6)"),
    "features": (lambda: IMAGES[:, :, 0, 0], "has shape (9, 2)"),
    "one sample": (lambda: IMAGES[0], "has shape (2, 6, 6)"),
    "a number": (lambda: np.float32(3), "has shape ()"),
    "channels last": (lambda: IMAGES.transpose(0, 2, 3, 1), "channels come last"),
    "uint8": (lambda: IMAGES.astype(np.uint8), "has dtype uint8"),
    "empty": (lambda: IMAGES[:0], "holds no sample"),
    "NaN": (with_nan, "holds NaN or infinity"),
}


@pytest.mark.parametrize("case", INPUTS)
def test_images_for_verify(case: str, place: Path, files: Files, capsys: Capture) -> None:
    make, words = INPUTS[case]
    path = place / "images.npz"
    np.savez(path, images=make())
    before = contents(place)
    error = refused(["verify", files / "build", "--inputs", path, "--frames", "2"], capsys)
    assert f"{path}: " in error and words in error
    assert contents(place) == before


VERIFY = {
    ("--no-extremes",): "there is nothing to simulate",
    ("--inputs", "missing.npz"): "missing.npz: there is no such file",
    ("--stall", "1"): "--stall 1.0 is outside [0, 1)",
    ("--stall", "-0.1"): "--stall -0.1 is outside [0, 1)",
    ("--stall", "nan"): "--stall nan is outside [0, 1)",
    ("--random", "-1"): "--random",
    ("--frames", "0"): "--frames",
    ("--seed", "-1"): "--seed",
}


@pytest.mark.parametrize("options", VERIFY)
def test_verify(options: tuple[str, ...], place: Path, files: Files, capsys: Capture) -> None:
    error = refused(["verify", files / "build", *options], capsys)
    assert (VERIFY[options] in error and "hint: " in error) or "--stall" in options
    assert contents(place) == {}


def test_the_library_raises_what_the_command_prints(files: Files) -> None:
    with pytest.raises(QCompilerError, match=r"inputs: has shape \(9, 2, 5, 6\)"):
        verify(files / "build", IMAGES[:, :, :5])


def test_no_run_at_all_is_refused(files: Files) -> None:
    with pytest.raises(QCompilerError, match="no run was asked for"):
        verify(files.build, IMAGES, stalls=())
