"""Simulates a whole generated design: its Verilog and memories, in the harness of `bench`.

The design folder holds the sources (*.v) and mem/; the simulation runs in a folder of its own where
mem/ is a link to it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qcompiler.errors import VerificationError
from qcompiler.flows.bench import Beats, Bench, BenchResult, Probe


def build(
    design: Path,
    top: str,
    *,
    inputs: Mapping[str, int],
    outputs: Mapping[str, int],
    probes: Sequence[Probe] = (),
    sources: Sequence[Path] | None = None,
    build_dir: Path | None = None,
    parameters: Mapping[str, int | str] | None = None,
    ties: Mapping[str, str] | None = None,
    lint: bool = True,
    waves: bool = False,
) -> Bench:
    """Build the simulation of a generated design; many runs share it.

    Args:
        design: The folder that the compiler wrote.
        inputs: Width of tdata by port prefix; outputs likewise.
        sources: The Verilog files; every *.v under `design` where not given.
        build_dir: `design`/simulation where not given.
    """
    design = Path(design).resolve()
    folder = design / "simulation" if build_dir is None else Path(build_dir).resolve()
    if sources is None:
        sources = sorted(p for p in design.rglob("*.v") if folder not in p.parents)
    if not sources:
        raise VerificationError("holds no Verilog to simulate", where=str(design))
    folder.mkdir(parents=True, exist_ok=True)
    _link(design / "mem", folder / "mem")
    return Bench.build(
        dut=top,
        sources=sources,
        parameters=parameters,
        inputs=inputs,
        outputs=outputs,
        probes=probes,
        build_dir=folder,
        ties=ties,
        lint=lint,
        waves=waves,
    )


def simulate(
    design: Path,
    top: str,
    *,
    inputs: Mapping[str, int],
    outputs: Mapping[str, int],
    stimulus: Mapping[str, Beats],
    expected: Mapping[str, Beats | int],
    probes: Sequence[Probe] = (),
    build_dir: Path | None = None,
    waves: bool = False,
    **options: Any,
) -> BenchResult:
    """Build and run once; `options` are those of `Bench.run`.

    With `waves`, a failing run is repeated and leaves a VCD file that begins at the failing frame.
    """
    bench = build(
        design,
        top,
        inputs=inputs,
        outputs=outputs,
        probes=probes,
        build_dir=build_dir,
        waves=waves,
    )
    return bench.run(stimulus, expected, **options)


def _link(target: Path, link: Path) -> None:
    """Make `link` show `target`, by a copy where links are not to be had."""
    if not target.is_dir() or (link.exists() and link.samefile(target)):
        return
    if link.is_symlink():
        link.unlink()
    elif link.is_dir():
        shutil.rmtree(link)
    try:
        link.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)
    except OSError:
        shutil.copytree(target, link)
