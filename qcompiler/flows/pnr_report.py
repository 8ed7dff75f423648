"""What nextpnr found, in terms of the graph: use of the device, clock, the slowest path by node."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qcompiler.errors import ToolFailedError
from qcompiler.flows.pnr_netlist import TOP, Netlist, scope
from qcompiler.flows.synth import Cells

KINDS = {
    "LUT4": "LUT", "PFUMX": "LUT", "L6MUX21": "LUT", "SB_LUT4": "LUT",
    "CCU2C": "carry chain", "SB_CARRY": "carry chain",
    "TRELLIS_FF": "register", "DP16KD": "block RAM", "MULT18X18D": "multiplier",
    "TRELLIS_DPR16X4": "LUT RAM", "SB_MAC16": "multiplier",
}  # fmt: skip
ENABLE, RESET = ("CE", "CEN"), ("LSR", "SR")

# Kinds of block that hold each resource.
RESOURCES = {
    "LUT": ("TRELLIS_COMB", "ICESTORM_LC"),
    "FF": ("TRELLIS_FF",),
    "BRAM": ("DP16KD", "ICESTORM_RAM"),
    "DSP": ("MULT18X18D", "ICESTORM_DSP"),
    "pads": ("TRELLIS_IO", "SB_IO"),
}


@dataclass(frozen=True)
class Step:
    """Part of a path: one or several cells of a kind in a row.

    Args:
        node: Node of the graph, empty outside of all.
        kind: ``register``, ``block RAM``, ``LUT``, ``carry chain``, …
        cells: How many cells.
        logic: Delay through them, ns.
        routing: Delay of the nets that lead to them, ns.
    """

    node: str
    kind: str
    cells: int
    logic: float
    routing: float


@dataclass(frozen=True)
class CriticalPath:
    """The slowest path between two clock edges.

    Args:
        start: Register or memory that it leaves.
        end: Register or memory that it enters, with ``(enable)`` or ``(reset)`` where it is one.
        steps: What is on the way, the start first, the end (no delay but its set-up time) last.
    """

    start: str
    end: str
    steps: tuple[Step, ...]

    @property
    def ns(self) -> float:
        """Delay, ns."""
        return sum(step.logic + step.routing for step in self.steps)

    @property
    def routing(self) -> float:
        """Delay of the nets alone, ns."""
        return sum(step.routing for step in self.steps)

    @property
    def nodes(self) -> list[str]:
        """The nodes it passes, in order."""
        return list(dict.fromkeys(step.node for step in self.steps if step.node))

    @property
    def text(self) -> str:
        """``block RAM 5.6 -> carry chain 1.9 -> 2 LUT 1.2 -> register``, ns with routing."""
        parts = []
        for k, step in enumerate(self.steps):
            many = f"{step.cells} " if step.cells > 1 and step.kind == "LUT" else ""
            parts.append(f"{many}{step.kind} {step.logic + step.routing:.1f}")
            if k and step.node != self.steps[k - 1].node:
                parts[-1] += f" ({step.node or 'top'})"
        return " -> ".join(parts)


@dataclass(frozen=True)
class PnrReport:
    """A placed and routed design.

    Args:
        device: Name of the device.
        family: Its family.
        speed: Speed grade, None where the family has one timing.
        seed: Seed of the placement.
        target_mhz: Clock that was asked for, MHz.
        fmax_mhz: Clock that was reached, MHz, over paths between registers; pads do not count.
        used: Blocks in use and there, by resource.
        nodes: Cells of each node of the hardware graph, after synthesis.
        wrapper: Cells of the shift registers around a design with more ports than pads.
        slowest: Arrival of the latest signal in each node, ns; from pads also, set-up time not.
        path: The slowest path.
        registers: Block RAM ports whose output register was put to use.
        cycles: Cycles a frame, None where the manifest does not say.
        bitstream: The bitstream.
        seconds: Wall time of synthesis and of place and route, s.
    """

    device: str
    family: str
    speed: int | None
    seed: int
    target_mhz: float
    fmax_mhz: float
    used: dict[str, tuple[int, int]]
    nodes: dict[str, Cells] = field(repr=False)
    wrapper: Cells | None
    slowest: dict[str, float] = field(repr=False)
    path: CriticalPath
    registers: int
    cycles: int | None
    bitstream: Path
    seconds: tuple[float, float]

    @property
    def frames_per_second(self) -> float | None:
        """Frames per second at the clock that was reached."""
        return self.fmax_mhz * 1e6 / self.cycles if self.cycles else None


def fmax(report: dict[str, Any], where: str) -> float:
    """The clock of nextpnr's report, MHz."""
    reached = [float(clock["achieved"]) for clock in report["fmax"].values()]
    if not reached:
        raise ToolFailedError("nextpnr found no path between registers", where=where)
    return min(reached)


