"""Place and route with nextpnr: a build's clock, bitstream, and what of it takes how much."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from qcompiler.errors import QCompilerError, ToolFailedError
from qcompiler.estimate.devices import FAMILY, Device
from qcompiler.flows import pnr_report as found
from qcompiler.flows.pnr_netlist import TOP, Netlist
from qcompiler.flows.pnr_registers import absorb_output_registers
from qcompiler.flows.pnr_tools import Flow, find_tool, flow_of, pack, place
from qcompiler.flows.pnr_wrapper import NAME, Port, pins, wrapper
from qcompiler.flows.synth import Cells, read_manifest
from qcompiler.flows.yosys import run_script
from qcompiler.folders import new_folder

MARKER = "pnr.json"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Placement:
    """How to place and route.

    Args:
        mhz: Clock to aim at, MHz; None takes the device's usual one.
        seed: Seed of the placement.
        speed: Speed grade; None takes the slowest that the family has.
        constraints: File of pins, for a board (``.lpf`` or ``.pcf``); None leaves pads to nextpnr.
        wrapped: Put registers around the design even where it has enough pads.
    """

    mhz: float | None = None
    seed: int = 1
    speed: int | None = None
    constraints: Path | None = None
    wrapped: bool = False

    def of(self, chip: Device) -> Placement:
        """The same with the device's speed grade.

        Raises:
            QCompilerError: The family does not have the grade, or what is asked for makes no sense.
        """
        speeds = FAMILY[chip.family].speeds
        if self.speed is not None and self.speed not in speeds:
            raise QCompilerError(
                f"{chip.name} has no speed grade {self.speed}",
                hint=f"choose one of {', '.join(map(str, speeds))}"
                if speeds
                else "leave --speed out: nextpnr has one timing of it",
            )
        mhz = chip.clock_mhz if self.mhz is None else self.mhz
        if not 0 < mhz < float("inf"):
            raise QCompilerError(
                f"a clock of {mhz:g} MHz was asked for", hint="give another --freq"
            )
        if self.constraints is not None and not self.constraints.is_file():
            raise QCompilerError(
                "is no file",
                where=str(self.constraints),
                hint="name the pins of a board: an .lpf file for ECP5, a .pcf file for iCE40",
            )
        return replace(self, mhz=mhz, speed=self.speed or (speeds[0] if speeds else None))


def place_and_route(
    build: Path, chip: Device, placement: Placement, *, progress: Progress | None = None
) -> found.PnrReport:
    """Synthesize, place and route the build in a folder; writes ``build/pnr/FAMILY``.

    Raises:
        QCompilerError: The folder is no build, the family has no place and route, or the design
            does not fit.
        ToolMissingError, ToolFailedError: No Yosys or nextpnr, or one refused the design.
    """
    flow = flow_of(chip.family)
    placement = placement.of(chip)
    if not chip.nextpnr:
        raise QCompilerError(
            f"nextpnr does not know {chip.name}",
            where=chip.file,
            hint="give its `nextpnr` options in the table of devices",
        )
    for tool in (flow.tool, flow.packer):
        find_tool(flow, tool)
    top, sources = read_manifest(build)
    target = build / "pnr" / chip.family
    with new_folder(target, MARKER) as work:
        folder = work.relative_to(build.resolve())
        run = _Run(build.resolve(), folder, flow, chip, placement, progress)
        try:
            report = run.whole(top, sources)
        except ToolFailedError as error:  # the folder goes, the log stays
            logs = sorted(work.rglob("*.log"), key=lambda path: path.stat().st_mtime)
            kept = build / "pnr" / f"{chip.family}.log"
            kept.write_text("".join(path.read_text(errors="replace") for path in logs[-1:]))
            ways = [] if error.hint.startswith("the whole log") else [error.hint]
            hint = "; ".join([*filter(None, ways), f"the whole log is {kept}"])
            raise ToolFailedError(error.what, where=error.where, hint=hint) from None
        report = replace(report, bitstream=target / report.bitstream.name)
        document = asdict(report) | {"bitstream": report.bitstream.name}
        document["frames_per_second"] = report.frames_per_second
        (work / MARKER).write_text(json.dumps(document, indent=1) + "\n")
    return report


@dataclass(frozen=True)
class _Run:
    build: Path
    folder: Path  # relative to the build, where the tools run
    flow: Flow
    chip: Device
    placement: Placement
    progress: Progress | None

    def whole(self, top: str, sources: list[str]) -> found.PnrReport:
        ports = self._ports(top, sources)
        wrapped = self.placement.wrapped or (
            pins(ports) > self.chip.pads and self.placement.constraints is None
        )
        if wrapped:
            (self.build / self.folder / f"{NAME}.v").write_text(wrapper(top, ports))
            top, sources = NAME, [*sources, f"{self.folder}/{NAME}.v"]
        start = time.monotonic()
        netlist, registers = self._netlist(top, sources)
        middle = time.monotonic()
        self._place()
        end = time.monotonic()
        path = self.build / self.folder / "report.json"
        report = json.loads(path.read_text())
        path.unlink()  # tens of MB, of which pnr.json keeps what is asked for
        (self.build / self.folder / "netlist.json").unlink()
        names = found.Names(netlist)
        critical = found.critical_path(report, names)
        nodes = netlist.cells_of_nodes(self.chip.family)
        outside = nodes.pop(TOP, Cells())
        manifest = json.loads((self.build / "manifest.json").read_text())
        placement = self.placement
        return found.PnrReport(
            device=self.chip.name,
            family=self.chip.family,
            speed=placement.speed,
            seed=placement.seed,
            target_mhz=placement.mhz or 0.0,
            fmax_mhz=found.fmax(report, str(self.build)),
            used=found.used(report),
            nodes=nodes,
            wrapper=outside if wrapped else None,
            slowest=found.slowest(report, names, critical.ns),
            path=critical,
            registers=registers,
            cycles=manifest.get("cycles_per_frame"),
            bitstream=Path(f"top.{self.flow.bitstream}"),
            seconds=(middle - start, end - middle),
        )

    def _ports(self, top: str, sources: list[str]) -> list[Port]:
        """The ports of the top module."""
        commands = [
            *(f'read_verilog "{source}"' for source in sources),
            f"hierarchy -check -top {top}",
            f"select -module {top}",
            "proc",
            f"write_json -selected {self.folder}/ports.json",
        ]
        run_script("\n".join(commands) + "\n", cwd=self.build, folder=f"{self.folder}/ports")
        path = self.build / self.folder / "ports.json"
        module: dict[str, Any] = json.loads(path.read_text())["modules"][top]
        path.unlink()
        shutil.rmtree(self.build / self.folder / "ports")
        return [
            Port(name, facts["direction"] == "output", len(facts["bits"]))
            for name, facts in module["ports"].items()
        ]

    def _netlist(self, top: str, sources: list[str]) -> tuple[Netlist, int]:
        """Synthesize flat, with wide LUTs, and use the output registers of block RAMs."""
        commands = [
            *(f'read_verilog "{source}"' for source in sources),
            f"hierarchy -check -top {top}",
            self.flow.synthesis.format(top=top),
            f"write_json {self.folder}/netlist.json",
        ]
        run_script(
            "\n".join(commands) + "\n",
            cwd=self.build,
            folder=f"{self.folder}/synth",
            progress=self.progress,
        )
        path = self.build / self.folder / "netlist.json"
        netlist = Netlist(json.loads(path.read_text()), top)
        registers = absorb_output_registers(netlist)
        if registers:
            path.write_text(json.dumps(netlist.document))
            netlist = Netlist(netlist.document, top)
        return netlist, registers

    def _place(self) -> None:
        option, suffix = self.flow.configuration
        inside, placement = self.folder, self.placement
        arguments = [
            *self.chip.nextpnr,
            *(("--speed", str(placement.speed)) if placement.speed else ()),
            *("--json", f"{inside}/netlist.json", option, f"{inside}/top.{suffix}"),
            *("--report", f"{inside}/report.json", "--detailed-timing-report"),
            *("--freq", f"{placement.mhz:g}", "--seed", str(placement.seed)),
            "--timing-allow-fail",
        ]
        if placement.constraints is not None:
            pins = f"{inside}/pins{placement.constraints.suffix}"
            (self.build / pins).write_bytes(placement.constraints.read_bytes())
            arguments += [self.flow.constraints, pins]
        arguments += self.flow.options
        place(
            self.flow,
            arguments,
            cwd=self.build,
            log=f"{inside}/nextpnr.log",
            progress=self.progress,
        )
        pack(self.flow, f"{inside}/top.{suffix}", f"{inside}/top.{self.flow.bitstream}", self.build)
