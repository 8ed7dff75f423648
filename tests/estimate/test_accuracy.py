"""Expected errors: what is printed beside an estimate, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcompiler.estimate import accuracy
from qcompiler.estimate.devices import device
from qcompiler.estimate.report import estimate
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.types import IntType
from qcompiler.report.tables import accuracy_line, cost_table, layer_cost_table


def _pool() -> Graph:
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (8, 9, 9), IntType(0, 255), 2))
    graph.add("window", hw.Window((3, 3), groups=4, rows=6, lanes=2), ["x"])
    graph.add("pool", hw.MaxPool("p", (8, 7, 7), lanes=2), ["window"])
    graph.add("y", hw.Sink(lanes=2), ["pool"])
    return graph


def _cells(name: str, column: int) -> list[str]:
    table = cost_table(estimate(_pool(), device(name)))
    return list(table.columns[column].cells)  # type: ignore[arg-type]


def test_carry_cells_have_their_error_beside_them() -> None:
    assert accuracy.carry_known("ecp5") and accuracy.carry_known("xc7")
    table = cost_table(estimate(_pool(), device("ecp5-25k")))
    assert [column.header for column in table.columns][3:6] == ["LUT", "FF", "carry"]
    pool = _cells("ecp5-25k", 5)[2]
    assert pool.startswith("8") and "±" in pool  # two comparisons of 8 bits
    assert "carry" in accuracy_line("ecp5") and "carry" in accuracy_line("xc7")


def test_a_family_without_measurements_gets_no_figure_for_carry() -> None:
    assert not accuracy.carry_known("ice40")
    assert set(_cells("ice40-hx8k", 5)) == {"-"}
    report = estimate(_pool(), device("ice40-hx8k"))
    assert set(layer_cost_table(_pool(), report).columns[4].cells) == {"-"}
    assert "not compared with Yosys" in accuracy_line("ice40")


def test_errors_without_carry_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "errors.json"
    path.write_text('{"ecp5": {"modules": {"count": 3, "lut": [0.1, 0.2], "ff": [0.0, 0.3]}}}')
    monkeypatch.setattr(accuracy, "PATH", path)
    accuracy._measured.cache_clear()
    try:
        found = accuracy.module_errors("ecp5", "MaxPool")
        assert found == accuracy.Errors(3, (0.1, 0.2), (0.0, 0.3)) and found.carry is None
        assert not accuracy.carry_known("ecp5")
        line = accuracy_line("ecp5")
        assert "of 3 modules LUT 10.0% (worst 20.0%), FF 0.0% (worst 30.0%)" in line
        assert "networks" not in line and "carry" not in line
    finally:
        accuracy._measured.cache_clear()
