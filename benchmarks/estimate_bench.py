"""How far the estimates are off: held-out modules and whole networks, estimate against Yosys.

Usage: make bench-estimate. Modules are those of holdout_cases.py, which `make calibrate` has
synthesized; networks (holdout_networks.py) are compiled, simulated for their cycles and synthesized
here, those of fewer than 8,000 LUT also placed on ECP5; they are found again in the next run if
their Verilog is the same. Prints the tables, writes results/estimate.json, docs/estimate.svg, the
tables of docs/estimates.md, and the errors that `qcompiler estimate` prints
(qcompiler/estimate/errors.json).
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clock_rows
import estimate_page
import holdout_cases
from calibrate import found
from cells import Cells
from holdout_networks import NETWORKS, Network, built
from rich.console import Console
from rich.table import Table

from qcompiler.estimate.carry import CELL_BITS
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.devices import device
from qcompiler.estimate.model import module_cost
from qcompiler.estimate.report import estimate
from qcompiler.flows.synth import Cells as Mapped
from qcompiler.flows.synth import synthesize
from qcompiler.verbs.verify import Stall, verify

console = Console(width=120, soft_wrap=True)
DEVICES = {"ecp5": "ecp5-85k", "xc7": "xc7a100t"}
AIM = 0.15  # largest error that is aimed at
FLOOR = 20  # LUT, FF, bits of adders: errors of smaller modules are counted against as many
ERRORS = Path(__file__).resolve().parents[1] / "qcompiler" / "estimate" / "errors.json"
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "estimate.svg"


def row(name: str, kind: str, family: str, est: Cost, got: Mapped) -> dict[str, Any]:
    """One module or network: both figures and the errors."""
    return {
        "name": name, "kind": kind, "family": family,
        "lut": [round(est.lut), got.lut], "ff": [round(est.ff), got.ff],
        "bram": [est.bram, got.bram], "dsp": [est.dsp, got.dsp],
        "carry": [round(est.carry), got.carry],
        "lut_error": (est.lut - got.lut) / max(got.lut, FLOOR),
        "ff_error": (est.ff - got.ff) / max(got.ff, FLOOR),
        "carry_error": (est.carry - got.carry) / max(got.carry, FLOOR // CELL_BITS[family]),
    }  # fmt: skip


def modules(family: str) -> Iterator[dict[str, Any]]:
    """Rows of the held-out modules that were synthesized."""
    for make in holdout_cases.GROUPS.values():
        cases = list(make())
        cells = found(cases, family)
        for one in cases:
            if one.name not in cells:
                console.print(f"{one.name}, {family}: not synthesized; run make calibrate")
                continue
            kind = type(one.op).__name__
            est = module_cost(one.op, one.inputs, one.outputs, family)
            yield row(one.name, kind, family, est, cells[one.name])


def network(one: Network, family: str, kept: dict[str, Any]) -> dict[str, Any]:
    """A network's row; synthesized and simulated unless ``kept`` is of the same Verilog."""
    with tempfile.TemporaryDirectory(dir="build") as name:
        folder = Path(name) / "build"
        compiled, x = built(one, DEVICES[family], folder)
        report = estimate(compiled.hardware, device(DEVICES[family]))
        key = digest(folder)
        known = kept if kept.get("digest") == key else {}
        if known:
            cells, cycles = Mapped(**known["cells"]), known["simulated"]
        else:
            stalls = (Stall(0, 0),)
            cycles = verify(folder, x[:3], stalls=stalls, extremes=False).cycles_per_frame
            cells = synthesize(folder, family).total
        clock = {}
        if family == clock_rows.FAMILY and cells.lut < clock_rows.MOST_LUT:
            clock = clock_rows.network(compiled.hardware, folder, known.get("mhz", [None])[-1])
    figures = row(one.name, "network", family, report.total, cells) | clock
    return {
        **figures, "cycles": [report.cycles, cycles], "digest": key, "simulated": cycles,
        "cells": dataclasses.asdict(cells),
    }  # fmt: skip


def digest(folder: Path) -> str:
    """Of all Verilog and memories of a build, without the line that names the generator."""
    total = hashlib.sha256()
    for path in sorted([*folder.rglob("*.v"), *folder.rglob("*.hex")]):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()[:16]


