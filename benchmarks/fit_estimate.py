"""Estimate against Yosys, module by module: the errors of the cost models, and their coefficients.

    python benchmarks/calibrate.py                                # Yosys, where modules changed
    python benchmarks/fit_estimate.py --family ecp5               # table of errors
    python benchmarks/fit_estimate.py --fit > qcompiler/estimate/coefficients.py

Reads what ``calibrate.py`` measured; modules of the held-out set are not fitted.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from calibrate import FAMILIES, SETS, found
from fit_cases import Case
from scipy.optimize import nnls

from qcompiler.estimate.coefficients import COEFFICIENTS
from qcompiler.estimate.model import module_cost, module_parts
from qcompiler.flows.synth import Cells


def table(cases: list[Case], found: dict[str, Cells], family: str) -> list[str]:
    rows, errors = [], []
    for one in cases:
        got, est = found[one.name], module_cost(one.op, one.inputs, one.outputs, family)
        errors.append((est.lut - got.lut) / max(got.lut, 1))
        rows.append(
            f"{one.name:24} LUT {got.lut:5} {est.lut:7.0f} {errors[-1]:+5.0%}"
            f"  FF {got.ff:5} {est.ff:6.0f}  carry {got.carry:4} {est.carry:4.0f}"
            f"  BRAM {got.bram:2} {est.bram:2}"
            f"  DSP {got.dsp:2} {est.dsp:2}"
        )
    size = np.abs(errors)
    rows.append(f"{family}: {np.median(size):.0%} median, {size.max():.0%} worst of {len(size)}")
    return rows


def fit(cases: list[Case], found: dict[str, Cells], family: str) -> dict[str, dict[str, float]]:
    """Coefficients of each kind of module: least squares of the relative errors, none below 0."""
    kinds: dict[str, list[tuple[dict[str, float], float, int]]] = {}
    for one in cases:
        parts = module_parts(one.op, one.inputs, one.outputs, family)
        if len(parts) == 1:
            lut = found[one.name].lut
            row = (dict(parts[0].features), lut - parts[0].fixed.lut, lut)
            kinds.setdefault(parts[0].kind, []).append(row)
    fitted = {}
    for kind, rows in kinds.items():
        names = list(rows[0][0])
        sizes = np.array([[row[0][name] for name in names] for row in rows], float)
        weight = 1 / np.maximum([row[2] for row in rows], 12.0)
        solution, _ = nnls(sizes * weight[:, None], np.array([row[1] for row in rows]) * weight)
        fitted[kind] = {n: round(float(v), 2) for n, v in zip(names, solution, strict=True)}
    return fitted


HEAD = '''"""LUT for each unit of a module's sizes, by module and family; see `parts.Parts`.

Fitted to Yosys by ``benchmarks/fit_estimate.py --fit``: least squares of relative errors, no
coefficient below zero.
"""

from __future__ import annotations

COEFFICIENTS: dict[str, dict[str, dict[str, float]]] = {
'''


def listing(fitted: dict[str, dict[str, dict[str, float]]]) -> str:
    """The text of ``coefficients.py``; ``ruff format`` breaks its lines."""
    text = HEAD
    for kind in sorted(fitted):
        text += f'    "{kind}": {{\n'
        for family in sorted(fitted[kind]):
            row = ", ".join(f'"{n}": {v:.2f}' for n, v in fitted[kind][family].items())
            text += f'        "{family}": {{{row}}},\n'
        text += "    },\n"
    return text + "}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", action="append", default=[], choices=FAMILIES)
    parser.add_argument("--group", action="append", default=[], choices=list(SETS["fit"]))
    parser.add_argument("--set", default="fit", choices=list(SETS))
    parser.add_argument("--fit", action="store_true", help="print the text of coefficients.py")
    args = parser.parse_args()
    fitted = {kind: dict(rows) for kind, rows in COEFFICIENTS.items()}
    for group in args.group or SETS[args.set]:
        cases = list(SETS[args.set][group]())
        for family in args.family or FAMILIES:
            cells = found(cases, family)
            if left := [c.name for c in cases if c.name not in cells]:
                print(f"{family}: run calibrate.py for {', '.join(left)}", file=sys.stderr)
            known = [c for c in cases if c.name in cells]
            if known and args.fit:
                for kind, row in fit(known, cells, family).items():
                    fitted.setdefault(kind, {})[family] = row
            elif known:
                print(*table(known, cells, family), sep="\n", flush=True)
    if args.fit:
        print(listing(fitted), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
