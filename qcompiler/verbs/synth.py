"""The verb ``synth``: Yosys' figures for a build; with place and route, its clock and bitstream."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from qcompiler.errors import QCompilerError
from qcompiler.estimate.devices import device
from qcompiler.flows.asic import ASIC, AsicReport, synthesize_gates
from qcompiler.flows.pnr import Placement, place_and_route
from qcompiler.flows.pnr_report import PnrReport
from qcompiler.flows.synth import SynthReport, synthesize
from qcompiler.progress import QUIET, Progress
from qcompiler.verbs.build import Build


def synth(
    build: Path | Build, target: str | None = None, *, progress: Progress = QUIET
) -> SynthReport:
    """Synthesize a build with Yosys; figures for each node of the hardware graph.

    Args:
        build: Folder that ``compile`` wrote.
        target: Device other than the one it was compiled for.

    Raises:
        ToolMissingError: No Yosys; ``pip install 'qcompiler[synth]'`` brings one.
    """
    build = build if isinstance(build, Build) else Build.read(build)
    chip = device(target or build.manifest["target"]["device"])
    progress.begin(f"Yosys, {chip.family}")
    report = synthesize(build.folder, chip.family)
    progress.end()
    return report


def gates(build: Path | Build, *, progress: Progress = QUIET) -> AsicReport:
    """Synthesize a build to gates; gate equivalents and memory bits of each node.

    Args:
        build: Folder that ``compile`` wrote.

    Raises:
        ToolMissingError: No Yosys; ``pip install 'qcompiler[synth]'`` brings one.
    """
    build = build if isinstance(build, Build) else Build.read(build)
    progress.begin("Yosys, gates")
    report = synthesize_gates(build.folder)
    progress.end()
    return report


def place(
    build: Path | Build,
    target: str | None = None,
    placement: Placement | None = None,
    *,
    progress: Progress = QUIET,
) -> PnrReport:
    """Synthesize, place and route a build; its bitstream and report go to ``BUILD/pnr/FAMILY``.

    Args:
        build: Folder that ``compile`` wrote.
        target: Device other than the one it was compiled for.
        placement: Options; without a clock, that of the build is aimed at.

    Raises:
        QCompilerError: The family has no place and route, or the design does not fit.
        ToolMissingError: No Yosys or nextpnr; ``pip install 'qcompiler[pnr]'`` brings them.
    """
    build = build if isinstance(build, Build) else Build.read(build)
    if target == ASIC:
        raise QCompilerError(
            "gates are not placed and routed",
            where="--target asic",
            hint="leave --pnr out to count gates, or name an FPGA",
        )
    chip = device(target or build.manifest["target"]["device"])
    placement = placement or Placement()
    if placement.mhz is None:
        placement = replace(placement, mhz=build.clock_on(chip))
    open_stage = False

    def phase(what: str) -> None:
        nonlocal open_stage
        if open_stage:
            progress.end()
        progress.begin(what)
        open_stage = True

    report = place_and_route(build.folder, chip, placement, progress=phase)
    if open_stage:
        progress.end()
    return report


__all__ = ["ASIC", "gates", "place", "synth"]
