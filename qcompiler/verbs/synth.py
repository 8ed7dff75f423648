"""The verb ``synth``: Yosys' figures for a build."""

from __future__ import annotations

from pathlib import Path

from qcompiler.estimate.devices import device
from qcompiler.flows.synth import SynthReport, synthesize
from qcompiler.progress import QUIET, Progress
from qcompiler.verbs.build import Build


def synth(
    build: Path | Build, target: str | None = None, *, progress: Progress = QUIET
) -> SynthReport:
    """Synthesize a build with Yosys; figures for each node of the hardware graph.

    Args:
        build: Folder that ``compile`` wrote.
        target: Device (or family) other than the one it was compiled for.

    Raises:
        ToolMissingError: No Yosys; ``pip install 'qcompiler[synth]'`` brings one.
    """
    build = build if isinstance(build, Build) else Build.read(build)
    chip = device(target or build.manifest["target"]["device"])
    progress.begin(f"Yosys, {chip.family}")
    report = synthesize(build.folder, chip.family)
    progress.end()
    return report
