"""Synthesizes the modules that cost models are fitted and tested on: benchmarks/calibration.

Usage: make calibrate. What Yosys made of a module is kept in calibration/FAMILY.json with a digest
of its Verilog; only modules that are new or changed are synthesized. Several workers:
`--workers 4`, or `--scheduler tcp://host:8786` for those of a dask cluster.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import fit_cases
import holdout_cases
from fit_cases import Case
from rich.console import Console
from side_by_side import design, digest

from qcompiler.flows.sweep import sweep
from qcompiler.flows.synth import Cells
from qcompiler.flows.workers import Workers
from qcompiler.flows.yosys import find_yosys
from qcompiler.report.progress import Bars

FOLDER = Path(__file__).resolve().parent / "calibration"
FAMILIES = ("ecp5", "xc7", "ice40")
TOGETHER = 10  # modules in one run of Yosys
SETS = {"fit": fit_cases.GROUPS, "holdout": holdout_cases.GROUPS}
console = Console(width=100, soft_wrap=True)


def path_of(family: str) -> Path:
    return FOLDER / f"{family}.json"


def kept(family: str) -> dict[str, Any]:
    """Rows of a family by module."""
    path = path_of(family)
    return json.loads(path.read_text())["modules"] if path.is_file() else {}


def keep(family: str, rows: dict[str, Any]) -> None:
    FOLDER.mkdir(exist_ok=True)
    lines = ",\n".join(f' "{name}": {json.dumps(rows[name])}' for name in sorted(rows))
    head = json.dumps({"yosys": find_yosys().version, "family": family})[:-1]
    path_of(family).write_text(f'{head}, "modules": {{\n{lines}\n}}}}\n')


def found(cases: list[Case], family: str) -> dict[str, Cells]:
    """What Yosys made of modules; those that are missing, or were others, are left out."""
    rows = kept(family)
    names = [f.name for f in dataclasses.fields(Cells)]
    return {
        one.name: Cells(**{n: rows[one.name][n] for n in names})
        for one in cases
        if one.name in rows and rows[one.name]["digest"] == digest(one)
    }


def missing(sets: list[str], groups: list[str], family: str) -> list[tuple[str, str, list[Case]]]:
    """(set, group, modules) of each design that has to be synthesized."""
    todo = []
    for one in sets:
        for group, make in SETS[one].items():
            if not groups or group in groups:
                cases = list(make())
                have = found(cases, family)
                left = [c for c in cases if c.name not in have]
                parts = range(0, len(left), TOGETHER)
                todo += [(one, group, left[k : k + TOGETHER]) for k in parts]
    return todo


def measure(sets: list[str], groups: list[str], family: str, workers: Workers) -> None:
    todo = missing(sets, groups, family)
    console.print(f"{family}: {sum(len(cases) for *_, cases in todo)} modules to synthesize")
    designs = [(design(cases), family) for *_, cases in todo]
    with Bars() as bars:
        bars.begin(f"Yosys, {family}", len(todo))
        for number, nodes in sweep(designs, workers):
            one, group, cases = todo[number]
            rows = kept(family)
            for case in cases:
                cells = dataclasses.asdict(nodes.get(case.name, Cells()))
                rows[case.name] = {"set": one, "group": group, "digest": digest(case), **cells}
            keep(family, rows)
            bars.advance()
        bars.end()
    if not groups:
        drop_old(family)


def drop_old(family: str) -> None:
    """Forget modules that are in no set any more."""
    names = {c.name for groups in SETS.values() for make in groups.values() for c in make()}
    keep(family, {name: row for name, row in kept(family).items() if name in names})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", action="append", choices=FAMILIES, default=[])
    parser.add_argument("--group", action="append", default=[], help="only this group of modules")
    parser.add_argument("--set", action="append", choices=list(SETS), default=[])
    parser.add_argument("--workers", type=int, default=1, help="runs of Yosys at a time")
    parser.add_argument("--scheduler", help="address of a dask scheduler")
    options = parser.parse_args()
    for family in options.family or FAMILIES:
        sets = options.set or list(SETS)
        measure(sets, options.group, family, Workers(options.workers, options.scheduler))
    return 0


if __name__ == "__main__":
    sys.exit(main())
