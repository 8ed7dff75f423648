"""Clock model against nextpnr, module by module, and its coefficients.

    python benchmarks/fit_fmax.py                  # table of errors, fitted and held-out modules
    python benchmarks/fit_fmax.py --fit            # writes qcompiler/estimate/fmax_coefficients.py

Reads what `make calibrate-fmax` keeps and, for the factor of whole designs, what `make bench-pnr`
found for the demo network.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pnr
import record
from calibrate_fmax import CHOSEN, HELD, cases, kept
from fit_cases import Case
from rich.console import Console
from rich.table import Table
from scipy.optimize import nnls
from side_by_side import digest

from qcompiler.estimate import fmax
from qcompiler.estimate.fmax import BLOCK, LUT_RAM, OUTPUT, REGISTER, Stage, stages

FAMILY = "ecp5"
NAMES = (REGISTER, OUTPUT, BLOCK, LUT_RAM, "lut", "multiplier", "chain", "bit", "fan")
TURNS = 30
DECIDING = 4.5
"""Modules quicker than so many ns decide no design's clock."""
TARGET = Path(fmax.__file__).with_name("fmax_coefficients.py")
console = Console(width=140, soft_wrap=True)


def measured() -> list[tuple[Case, dict[str, Any]]]:
    """Modules and their rows, of those that are as they were placed."""
    rows = kept()
    found = [(case, rows.get(case.name, {})) for case in cases([*CHOSEN, *HELD])]
    return [(case, row) for case, row in found if row.get("digest") == digest(case)]


def stages_of(case: Case) -> list[Stage]:
    return stages(case.op, case.inputs, list(case.outputs), FAMILY)


def fit(modules: list[tuple[Case, dict[str, Any]]]) -> dict[str, float]:
    """Delays of the parts: least squares of relative errors of the slowest stages.

    Which stage is the slowest depends on the delays, so both are found in turns.
    """
    every = [stages_of(case) for case, _ in modules]
    ns = np.array([row["ns6"] for _, row in modules])
    delays, best = dict(fmax.DELAYS[FAMILY]), (np.inf, {})
    for _ in range(TURNS):
        slow = [max(found, key=lambda stage: _delay(stage, delays)) for found in every]
        matrix = np.array([[stage.features.get(name, 0.0) for name in NAMES] for stage in slow])
        weight = 1 / ns
        prior = 0.02 * np.eye(len(NAMES)) * np.maximum(matrix.mean(axis=0), 1e-3)
        wanted = 0.02 * np.maximum(matrix.mean(axis=0), 1e-3) * [delays[name] for name in NAMES]
        solution, _ = nnls(
            np.vstack([matrix * weight[:, None], prior]), np.concatenate([np.ones(len(ns)), wanted])
        )
        new = dict(zip(NAMES, solution, strict=True))
        delays = {name: (delays[name] + new[name]) / 2 for name in NAMES}
        error = float(np.mean([e * e for e in errors(modules, delays)]))
        if error < best[0]:
            best = error, delays
    return best[1]


def _delay(stage: Stage, delays: dict[str, float]) -> float:
    return sum(delays[name] * size for name, size in stage.features.items())


def model(case: Case, delays: dict[str, float]) -> tuple[float, Stage]:
    """Delay of a module, ns, and its slowest stage."""
    stage = max(stages_of(case), key=lambda stage: _delay(stage, delays))
    return _delay(stage, delays), stage


def errors(modules: list[tuple[Case, dict[str, Any]]], delays: dict[str, float]) -> list[float]:
    """Relative errors of the clock."""
    return [row["ns6"] / model(case, delays)[0] - 1 for case, row in modules]


def grade_factor(modules: list[tuple[Case, dict[str, Any]]]) -> tuple[float, float]:
    """Delay on grade 8 over that on grade 6: median, and largest distance from it."""
    ratios = np.array([row["ns8"] / row["ns6"] for _, row in modules if "ns8" in row])
    return float(np.median(ratios)), float(np.abs(ratios / np.median(ratios) - 1).max())


def design_factor(delays: dict[str, float]) -> float:
    """Delay of the demo network over that of its slowest module alone, by the model."""
    path = record.RESULTS / "pnr.json"
    cells = json.loads(path.read_text())["cells"] if path.is_file() else {}
    with pnr.scratch_folder() as folder:
        graph = pnr.demo_build(folder)
        if cells.get("demo_grade6", {}).get("verilog") != pnr.digest(folder):
            console.print("make bench-pnr first: the demo is another than was placed")
            return fmax.IN_DESIGN[FAMILY]
    alone = 0.0
    for name in graph:
        stage = fmax.slowest_stage(graph, name, FAMILY)
        alone = max(alone, _delay(stage, delays) if stage is not None else 0.0)
    return float(1000 / cells["demo_grade6"]["mhz"] / alone)


def write(delays: dict[str, float], grade8: float, design: float) -> None:
    """Write the coefficients."""
    lines = "".join(f'        "{name}": {value:.3f},\n' for name, value in delays.items())
    between = (1 + grade8) / 2
    TARGET.write_text(
        '"""Delay of the parts of a stage, ns; made by ``benchmarks/fit_fmax.py --fit``."""\n\n'
        "from __future__ import annotations\n\n"
        f'DELAYS: dict[str, dict[str, float]] = {{\n    "{FAMILY}": {{\n{lines}    }},\n}}\n'
        f"GRADES: dict[str, dict[int, float]] = "
        f'{{"{FAMILY}": {{6: 1.0, 7: {between:.2f}, 8: {grade8:.2f}}}}}\n'
        f'IN_DESIGN: dict[str, float] = {{"{FAMILY}": {design:.2f}}}\n'
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    modules = measured()
    fitted = [(case, row) for case, row in modules if not row["held"]]
    held = [(case, row) for case, row in modules if row["held"]]
    delays = fit(fitted) if options.fit else fmax.DELAYS[FAMILY]
    table = Table(
        "module", "", "nextpnr ns", "model ns", "error", "slowest stage", "nextpnr's path"
    )
    for kind, group in (("fit", fitted), ("held out", held)):
        for (case, row), error in zip(group, errors(group, delays), strict=True):
            ns, stage = model(case, delays)
            figures = (f"{row['ns6']:.2f}", f"{ns:.2f}", f"{100 * error:+.0f} %")
            table.add_row(case.name, kind, *figures, stage.what, row["path"])
    console.print(table)
    for kind, group in (("fit", fitted), ("held out", held)):
        found = np.abs(errors(group, delays))
        if len(found):
            middle, worst = 100 * np.median(found), 100 * found.max()
            console.print(
                f"{kind}: {len(found)} modules, median {middle:.1f} %, worst {worst:.1f} %"
            )
    grade8, spread = grade_factor(modules)
    console.print(f"grade 8 takes {grade8:.2f} of the time, within {100 * spread:.0f} %")
    if options.fit:
        design = design_factor(delays)
        write(delays, grade8, design)
        console.print(f"in a design delays are {design:.2f} times as long; wrote {TARGET}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
