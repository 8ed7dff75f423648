"""Bad input to `compile`: one clear error, and nothing left behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from qcompiler.errors import QCompilerError
from qcompiler.verbs.compile import Target
from tests.conftest import Files
from tests.places import contents
from tests.verbs.conftest import Capture, refused

COMPILE: dict[str, tuple[list[str], list[str]]] = {
    "fps out of reach": (
        ["--fps", "1e8"],
        ["1e+08 frames/s at 100 MHz", "when fully unfolded: at most", "frames/s", "hint: ask for"],
    ),
    "unknown device": (["--target", "virtex9000"], ["'virtex9000' is not a known", "ecp5-85k"]),
    "both goals": (["--fps", "10", "--lut", "10000"], ["either a frame rate or a LUT budget"]),
    "small budget": (["--lut", "50"], ["smallest folding takes about", "the budget is 50"]),
    "no rate": (["--fps", "0"], ["fps is 0.0, a positive number was expected"]),
    "negative rate": (["--fps", "-3"], ["fps is -3.0, a positive number was expected"]),
    "infinite clock": (["--clock", "inf"], ["clock_mhz is inf, a positive number"]),
    "NaN rate": (["--fps", "nan"], ["fps is nan, a positive number was expected"]),
    "rate in words": (["--fps", "fast"], ["--fps", "valid number", "compile --help"]),
    "requantizer": (["--requant", "best"], ["'best' is unknown", "auto, exact, scale"]),
    "top": (["--top", "My Top"], ["'My Top' is not a module name", "lower-case letters"]),
    "top is a keyword": (
        ["--top", "module"],
        ["the module name module is a Verilog keyword", "--top"],
    ),
    "top of the library": (
        ["--top", "qc_fifo"],
        ["the module name qc_fifo is a", "library module"],
    ),
    "engine": (
        ["--engine", "conv1=best"],
        ["conv1: engine 'best' is unknown", "bitserial, direct"],
    ),
    "engine of no layer": (
        ["--engine", "conv9=direct"],
        ["no layer conv9", "its layers are conv1"],
    ),
    "engine twice": (["--engine", "auto", "--engine", "direct"], ["given twice"]),
    "partial sums": (["--partial-sums", "1"], ["partial sums of 1 bits are outside"]),
    "pass": (["--dump-after", "magic"], ["no pass is called magic", "integerize", "size-fifos"]),
    "option": (["--speed", "9"], ["No such option", "--speed", "compile --help"]),
}


@pytest.mark.parametrize("case", COMPILE)
def test_compile(case: str, place: Path, files: Files, capsys: Capture) -> None:
    options, expected = COMPILE[case]
    output = place / "new" / "build"
    error = refused(["compile", files / "net.qc", "-o", output, *options], capsys)
    for words in expected:
        assert words in error
    assert contents(place) == {}


def test_an_older_build_stays_where_a_new_one_is_refused(
    place: Path, files: Files, capsys: Capture
) -> None:
    shutil.copytree(files / "build", place / "build")
    before = contents(place)
    refused(["compile", files / "net.qc", "-o", place / "build", "--lut", "50"], capsys)
    assert contents(place) == before


def test_damaged_networks(place: Path, files: Files, capsys: Capture) -> None:
    net = place / "net.qc"
    shutil.copytree(files / "net.qc", net)
    good = {name: (net / name).read_bytes() for name in ("graph.json", "arrays.npz")}
    for name, content in good.items():
        for bad in (b"", content[: len(content) // 2], b"\x00" * len(content)):
            (net / name).write_bytes(bad)
            before = contents(place)
            error = refused(["compile", net, "-o", place / "build"], capsys)
            assert f"{net}: " in error and "qcompiler quantize" in error
            assert contents(place) == before
        (net / name).write_bytes(content)


def test_networks_of_another_kind(place: Path, files: Files, capsys: Capture) -> None:
    output = place / "build"
    error = refused(["compile", files / "build" / "integer", "-o", output], capsys)
    assert "a quantized nn graph was expected, this is integer" in error
    for wrong in (files / "build", files / "model.pt2", files / "missing.qc", place):
        error = refused(["compile", wrong, "-o", output], capsys)
        assert f"{wrong}: not a graph folder" in error
    assert contents(place) == {}


def test_the_library_raises_what_the_command_prints() -> None:
    with pytest.raises(QCompilerError, match="either a frame rate or a LUT budget"):
        Target(fps=1, lut=1)