def bars(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The tracked figures, over all rows of all families."""
    out: dict[str, Any] = {}
    for what in ("lut", "ff", "carry"):
        if sizes := error_sizes(rows, what):
            out[f"{what}_median_error"] = round(statistics.median(sizes), 4)
            out[f"{what}_worst_error"] = round(max(sizes), 4)
    for what in ("bram", "dsp"):
        out[f"{what}_errors"] = sum(r[what][0] != r[what][1] for r in rows)
    networks = [r for r in rows if r["kind"] == "network"]
    out["cycle_errors"] = sum(r["cycles"][0] != r["cycles"][1] for r in networks)
    out["fmax_worst_error"] = round(clock_rows.worst([*networks, *clock_rows.modules()]), 4)
    out["heldout_modules"] = len({r["name"] for r in rows if r["kind"] != "network"})
    out["heldout_networks"] = len({r["name"] for r in networks})
    return out


def show(rows: list[dict[str, Any]]) -> None:
    table = Table(title="estimate / Yosys, and error")
    for column in ("", "family", "LUT", "", "FF", "", "carry", "BRAM", "DSP", "cycles", "MHz"):
        table.add_column(column, justify="right" if column != "" else "left")
    for r in sorted(rows, key=lambda r: (r["kind"] == "network", r["family"], r["name"])):
        pairs = {
            w: "/".join(map(str, r[w]))
            for w in ("lut", "ff", "carry", "bram", "dsp", "cycles", "mhz")
            if w in r
        }
        table.add_row(
            r["name"], r["family"], pairs["lut"], f"{r['lut_error']:+.1%}", pairs["ff"],
            f"{r['ff_error']:+.1%}", pairs.get("carry", ""), pairs["bram"], pairs["dsp"],
            pairs.get("cycles", ""), pairs.get("mhz", ""),
        )  # fmt: skip
    console.print(table)
    for family in DEVICES:
        mine = [r for r in rows if r["family"] == family]
        console.print(f"{family}: {bars(mine)}" if mine else f"{family}: nothing")


def picture(rows: list[dict[str, Any]]) -> None:
    """Estimate against synthesis, one dot a module or network."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = "estimate"  # the same picture for the same figures
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 4.2))
    for axis, what in zip(axes, ("lut", "ff"), strict=True):
        for family, color in zip(DEVICES, ("tab:blue", "tab:orange"), strict=True):
            for network, marker in ((False, "."), (True, "s")):
                pairs = [
                    r[what] for r in rows
                    if r["family"] == family and (r["kind"] == "network") == network
                ]  # fmt: skip
                label = f"{family} {'networks' if network else 'modules'}"
                est, got = zip(*pairs, strict=True) if pairs else ((), ())
                axis.scatter(got, est, marker=marker, color=color, label=label, s=22)
        ends = [4, 3 * max(max(r[what]) for r in rows)]
        axis.plot(ends, ends, color="gray", linewidth=0.8)
        axis.fill_between(
            ends, [0.85 * e for e in ends], [1.15 * e for e in ends], color="gray", alpha=0.15
        )
        axis.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
        axis.set(xlabel=f"{what.upper()}, Yosys", ylabel=f"{what.upper()}, estimate")
    axes[0].legend(fontsize=7)
    figure.suptitle("Held-out modules and networks; the band is ±15 %", fontsize=10)
    figure.tight_layout()
    figure.savefig(PICTURE, metadata={"Date": None})


def errors(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """By family: errors of modules, of each kind of them, and of networks."""
    out: dict[str, Any] = {}
    for family in DEVICES:
        mine = [r for r in rows if r["family"] == family]
        small = [r for r in mine if r["kind"] != "network"]
        held = clock_rows.modules()
        kinds = sorted({r["kind"] for r in small})
        out[family] = {
            "modules": spread(small),
            "networks": spread([r for r in mine if r["kind"] == "network"]),
            "clock": round(clock_rows.worst([*mine, *held]), 3)
            if family == clock_rows.FAMILY
            else None,
            "kinds": {kind: spread([r for r in small if r["kind"] == kind]) for kind in kinds},
        }
    return out


def spread(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Median and worst error of LUT, FF and carry cells."""
    if not rows:
        return {}
    out: dict[str, Any] = {"count": len(rows)}
    for what in ("lut", "ff", "carry"):
        if sizes := error_sizes(rows, what):
            out[what] = [round(statistics.median(sizes), 3), round(max(sizes), 3)]
    return out


def error_sizes(rows: list[dict[str, Any]], what: str) -> list[float]:
    """Absolute errors; of modules that have the resource, or should."""
    return [abs(r[f"{what}_error"]) for r in rows if what in r and any(r[what])]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modules", action="store_true", help="no networks, nothing written")
    parser.add_argument(
        "--family",
        action="append",
        default=[],
        choices=list(DEVICES),
        help="synthesize networks for this family; the others stay as they are",
    )
    parser.add_argument("--kept", action="store_true", help="only networks that were measured")
    options = parser.parse_args()
    rows = [r for family in DEVICES for r in modules(family)]
    if options.modules:
        show([r for r in rows if r["family"] in (options.family or DEVICES)])
        return 0
    Path("build").mkdir(exist_ok=True)
    store = Cells("estimate", {"floor": FLOOR}, lambda cells: bars([*rows, *cells.found.values()]))
    for one in () if options.kept else NETWORKS:
        for family in options.family or DEVICES:
            name = f"{one.name}_{family}"
            store.put(name, network(one, family, store.found.get(name, {})))
    store.write()
    rows += store.found.values()
    show(rows)
    picture(rows)
    ERRORS.write_text(json.dumps(errors(rows), indent=1) + "\n")
    by_family = {f: [r for r in rows if r["family"] == f] for f in DEVICES}
    estimate_page.write(rows, {f: bars(mine) for f, mine in by_family.items() if mine}, AIM)
    return 0


if __name__ == "__main__":
    sys.exit(main())
