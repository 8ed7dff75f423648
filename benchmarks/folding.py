"""The folding search against the optimum of small networks, and its time for MobileNet-v2.

Usage: make bench-folding. Small networks have four convolutions; for each device and budget the
table has the cycles a frame of a greedy search, of ours, and of the best of all networks.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np
import record
import torch
from rich.console import Console
from rich.table import Table

from qcompiler.estimate.devices import device
from qcompiler.estimate.engines import module_price
from qcompiler.ir.graph import Graph
from qcompiler.ir.rates import bottleneck
from qcompiler.models.mobilenet_v2 import mobilenet_v2
from qcompiler.passes.base import run_passes
from qcompiler.passes.engines import Engines, engine_of_layers
from qcompiler.passes.fold import FoldingSpace
from qcompiler.passes.integerize import Integerize
from qcompiler.passes.pipeline import TO_HARDWARE
from qcompiler.quant.config import QuantConfig
from qcompiler.verbs.auto_engine import lower
from qcompiler.verbs.goal import Room
from qcompiler.verbs.quantize import quantize
from tests.exhaustive import Case, Exhaustive, cases, greedy, small_network

console = Console(soft_wrap=True, width=120)
DEVICES = ("ecp5-85k", "xc7a100t", "ice40-hx8k")


def compare(seed: int, name: str, case: Case) -> dict[str, Any]:
    """One network in one budget."""
    start = time.perf_counter()
    found = case.room.fastest()
    seconds = time.perf_counter() - start
    ours = None if found is None else bottleneck(found)[1]
    best, rival = Exhaustive(case).fastest(), greedy(case.room)
    luts, _, brams, _ = case.room.limits
    return {
        "network": seed,
        "device": name,
        "lut": int(luts),
        "bram": int(brams),
        "greedy": rival,
        "ours": ours,
        "optimum": best,
        "gap": None if best is None else (ours or np.inf) / best - 1,
        "greedy_gap": None if best is None else (rival or np.inf) / best - 1,
        "seconds": round(seconds, 3),
    }


def mobilenet(size: int, width: float) -> Graph:
    """MobileNet-v2 at 4 bits, untrained, in hardware, unfolded."""
    torch.manual_seed(0)
    stem = "imagenet" if size > 64 else "cifar-fast"
    network = mobilenet_v2(1000 if size > 64 else 10, width, stem).eval()
    samples = np.random.default_rng(0).normal(0, 1, (2, 3, size, size)).astype(np.float32)
    graph = quantize(network, samples, QuantConfig(4, 4, method="max-abs")).graph
    integer = run_passes(graph, [Integerize()])
    return lower(integer, Engines(engine_of_layers(integer, {})))[1]


def timed(size: int, width: float, name: str, share: float) -> dict[str, Any]:
    """The whole search: foldings, prices, the fastest that fits."""
    graph, chip = mobilenet(size, width), device(name)
    start, busy = time.perf_counter(), time.process_time()
    space = FoldingSpace(graph, module_price(chip.family))
    priced = time.perf_counter() - start
    found = Room(space, chip, share * chip.luts).fastest()
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    return {
        "size": size,
        "width": width,
        "device": name,
        "lut": int(share * chip.luts),
        "foldings": sum(len(options) for options in space.choices.engines.values()),
        "cycles": None if found is None else bottleneck(found)[1],
        "floor": space.bounds()[0].cycles,
        "seconds": round(seconds, 2),
        "pricing_seconds": round(priced, 2),
        "cpu_seconds": round(busy, 2),
    }


def table(rows: list[dict[str, Any]]) -> Table:
    found = Table(title="Cycles a frame of the fastest network that fits", show_edge=False)
    for head in ("network", "device", "LUT", "BRAM", "greedy", "ours", "optimum", "gap", "s"):
        found.add_column(head, justify="right")
    for row in rows:
        gap = "-" if row["gap"] is None else f"{100 * row['gap']:.1f} %"
        figures = [row[k] for k in ("network", "device", "lut", "bram")]
        figures += [row[k] or "-" for k in ("greedy", "ours", "optimum")]
        found.add_row(*map(str, figures), gap, f"{row['seconds']:.2f}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=12)
    parser.add_argument("--devices", nargs="+", default=list(DEVICES))
    options = parser.parse_args()
    host = record.machine()
    rows = []
    for seed in range(options.networks):
        graph = run_passes(small_network(seed), TO_HARDWARE)
        for name in options.devices:
            rows += [compare(seed, name, case) for case in cases(graph, device(name))]
    console.print(table(rows))
    known = [row for row in rows if row["gap"] is not None]
    impossible = [r for r in rows if (r["gap"] is None and r["ours"]) or (r["gap"] or 0.0) < 0]
    times = [timed(32, 0.5, "xc7a200t", 0.5), timed(224, 1.0, "xc7k410t", 0.9)]
    for row in times:
        console.print(f"MobileNet-v2: {row}")
    bars = {
        "worst_gap_to_optimum": round(max(row["gap"] for row in known), 4),
        "mobilenet_v2_seconds": max(row["seconds"] for row in times),
        "greedy_worst_gap": round(max(row["greedy_gap"] for row in known if row["greedy"]), 4),
        "greedy_fits_nothing": sum(row["greedy"] is None for row in known),
        "greedy_slower_cases": sum((row["greedy"] or np.inf) > row["ours"] for row in known),
        "cases": len(known),
    }
    for key, value in bars.items():
        console.print(f"{key}: {value}")
    settings = {"networks": options.networks, "devices": options.devices}
    path = record.write("folding", settings, host, {"small": rows, "mobilenet_v2": times}, bars)
    console.print(f"wrote {path}")
    for row in impossible:
        console.print(f"better than the best of all networks, one of the two is wrong: {row}")
    return int(bars["worst_gap_to_optimum"] > 0.03 or bool(impossible))


if __name__ == "__main__":
    sys.exit(main())
