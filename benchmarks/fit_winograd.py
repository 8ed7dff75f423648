"""Estimate against Yosys for the cells of the Winograd unit, each alone, and their coefficients.

    python benchmarks/fit_winograd.py --family ecp5               # table of errors
    python benchmarks/fit_winograd.py --fit > qcompiler/estimate/winograd_coefficients.py

About five minutes a family on an idle core.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from qcompiler.estimate import winograd
from qcompiler.estimate.parts import Parts
from qcompiler.flows.synth import FLOWS, Cells
from qcompiler.flows.yosys import run_script
from qcompiler.hardware.winograd_passes import InputPassUnit, OutputPassUnit
from qcompiler.ir.types import IntType
from qcompiler.ir.winograd_plan import WinogradPlan
from qcompiler.resources import RTL


@dataclass(frozen=True)
class Cell:
    """A module alone: its text, or its parameters where the library has it."""

    name: str
    module: str
    parts: Parts
    text: str = ""
    parameters: tuple[tuple[str, int], ...] = ()


# m, output channels, input channels, PE, SIMD, codes, weights up to, output rows and columns
LAYERS = (
    (2, 64, 64, 8, 8, IntType(-63, 63), 63, 32), (2, 8, 8, 2, 2, IntType(0, 15), 7, 7),
    (2, 16, 16, 4, 1, IntType(-127, 127), 127, 16), (2, 16, 16, 1, 4, IntType(0, 3), 1, 14),
    (2, 12, 6, 3, 6, IntType(0, 255), 127, 28), (2, 32, 8, 4, 8, IntType(-7, 7), 7, 8),
    (4, 64, 64, 8, 8, IntType(-63, 63), 63, 32), (4, 8, 8, 2, 2, IntType(0, 15), 7, 7),
    (4, 16, 16, 4, 1, IntType(-127, 127), 127, 16), (4, 16, 16, 1, 4, IntType(0, 3), 1, 14),
    (4, 12, 6, 3, 6, IntType(0, 255), 127, 28), (4, 32, 8, 4, 8, IntType(-7, 7), 7, 8),
)  # fmt: skip


def cells(family: str) -> Iterator[Cell]:
    for number, (m, out, channels, pe, simd, x, top, size) in enumerate(LAYERS):
        rng = np.random.default_rng(number)
        w = rng.integers(-top, top + 1, (out, channels, 3, 3))
        reach = int(np.abs(w).sum((1, 2, 3)).max()) * max(-x.lo, x.hi)
        plan = WinogradPlan.build(w, m, x, IntType(-reach, reach), pe=pe, simd=simd)
        for k, one in enumerate(plan.input_passes):
            name = f"in{number}_{k}"
            text = InputPassUnit(name, one).verilog()
            yield Cell(name, name, winograd.input_pass(one, family), text)
        for k, two in enumerate(plan.output_passes):
            name = f"out{number}_{k}"
            text = OutputPassUnit(name, two).verilog()
            yield Cell(name, name, winograd.output_pass(two, family), text)
        data, result, steps = simd * plan.data.bits, pe * plan.acc.bits, plan.tile.t**2
        loops = {"WORDS": plan.words, "STEPS": steps, "REPEAT": plan.cfolds}
        parts = winograd.replay(data, plan.words, steps, plan.cfolds, family)
        values = (("WIDTH", data), *loops.items())
        yield Cell(f"replay{number}", "qc_replay", parts, parameters=values)
        shape = (("H", size), ("W", size), ("M", m), ("CFOLDS", plan.cfolds))
        parts = winograd.raster(result, (size, size), m, plan.cfolds, family)
        values = (("WIDTH", result), *shape)
        yield Cell(f"raster{number}", "qc_tile_raster", parts, parameters=values)


def measure(cell: Cell, family: str) -> Cells:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if cell.text:
            (folder / f"{cell.module}.v").write_text(cell.text)
        else:
            shutil.copy(RTL / f"{cell.module}.v", folder)
        settings = " ".join(f"-set {key} {value}" for key, value in cell.parameters)
        commands = [
            f"read_verilog {cell.module}.v",
            f"hierarchy -check -top {cell.module}",
            *([f"chparam {settings} {cell.module}"] if settings else []),
            FLOWS[family].format(top=cell.module),
            "tee -q -o stat.json stat -json",
        ]
        run_script("\n".join(commands) + "\n", cwd=folder, folder="yosys")
        design = json.loads((folder / "stat.json").read_text())["design"]
    return Cells.count(design["num_cells_by_type"], family)


def fit(rows: list[tuple[Parts, Cells]]) -> dict[str, dict[str, float]]:
    """Least squares of the relative errors of each kind, none below 0."""
    fitted = {}
    for kind in sorted({parts.kind for parts, _ in rows}):
        mine = [(parts, found) for parts, found in rows if parts.kind == kind]
        names = list(mine[0][0].features)
        sizes = np.array([[p.features[n] / max(f.lut, 1) for n in names] for p, f in mine])
        wanted = np.array([(f.lut - p.fixed.lut) / max(f.lut, 1) for p, f in mine])
        found, _ = nnls(sizes, wanted)
        fitted[kind] = {n: round(float(v), 2) for n, v in zip(names, found, strict=True)}
    return fitted


def table(rows: list[tuple[Cell, Cells]], family: str) -> Iterator[str]:
    errors = []
    for cell, got in rows:
        est = cell.parts.cost(family)
        errors.append((est.lut - got.lut) / max(got.lut, 1))
        yield (
            f"{cell.name:10} LUT {got.lut:5} {est.lut:7.0f} {errors[-1]:+5.0%}"
            f"  FF {got.ff:5} {est.ff:6.0f}  BRAM {got.bram:2} {est.bram:2}"
        )
    size = np.abs(errors)
    yield f"{family}: {np.median(size):.0%} median, {size.max():.0%} worst of {len(size)}"


HEAD = '''"""LUT for each unit of the sizes of the Winograd unit's cells, by cell and family.

Fitted to Yosys by ``benchmarks/fit_winograd.py --fit``: least squares of relative errors, no
coefficient below zero.
"""

from __future__ import annotations

WINOGRAD: dict[str, dict[str, dict[str, float]]] = {
'''


def listing(fitted: dict[str, dict[str, dict[str, float]]]) -> str:
    """The text of ``winograd_coefficients.py``; ``ruff format`` breaks its lines."""
    text = HEAD
    for kind in sorted(next(iter(fitted.values()))):
        text += f'    "{kind}": {{\n'
        for family in sorted(fitted):
            row = ", ".join(f'"{n}": {v:.2f}' for n, v in fitted[family][kind].items())
            text += f'        "{family}": {{{row}}},\n'
        text += "    },\n"
    return text + "}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", action="append", default=[])
    parser.add_argument("--fit", action="store_true", help="print winograd_coefficients.py")
    options = parser.parse_args()
    fitted = {}
    for family in options.family or ["ecp5", "xc7", "ice40"]:
        rows = [(cell, measure(cell, family)) for cell in cells(family)]
        print(*table(rows, family), sep="\n", file=sys.stderr, flush=True)
        fitted[family] = fit([(cell.parts, got) for cell, got in rows])
    if options.fit:
        print(listing(fitted), end="")


if __name__ == "__main__":
    main()
