"""Gate equivalents: the areas of the library, and a network in gates and memory bits."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcompiler.flows.asic import LIBRARY, Gates, cell_areas, synthesize_gates
from qcompiler.report.synth import gates as lines_of
from tests.flows.builds import pool_build, pool_graph


def test_a_nand_is_one_gate_equivalent() -> None:
    areas = cell_areas(LIBRARY.read_text())
    assert areas["NAND2"] == 1.0 and areas["INV"] < 1.0 < areas["XOR2"] < areas["DFF"]
    assert len(areas) == 16 and "BUF" in areas  # abc wants a buffer


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
