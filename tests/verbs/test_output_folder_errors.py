"""Output folders that are something else: refused by each verb, and left as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Files
from tests.places import contents
from tests.verbs.conftest import Capture, refused


def occupied(place: Path) -> Path:
    (place / "mine").mkdir()
    (place / "mine" / "thesis.tex").write_text("years of work")
    return place / "mine"


def a_file(place: Path) -> Path:
    (place / "mine").write_text("a file")
    return place / "mine"


def below_a_file(place: Path) -> Path:
    return a_file(place) / "net.qc"


OUTPUTS = {
    occupied: "holds something else and is left alone",
    a_file: "is a file, a folder was expected",
    below_a_file: "mine is a file, a folder was expected",
}


@pytest.mark.parametrize("verb", ["quantize", "compile", "demo"])
@pytest.mark.parametrize("make", OUTPUTS)
def test_output_folders(
    verb: str, make: Callable[[Path], Path], place: Path, files: Files, capsys: Capture
) -> None:
    target = make(place)
    before = contents(place)
    inputs: dict[str, list[str | Path]] = {
        "quantize": [files / "model.pt2", "--calibration", files / "images.npz"],
        "compile": [files / "net.qc"],
        "demo": [],
    }
    error = refused([verb, *inputs[verb], "-o", target], capsys)
    assert f"{target}: {OUTPUTS[make]}" in error
    assert contents(place) == before


def test_the_current_folder(
    place: Path, files: Files, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "here").mkdir()
    monkeypatch.chdir(place / "here")
    for target in (".", place / "here"):
        error = refused(["compile", files / "net.qc", "-o", target], capsys)
        assert "is the current folder" in error
    assert contents(place) == {"here": "folder"}