def used(report: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Blocks in use and there, by resource."""
    found = {}
    for resource, kinds in RESOURCES.items():
        for kind in kinds:
            if entry := report["utilization"].get(kind):
                found[resource] = entry["used"], entry["available"]
    return found


# ---- paths -------------------------------------------------------------------------------------


class Names:
    """Cells as nextpnr calls them, in terms of the netlist that it was given."""

    def __init__(self, netlist: Netlist) -> None:
        self.netlist = netlist
        self.known = set(netlist.node_of.values()) - {TOP}

    def node(self, cell: str) -> str:
        """The node of a cell; empty where it has none."""
        found = self.netlist.node_of.get(_stem(cell))
        if found is None:
            found = scope(cell) or TOP
        return found if found in self.known else TOP

    def kind(self, cell: str) -> str:
        """What a cell is."""
        if "$DPRAM" in cell or "$RAMW" in cell:
            return "LUT RAM"
        if "CCU2C" in cell and "$CCU2_COMB" in cell:
            return "carry chain"
        found = self.netlist.cells.get(_stem(cell), {"type": ""})["type"]
        if found.startswith("SB_DFF"):
            return "register"
        if found.startswith("SB_RAM"):
            return "block RAM"
        return KINDS.get(found, "pad" if "$tr_io" in cell else found or "logic")


def _stem(cell: str) -> str:
    """The name before what nextpnr appends when it splits or joins cells."""
    return re.split(r"\$(?:CCU2|DPRAM|RAMW|nextpnr)|_LC$|_DFFLC$", cell)[0]


def critical_path(report: dict[str, Any], names: Names) -> CriticalPath:
    """The slowest path between edges of one clock."""
    inside = [
        path["path"]
        for path in report["critical_paths"]
        if path["from"] == path["to"] and "async" not in path["from"]
    ]
    arcs = max(inside, key=lambda path: sum(arc["delay"] for arc in path))
    steps: list[Step] = []
    seen = ""
    routing = 0.0
    for arc in arcs:
        if arc["type"] == "routing":
            routing += arc["delay"]
            continue
        cell = arc["from"]["cell"]
        kind = names.kind(cell)
        node = names.node(cell) or (steps[-1].node if steps and kind == "carry chain" else TOP)
        last = steps[-1] if steps else None
        if last is not None and last.kind == kind and last.node == node and arc["type"] != "setup":
            cells = last.cells + (_stem(cell) != seen)
            steps[-1] = Step(node, kind, cells, last.logic + arc["delay"], last.routing + routing)
        else:
            steps.append(Step(node, kind, 1, arc["delay"], routing))
        seen, routing = _stem(cell), 0.0
    end = arcs[-1]["to"]
    if arcs[-1]["type"] == "routing":
        steps.append(Step(names.node(end["cell"]), names.kind(end["cell"]), 1, 0.0, routing))
    pin = "(enable)" if end["port"] in ENABLE else "(reset)" if end["port"] in RESET else ""
    start = signal(arcs[0]["from"]["cell"])
    return CriticalPath(start, f"{signal(end['cell'])} {pin}".strip(), tuple(steps))


def signal(cell: str) -> str:
    """The name of a register or memory in the Verilog: ``u_conv1.acc[0].q``."""
    name = re.sub(r"_TRELLIS_FF_Q.*|_SB_DFF\w*_Q.*|(?:\.\d+)+$", "", _stem(cell))
    parts = name.split(".")
    first = next((k for k, part in enumerate(parts[:-1]) if part.startswith("u_")), 0)
    return ".".join(parts[first:])


def slowest(report: dict[str, Any], names: Names, most: float) -> dict[str, float]:
    """Arrival of the latest signal at a register of each node, at most ``most``, ns."""
    found: dict[str, float] = {}
    for net in report.get("detailed_net_timings", []):
        for end in net["endpoints"]:
            timed = "async" not in net["event"] + end["event"] and end["port"] not in RESET
            arrival = float(max(end["delay"]))
            if timed and arrival <= most:
                node = names.node(end["cell"])
                found[node] = max(found.get(node, 0.0), arrival)
    return found
