"""What ``synth --pnr`` prints."""

from __future__ import annotations

from rich.table import Table

from qcompiler.flows.pnr_report import PnrReport
from qcompiler.ir.graph import Graph
from qcompiler.report.tables import new_table


def node_table(graph: Graph, report: PnrReport) -> Table:
    """Cells of each node and how late its last signal is."""
    grade = f", speed grade {report.speed}" if report.speed else ""
    head = ("module", "op", "LUT", "FF", "BRAM", "DSP", "slowest ns")
    table = new_table(f"Placed and routed for {report.device}{grade}", *head)
    for name in (node for node in graph if node in report.nodes):
        cells = report.nodes[name]
        late = report.slowest.get(name)
        figures = (cells.lut, cells.ff, cells.bram, cells.dsp)
        kind = type(graph.op(name)).__name__
        table.add_row(name, kind, *map(str, figures), f"{late:.1f}" if late else "-")
    if report.wrapper is not None:
        cells = report.wrapper
        figures = (cells.lut, cells.ff, cells.bram, cells.dsp)
        table.add_row("shift registers", "for the ports", *map(str, figures), "-")
    table.add_section()
    for k, text in enumerate(("in use", "there")):
        blocks = [report.used.get(what) for what in ("LUT", "FF", "BRAM", "DSP")]
        table.add_row(text, "", *("-" if b is None else f"{b[k]:,}" for b in blocks), "")
    return table


def pnr_lines(graph: Graph, report: PnrReport) -> list[str]:
    """Clock, rate, slowest path and files, a line each."""
    share = ", ".join(
        f"{100 * used / there:.0f} % {what}" for what, (used, there) in report.used.items() if there
    )
    met = "reaches" if report.fmax_mhz >= report.target_mhz else "does NOT reach"
    lines = [
        f"{report.fmax_mhz:.1f} MHz between registers: {met} the {report.target_mhz:g} MHz wanted",
        f"{report.device}: {share}",
        f"slowest path: {path_text(graph, report)}",
    ]
    rate = report.frames_per_second
    if rate is not None:
        lines.insert(1, f"{report.cycles:,} cycles a frame = {rate:,.0f} frames/s at that clock")
    if report.wrapper is not None:
        lines.append(
            "the design has more ports than the package has pads: they go through shift registers, "
            "whose cells are not among the modules; the bitstream is for timing alone"
        )
    if report.registers:
        lines.append(f"{report.registers} block RAM ports use the output register of their block")
    synthesis, placing = report.seconds
    took = f"Yosys {synthesis:.0f} s, nextpnr {placing:.0f} s, seed {report.seed}"
    return [*lines, f"wrote {report.bitstream} ({took})"]


def path_text(graph: Graph, report: PnrReport) -> str:
    """``q (Threshold): 7.9 ns, 4.1 ns of it routing, from … to …: block RAM 5.6 -> …``."""
    path = report.path
    nodes = [
        f"{node} ({type(graph.op(node)).__name__})" if node in graph else node
        for node in path.nodes
    ]
    where = " to ".join(nodes) or "the ports"
    return (
        f"{where}: {path.ns:.1f} ns, {path.routing:.1f} ns of it routing, "
        f"from {path.start} to {path.end}: {path.text}"
    )
