"""Constant weights as logic: hard-wired engines against da4ml and the bit-serial array, in Yosys.

Usage: make bench-hardwired. All outputs are compared with numpy: those of RTL in simulation, those
of da4ml by its own evaluation of what it writes as Verilog.

What is counted. da4ml: its pipeline from all inputs to all results, a frame a cycle (II = 1),
without streams or stalls; it cannot be smaller at a lower rate. Ours: all of the streaming core,
that is gathering of inputs, sums, whole results, handshakes and requantizers. Both without
multiplier blocks. Cycles are those from frame to frame in simulation.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cells import Cells as Store
from hardwired_layers import CUTOFF, SHIFT, Built, Net, cells, da4ml_solution, write_da4ml
from rich.console import Console
from rich.table import Table

from qcompiler.flows.synth import Cells
from qcompiler.flows.yosys import find_yosys
from qcompiler.ir.graph import Graph
from qcompiler.ir.types import IntType

console = Console(soft_wrap=True, width=150)

BYTE = IntType(-128, 127)
NETS = {
    "w6a8_16x16": Net("16x16 W6A8", (16, 16), 31, BYTE),
    "ternary_64x64": Net("64x64 ternary A8", (64, 64), 1, BYTE),
    "mlp": Net("MLP 16-64-32-32-5 W6A6", (16, 64, 32, 32, 5), 31, IntType(0, 63)),
}
LEAST = 8
"""Rates below a frame in so many cycles are compared."""
DIGITS = (1, 2, 3)
LAYER = {"hardwired": (9, 17), "bitserial": (9, 17)}
NETWORK = {"hardwired": (9, 17), "bitserial": (64,)}
"""Cycles a frame for which layers and networks are compiled, by engine."""
FAMILIES = ("xc7", "ecp5")
Row = dict[str, Any]


def designs(net: Net, family: str) -> dict[str, Callable[[], Graph]]:
    """What is measured beside da4ml, by title."""
    found: dict[str, Callable[[], Graph]] = {}
    if len(net.sizes) == 2:
        for digit in DIGITS:
            found[f"hardwired, {digit} bit"] = partial(net.parallel, digit)
    for kind, budgets in (LAYER if len(net.sizes) == 2 else NETWORK).items():
        for cycles in budgets:
            graph = partial(net.compiled, kind, cycles, family)
            found[f"compiled, {kind}, {cycles} cycles"] = graph
    return found


def measure_da4ml(net: Net, family: str, folder: Path) -> Row:
    solution, x = da4ml_solution(net), net.inputs(1000)
    wrong = int((solution.predict(x.astype(float)) != net.outputs(x)).sum())
    return figures(1, wrong, cells(write_da4ml(solution, folder), "da", family, folder))


def measure(
    net: Net, graph: Callable[[], Graph], family: str, simulated: dict[str, Any], folder: Path
) -> Row:
    """``simulated``: mismatches and cycles of designs that ran already, by digest."""
    built = Built.write(graph(), folder)
    if built.digest not in simulated:
        simulated[built.digest] = list(built.simulate(net, folder))
    wrong, cycles = simulated[built.digest]
    return figures(cycles, wrong, cells(built.sources, "net_core", family, folder))


def figures(cycles: int, wrong: int, found: Cells) -> Row:
    product = {"lut_cycles": found.lut * cycles}
    return {"cycles": cycles, "mismatches": wrong} | asdict(found) | product


def table(found: Store, key: str) -> Table:
    net = NETS[key]
    made = Table(title=f"{net.title}, random weights up to {net.top} of seed {net.seed}")
    for head in ("design", "family", "cycles", "LUT", "FF", "BRAM", "LUT x cycles", "mismatches"):
        made.add_column(head, justify="left" if head in ("design", "family") else "right")
    for r in found.where(net=key):
        numbers = (r["cycles"], r["lut"], r["ff"], r["bram"], r["lut_cycles"], r["mismatches"])
        made.add_row(r["design"], r["family"], *(f"{n:,}" for n in numbers))
    return made


def slow(rows: list[Row]) -> Row:
    """The smallest of the designs whose rate is next below a frame in `LEAST` cycles."""
    below = [r for r in rows if r["cycles"] > LEAST]
    fastest = min(r["cycles"] for r in below)
    return min((r for r in below if r["cycles"] == fastest), key=lambda r: r["lut"])


def tracked(found: Store) -> Row:
    """The figures that are tracked; those of the first family without a suffix."""
    bars: Row = {"mismatches": sum(r["mismatches"] for r in found.found.values())}
    for family in FAMILIES:
        end = "" if family == FAMILIES[0] else f"_{family}"
        for key in NETS:
            mine = found.where(net=key, family=family)
            theirs = [r for r in mine if r["design"] == "da4ml"]
            wired = [r for r in mine if "hardwired" in r["design"]]
            array = [r for r in mine if "bitserial" in r["design"]]
            if not theirs or len(mine) < 1 + len(designs(NETS[key], family)):
                continue
            ours = slow(wired)
            bars[f"{key}_cycles_ours{end}"] = ours["cycles"]
            bars[f"{key}_lut_ours{end}"] = ours["lut"]
            bars[f"{key}_lut_da4ml{end}"] = theirs[0]["lut"]
            bars[f"{key}_lutcycles_ours{end}"] = min(r["lut_cycles"] for r in wired)
            bars[f"{key}_lutcycles_da4ml{end}"] = theirs[0]["lut_cycles"]
            bars[f"{key}_lutcycles_array{end}"] = min(r["lut_cycles"] for r in array)
    return bars


def settings() -> Row:
    return {
        "families": list(FAMILIES),
        "nets": {key: [net.title, net.top, net.seed] for key, net in NETS.items()},
        "shift": SHIFT,
        "yosys": find_yosys().version,
        "da4ml": version("da4ml"),
        "da4ml_cutoff": CUTOFF,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=NETS)
    options = parser.parse_args()
    found = Store("hardwired", settings(), tracked)
    for key in options.nets:
        net = NETS[key]
        for family in options.families:
            tasks: dict[str, Callable[[Path], Row]] = {"da4ml": partial(measure_da4ml, net, family)}
            for design, graph in designs(net, family).items():
                tasks[design] = partial(measure, net, graph, family, found.simulated)
            for design, task in tasks.items():
                name = f"{key}, {family}, {design}"
                if name not in found.found:
                    with tempfile.TemporaryDirectory() as folder:
                        where = {"net": key, "family": family, "design": design}
                        found.put(name, where | task(Path(folder)))
        console.print(table(found, key))
    found.write()
    bars = tracked(found)
    for name, value in bars.items():
        console.print(f"{name}: {value:,}")
    return int(bars["mismatches"] > 0)


if __name__ == "__main__":
    sys.exit(main())
