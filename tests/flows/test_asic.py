"""Gate equivalents: the areas of the library, and designs in gates and memory bits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from qcompiler.errors import QCompilerError, ToolFailedError, ToolMissingError
from qcompiler.flows import asic, yosys
from qcompiler.flows.asic import LIBRARY, Gates, cell_areas, synthesize_gates
from qcompiler.report.synth import gates as lines_of
from tests.flows.builds import pool_build, pool_graph

LITTLE = Path(__file__).with_name("little.v")
FUNCTIONS: dict[str, Callable[..., bool]] = {
    "INV": lambda a: not a,
    "BUF": lambda a: a,
    "NAND2": lambda a, b: not (a and b),
    "NOR2": lambda a, b: not (a or b),
    "AND2": lambda a, b: a and b,
    "OR2": lambda a, b: a or b,
    "NAND3": lambda a, b, c: not (a and b and c),
    "NOR3": lambda a, b, c: not (a or b or c),
    "AOI21": lambda a, b, c: not ((a and b) or c),
    "OAI21": lambda a, b, c: not ((a or b) and c),
    "AOI22": lambda a, b, c, d: not ((a and b) or (c and d)),
    "OAI22": lambda a, b, c, d: not ((a or b) and (c or d)),
    "XOR2": lambda a, b: a != b,
    "XNOR2": lambda a, b: a == b,
    "MUX2": lambda a, b, s: b if s else a,
}


def little(folder: Path, verilog: str | None = None) -> Path:
    """The build of ``little.v``, or of other Verilog."""
    (folder / "mem").mkdir()
    (folder / "mem" / "rom.hex").write_text("\n".join(f"{7 * k % 31:02x}" for k in range(32)))
    (folder / "little.v").write_text(verilog or LITTLE.read_text())
    (folder / "manifest.json").write_text(json.dumps({"top": "top", "sources": ["little.v"]}))
    return folder


# ---- the library --------------------------------------------------------------------------------


def test_a_nand_is_one_gate_equivalent() -> None:
    areas = cell_areas(LIBRARY.read_text())
    assert areas["NAND2"] == 1.0 and areas["INV"] < 1.0 < areas["XOR2"] < areas["DFF"]
    assert set(areas) == {*FUNCTIONS, "DFF"}
    assert "BUF" in areas  # abc wants a buffer
    assert min(areas.values()) > 0.5 and max(areas.values()) == areas["DFF"] == 5.67


def test_no_cell_is_larger_than_the_nands_it_takes() -> None:
    """An AND is a NAND and an inverter; an exclusive or four NANDs; a multiplexer three and one."""
    areas = cell_areas(LIBRARY.read_text())
    nand, inv = areas["NAND2"], areas["INV"]
    for name, nands in {"AND2": 1, "OR2": 2, "NOR2": 2, "XOR2": 4, "XNOR2": 4, "MUX2": 3}.items():
        assert nand <= areas[name] <= nands * nand + inv + 1e-9, name
    assert areas["NAND3"] <= areas["NAND2"] + areas["AND2"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_cell_does_what_its_name_says(name: str) -> None:
    cell = re.search(rf"cell \({name}\) .*", LIBRARY.read_text())
    assert cell is not None
    pins = re.findall(r"pin \((\w)\) \{ direction : input", cell[0])
    function = re.search(r'function : "([^"]+)"', cell[0])
    assert function is not None
    text = function[1].replace("!", " not ").replace("*", " and ").replace("+", " or ")
    text = text.replace("^", " != ")
    for values in product([False, True], repeat=len(pins)):
        found = eval(text.strip(), {}, dict(zip(pins, values, strict=True)))
        assert bool(found) == FUNCTIONS[name](*values), (name, values)


def test_areas_are_read_from_the_text() -> None:
    assert cell_areas("cell (A1)   { area : 2.50; } cell (B)\n{ area : 3; }") == {
        "A1": 2.5,
        "B": 3.0,
    }


def test_gates_add() -> None:
    total = Gates(1.5, 2, 3.5, 4, 5) + Gates(1, 10, 100, 1000, 10000)
    assert total == Gates(2.5, 12, 103.5, 1004, 10005)
    assert total.area == 2.5 + 103.5


# ---- designs ------------------------------------------------------------------------------------


@pytest.mark.synth
def test_a_design_of_known_gates(tmp_path: Path) -> None:
    told: list[str] = []
    report = synthesize_gates(little(tmp_path), progress=told.append)
    one = Gates(4.0, 4, 4 * 5.67, ram_bits=64 * 8, rom_bits=32 * 5)
    two = Gates(3 * 2.33)  # of both instances, and of those below one of them
    assert set(report.nodes) == {"one", "two"}
    for name, wanted in {"one": one, "two": two}.items():
        found = report.nodes[name]
        assert found.logic == pytest.approx(wanted.logic), name
        assert found.flip_flop_area == pytest.approx(wanted.flip_flop_area), name
        assert (found.flip_flops, found.ram_bits, found.rom_bits) == (
            wanted.flip_flops, wanted.ram_bits, wanted.rom_bits,
        ), name  # fmt: skip
    assert report.total.area == pytest.approx((one + two).area)
    assert report.log.is_file() and report.seconds > 0 and told
    left = {path.name for path in (tmp_path / "synth" / "asic").iterdir()}
    assert "ge.lib" in left and "gates.json" not in left


@pytest.mark.synth
def test_a_network_in_gates(tmp_path: Path) -> None:
    report = synthesize_gates(pool_build(tmp_path))
    graph = pool_graph()
    assert set(report.nodes) == set(graph) - {"x", "y"}
    total = sum(report.nodes.values(), Gates())
    assert total.area == pytest.approx(report.total.area)  # core and top only wire
    assert total.ram_bits == report.total.ram_bits
    # 19 words of 3 lanes of 2 bits and tlast: the last beat waits in a register
    assert report.nodes["fifo"].ram_bits == 19 * 7
    assert report.nodes["window"].ram_bits == 4 * 8 * 4 * 12  # 4 rows of 8 pixels of 4 words
    assert report.nodes["q"].rom_bits > 0 == report.nodes["q"].ram_bits
    for gates in report.nodes.values():
        assert gates.flip_flop_area == pytest.approx(5.67 * gates.flip_flops)
    assert report.total.logic > report.total.flip_flops > 100
    assert lines_of(graph, report)[0].row_count == len(report.nodes) + 1  # type: ignore[union-attr]


# ---- errors -------------------------------------------------------------------------------------


def test_a_folder_that_is_no_build(tmp_path: Path) -> None:
    with pytest.raises(QCompilerError, match="not the manifest of a build"):
        synthesize_gates(tmp_path)


def test_without_yosys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> yosys.Yosys:
        raise ToolMissingError("yosys", least="0.40", get=yosys.GET)

    monkeypatch.setattr(yosys, "find_yosys", none)
    with pytest.raises(ToolMissingError, match="yosys"):
        synthesize_gates(little(tmp_path))
    assert not (tmp_path / "synth" / "asic" / "gates.json").exists()


@pytest.mark.synth
def test_verilog_that_yosys_refuses(tmp_path: Path) -> None:
    broken = LITTLE.read_text().replace("half u_two__first", "missing u_two__first")
    with pytest.raises(ToolFailedError, match="missing") as caught:
        synthesize_gates(little(tmp_path, broken))
    assert "yosys.log" in str(caught.value.hint)


@pytest.mark.synth
def test_a_latch_is_no_gate_of_the_library(tmp_path: Path) -> None:
    latch = LITTLE.read_text().replace(
        "    assign y = a ^ b;",
        "    reg held;\n    always @* if (a) held = b;\n    assign y = held;",
    )
    with pytest.raises(QCompilerError, match="DLATCH"):
        synthesize_gates(little(tmp_path, latch))


def test_a_cell_that_is_not_in_the_library() -> None:
    modules = {
        "a": {"cells": {"x": {"type": "b"}, "y": {"type": "$scopeinfo"}, "z": {"type": "INV"}}},
        "b": {"cells": {"x": {"type": "NAND2"}, "y": {"type": "DFF"}}},
        "c": {"cells": {"x": {"type": "MAGIC"}}},
    }
    count = asic._counter(modules)
    assert count("a") == Gates(logic=0.67 + 1.0, flip_flops=1, flip_flop_area=5.67)
    with pytest.raises(QCompilerError, match="MAGIC") as caught:
        count("c")
    assert caught.value.where == "c" and "flip-flop" in str(caught.value.hint)
