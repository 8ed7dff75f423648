"""What ``synth`` prints where there is no estimate to compare with: ASIC gates, new families."""

from __future__ import annotations

from rich.table import Table

from qcompiler.flows.asic import AsicReport, Gates
from qcompiler.flows.synth import Cells, SynthReport
from qcompiler.ir.graph import Graph
from qcompiler.report.tables import new_table


def cells_table(graph: Graph, report: SynthReport) -> Table:
    """Cells of each node, in the order of the data."""
    head = ("module", "op", "LUT", "FF", "carry", "wide mux", "BRAM", "DSP")
    table = new_table(f"Yosys, {report.family}", *head)
    for name in (node for node in graph if node in report.nodes):
        table.add_row(name, type(graph.op(name)).__name__, *_cells(report.nodes[name]))
    table.add_section()
    table.add_row("total", "", *_cells(report.total))
    return table


def _cells(cells: Cells) -> list[str]:
    figures = (cells.lut, cells.ff, cells.carry, cells.wide, cells.bram, cells.dsp)
    return [str(figure) for figure in figures]


def gates_table(graph: Graph, report: AsicReport) -> Table:
    """Gate equivalents of each node, in the order of the data, and the bits of its memories."""
    head = ("module", "op", "GE", "logic GE", "FF", "FF GE", "RAM bits", "ROM bits")
    table = new_table("Gate equivalents (NAND2 = 1), without memories", *head)
    for name in (node for node in graph if node in report.nodes):
        table.add_row(name, type(graph.op(name)).__name__, *_gates(report.nodes[name]))
    table.add_section()
    table.add_row("total", "", *_gates(report.total))
    return table


def _gates(gates: Gates) -> list[str]:
    areas = [f"{a:,.0f}" for a in (gates.area, gates.logic)]
    memories = [f"{bits:,}" for bits in (gates.ram_bits, gates.rom_bits)]
    return [*areas, f"{gates.flip_flops:,}", f"{gates.flip_flop_area:,.0f}", *memories]
