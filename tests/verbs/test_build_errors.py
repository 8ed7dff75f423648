"""No builds and damaged ones: refused by `verify`, `estimate` and `synth`, and left alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qcompiler.estimate.devices import device
from qcompiler.verbs.build import Build
from qcompiler.verbs.compile import Target
from qcompiler.verbs.compile import compile as compile_network
from tests.conftest import Files
from tests.places import contents
from tests.verbs.conftest import Capture, refused


@pytest.mark.parametrize("verb", ["verify", "estimate", "synth"])
def test_folders_that_are_no_build(verb: str, place: Path, files: Files, capsys: Capture) -> None:
    for wrong in (files / "net.qc", files / "missing", files / "images.npz", place):
        error = refused([verb, wrong], capsys)
        assert f"{wrong}: not a build folder (no manifest.json)" in error
        assert "qcompiler compile" in error
    assert contents(place) == {}


def manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def apply(build: Path) -> None:
        content = json.loads((build / "manifest.json").read_text())
        change(content)
        (build / "manifest.json").write_text(json.dumps(content))

    return apply


BUILDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda b: (b / "manifest.json").write_text(""), "manifest.json: damaged: "),
    "binary": (lambda b: (b / "manifest.json").write_bytes(b"\xff\x00"), "manifest.json: damaged"),
    "a list": (lambda b: (b / "manifest.json").write_text("[1]"), "a table was expected"),
    "no top": (manifest(lambda m: m.pop("top")), "the field top is missing or no str"),
    "no target": (manifest(lambda m: m.pop("target")), "the field target is missing"),
    "sources": (manifest(lambda m: m.update(sources=5)), "the field sources is missing"),
    "source": (manifest(lambda m: m["sources"].append(7)), "7 is no file name"),
    "streams": (manifest(lambda m: m["streams"].pop()), "streams, the graph has another"),
    "a device": (manifest(lambda m: m["target"].update(device=3)), "target.device is missing"),
    "no clock": (manifest(lambda m: m["target"].pop("clock_mhz")), "target.clock_mhz is missing"),
    "a clock": (manifest(lambda m: m["target"].update(clock_mhz=0)), "target.clock_mhz is missing"),
    "a port": (manifest(lambda m: m["ports"].pop("s_axis")), "ports.s_axis.lanes is missing"),
    "no Verilog": (lambda b: (b / "qc_top.v").unlink(), "build: qc_top.v is missing"),
    "no memory": (lambda b: shutil.rmtree(b / "mem"), "is missing"),
    "no graph": (lambda b: shutil.rmtree(b / "hardware"), "hardware: not a graph folder"),
    "graphs swapped": (
        lambda b: [
            shutil.rmtree(b / "hardware"),
            shutil.copytree(b / "integer", b / "hardware"),
        ],
        "hardware: holds a graph of integer",
    ),
}


@pytest.mark.parametrize("case", BUILDS)
@pytest.mark.parametrize("verb", ["verify", "estimate"])
def test_damaged_builds(verb: str, case: str, place: Path, files: Files, capsys: Capture) -> None:
    damage, words = BUILDS[case]
    shutil.copytree(files / "build", place / "build")
    damage(place / "build")
    before = contents(place)
    error = refused([verb, place / "build"], capsys)
    assert words in error and "qcompiler compile" in error
    assert contents(place) == before


@pytest.mark.parametrize(("given", "mhz"), [(None, 50.0), (80.0, 80.0)])
def test_the_clock_on_another_device(
    given: float | None, mhz: float, files: Files, tmp_path: Path
) -> None:
    """Its usual one, unless the user asked for one."""
    compile_network(files / "net.qc", Target(fps=1000, clock_mhz=given), out=tmp_path / "build")
    build = Build.read(tmp_path / "build")
    assert build.clock_on(device("ice40-hx8k")) == mhz
    assert build.clock_on(device("ecp5-85k")) == (given or 100.0)


def test_estimate_for_an_unknown_device(files: Files, capsys: Capture) -> None:
    error = refused(["estimate", files / "build", "--target", "abacus"], capsys)
    assert "'abacus' is not a known device" in error and "xc7a100t" in error
