"""What ``qcompiler synth`` prints: tables and lines, in order."""

from __future__ import annotations

from rich.table import Table

from qcompiler.estimate.devices import FAMILIES
from qcompiler.flows.asic import AsicReport
from qcompiler.flows.pnr_report import PnrReport
from qcompiler.flows.synth import SynthReport
from qcompiler.ir.graph import Graph
from qcompiler.report.pnr_tables import node_table, pnr_lines
from qcompiler.report.synth_tables import cells_table, gates_table
from qcompiler.report.tables import cost_table
from qcompiler.verbs.build import Build
from qcompiler.verbs.estimate import estimate

Lines = list[Table | str]


def synthesized(build: Build, target: str | None, report: SynthReport) -> Lines:
    """Yosys' figures, beside the estimate where there is a cost model."""
    ended = f"Yosys took {report.seconds:.0f} s; log: {report.log}"
    if report.family in FAMILIES:
        return [cost_table(estimate(build, target), report), ended]
    none = f"there is no cost model for {report.family} yet, so there is no estimate beside it"
    return [cells_table(build.hardware, report), none, ended]


def gates(graph: Graph, report: AsicReport) -> Lines:
    """Gate equivalents."""
    ended = f"Yosys took {report.seconds:.0f} s; log: {report.log}"
    cells = "areas are those of qcompiler/flows/ge.lib: they compare designs, no more"
    return [gates_table(graph, report), cells, ended]


def placed(graph: Graph, report: PnrReport) -> Lines:
    """Place and route."""
    return [node_table(graph, report), *pnr_lines(graph, report)]
