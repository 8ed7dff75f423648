"""What ``qcompiler energy`` prints."""

from __future__ import annotations

from rich.table import Table

from qcompiler.estimate.energy import Switched
from qcompiler.report.tables import new_table
from qcompiler.verbs.energy import EnergyReport, NodeEnergy

BAR = 10  # columns of a bar
_EIGHTHS = " ▏▎▍▌▋▊▉"


def energy_table(report: EnergyReport) -> Table:
    """Switched bits of each node, by kind, and its share of the energy as a bar."""
    counted = ["counted"] if report.counted else []
    head = ["module", "op", "streams", *counted, "logic", *counted]
    head += ["LUT RAM", "RAM", "products", "energy", "share"]
    title = f"kbit that switch a frame, mean of {report.frames}; energy: {report.constants.unit}"
    table = new_table(title, *head)
    most = _energy(report.total) or 1.0
    for node in report.nodes:
        share = _energy(node) / most
        table.add_row(*_figures(node), f"{bar(share)} {100 * share:5.1f} %")
    table.add_section()
    table.add_row(*_figures(report.total), "")
    table.columns[-1].justify = "left"
    return table


def _energy(node: NodeEnergy) -> float:
    """With counted nets where there are such."""
    return node.energy if node.toggles_energy is None else node.toggles_energy


def _figures(node: NodeEnergy) -> list[str]:
    s, counted = node.switched, node.toggles
    streams, logic = [_bits(s.stream)], [_bits(s.logic)]
    if counted is not None:
        streams, logic = [*streams, _bits(counted.stream)], [*logic, _bits(counted.logic)]
    rest = [_bits(v) for v in (s.table, s.ram_read + s.ram_write, s.product)]
    return [node.node, node.op, *streams, *logic, *rest, f"{_energy(node):,.1f}"]


def _bits(value: float) -> str:
    return f"{value / 1000:,.1f}"


def bar(share: float) -> str:
    """A bar of `BAR` columns for a share of 1, in eighths."""
    eighths = round(share * BAR * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(BAR)


def energy_lines(report: EnergyReport) -> list[str]:
    """The total, what it is worth, and the error of what was inferred."""
    total, constants = report.total, report.constants
    lines = [
        f"energy per frame {_energy(total):,.1f} ({constants.unit}); {report.data}, "
        f"{report.cycles:,} cycles",
        "it compares designs and modules: no wires, clock tree or leakage; constants of 45 nm",
    ]
    if total.toggles is None:
        lines.append("logic is inferred from the streams; --toggles counts every net")
    else:
        inferred, counted = _nets(total.switched), _nets(total.toggles)
        error = f"{inferred / counted - 1:+.0%}" if counted else "-"
        lines.append(
            f"streams and logic: {inferred:,.0f} bits inferred, {counted:,.0f} counted ({error}); "
            f"energy with what is inferred {total.energy:,.1f}"
        )
    return lines


def _nets(switched: Switched) -> float:
    return switched.stream + switched.logic
