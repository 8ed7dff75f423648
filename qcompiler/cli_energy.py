"""The command ``energy``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qcompiler.report.console import console
from qcompiler.report.progress import Bars


def energy(
    build: Annotated[Path, typer.Argument(help="Folder that `qcompiler compile` wrote.")],
    inputs: Annotated[
        Path | None,
        typer.Option(help="Inputs as the network takes them, .npz or .npy; else random codes."),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(min=1, help="Only the first so many inputs, or so many random frames (2)."),
    ] = None,
    toggles: Annotated[
        bool,
        typer.Option("--toggles", help="Count every net as well; a simulation of its own."),
    ] = False,
    constants: Annotated[
        Path | None,
        typer.Option(help="TOML table of energies instead of qcompiler/estimate/energy.toml."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random frames.")] = 1,
) -> None:
    """Simulate frames and price the bits that switch, by module. Relative, not joules.

    Counted in the simulation: bits of streams that change from beat to beat, accesses to
    memories, multiplications. Inferred from those, by the structure of each module: bits that
    change inside. `--toggles` counts the nets inside too and prints both.

    Give real inputs: random codes switch more than images do. What comes out compares designs,
    foldings and bit widths with each other: wires, clock tree and leakage are not in it. The
    figures are also written to BUILD/energy.json, constants and their sources included.
    """
    from qcompiler.report.energy_tables import energy_lines, energy_table
    from qcompiler.verbs.energy import FILE
    from qcompiler.verbs.energy import energy as run

    out = console()
    with Bars() as bars:
        report = run(
            build,
            inputs,
            frames=frames,
            toggles=toggles,
            constants=constants,
            seed=seed,
            progress=bars,
        )
    out.print(energy_table(report))
    for line in energy_lines(report):
        out.print(line)
    out.print(f"wrote {build / FILE}")
