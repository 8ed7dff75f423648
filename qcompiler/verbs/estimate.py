"""The verb ``estimate``: resources and cycles of a build, without a tool."""

from __future__ import annotations

from pathlib import Path

from qcompiler.estimate.devices import device
from qcompiler.estimate.report import Report
from qcompiler.estimate.report import estimate as estimate_graph
from qcompiler.verbs.build import Build


def estimate(build: Path | Build, target: str | None = None) -> Report:
    """Estimate LUT, FF, BRAM, DSP, memory bits, cycles per frame and latency of a build.

    Args:
        build: Folder that ``compile`` wrote.
        target: Another device than the one it was compiled for.
    """
    build = build if isinstance(build, Build) else Build.read(build)
    chip = device(target or build.manifest["target"]["device"])
    return estimate_graph(build.hardware, chip)
