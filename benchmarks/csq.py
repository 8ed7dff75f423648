"""CSQ, LSQ and BSQ on ResNet-20 from the float checkpoint: hard integer top-1, bits, cycles.

Usage: make bench-csq. Needs the checkpoint and images of ../shared/data. Every run is an ordinary
`qcompiler train` in build/csq, so an interrupted benchmark goes on where it was; figures are in
benchmarks/results/csq.json as soon as a run ends. `--epochs 600 --lr 0.1` is the full recipe, for
a machine with a GPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import record
from rich.console import Console

from qcompiler.ir.store import read_graph
from qcompiler.report.progress import Bars
from qcompiler.train.config import TrainConfig
from qcompiler.verbs.compile import Target
from qcompiler.verbs.compile import compile as compile_network
from qcompiler.verbs.train import train

console = Console(soft_wrap=True, width=140)
RECIPE = ["search=0.5", "slope=0.1", "strength=0.3", "gate_rate=3", "rewind=5"]  # for few epochs
WEIGHTS = record.DATA / "cifar10_resnet20_akamaster.npz"


@dataclass(frozen=True)
class Cell:
    """One training: a method, its size and the width of activations."""

    method: str
    size: float
    activations: int = 0
    seed: int = 0

    @property
    def name(self) -> str:
        text = f"{self.method}_b{self.size:g}_a{self.activations or 32}_s{self.seed}"
        return text.replace(".", "p")


def cells(seeds: int, strength: float) -> list[Cell]:
    """In the order in which they say most, should time run out."""
    first = [Cell(m, b) for b in (2, 3, 4) for m in ("csq", "lsq")] + [Cell("bsq", strength)]
    narrow = [Cell("csq", b, 4) for b in (2, 3, 4)]
    more = [Cell(m, b, 0, s) for s in range(1, seeds) for b in (2, 3, 4) for m in ("csq", "lsq")]
    return [*first, *narrow, *more]


def run(cell: Cell, options: argparse.Namespace) -> dict[str, Any]:
    """Train one cell, compile what comes out, and say what was found."""
    settings: dict[str, Any] = {}
    chosen: dict[str, str] = {}
    if cell.method == "csq":
        settings["budget"] = cell.size
        chosen = dict(pair.split("=", 1) for pair in options.set)
    elif cell.method == "lsq":
        settings["bits"] = int(cell.size)
    else:
        chosen = {"strength": f"{cell.size:g}", "search": options.search}
    config = TrainConfig(
        data=record.DATA / "cifar10_train_a.npz",
        test=record.DATA / "cifar10_test.npz",
        weights=WEIGHTS,
        normalize="imagenet",
        checkpoint_dir=Path("build/csq") / f"e{options.epochs}" / cell.name,
        method=cell.method,
        epochs=options.epochs,
        lr=options.lr,
        weight_decay=1e-4,
        warmup=0.1,
        activations=cell.activations,
        seed=cell.seed,
        threads=options.threads,
        options=chosen,
        checkpoint_every="60s",
        **settings,
    )
    began = time.perf_counter()
    with Bars() as bars:
        result = train(config, progress=bars)
    seconds = time.perf_counter() - began
    assert result.hard_accuracy is not None and result.bits is not None
    graph = read_graph(result.network)
    compiled = compile_network(graph, Target("ecp5-85k", lut=options.lut))
    return {
        "hard": round(100 * result.hard_accuracy, 2),
        "soft": round(100 * result.soft_accuracy, 2),
        "bits": round(result.bits, 3),
        "stored": round(
            sum(s.stored * s.parameters for s in result.layers)
            / sum(s.parameters for s in result.layers),
            3,
        ),
        "live": [layer.live for layer in result.layers],
        "layers": [layer.layer for layer in result.layers],
        "schemes": [list(layer.scheme) for layer in result.layers],
        "cycles": compiled.report.cycles,
        "seconds": round(seconds, 1),
    }


class Results:
    """Figures by cell, kept on disk."""

    def __init__(self, options: argparse.Namespace) -> None:
        what = ("epochs", "lr", "set", "search", "lut")
        self.settings = {"images": 25000, **{k: getattr(options, k) for k in what}}
        self.machine = record.machine()
        self.path = record.RESULTS / "csq.json"
        self.found: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            kept = json.loads(self.path.read_text())
            if kept["settings"] == self.settings:
                self.found = kept["cells"]

    def put(self, cell: Cell, figures: dict[str, Any]) -> None:
        kind = {"method": cell.method, "size": cell.size, "activations": cell.activations or 32}
        self.found[cell.name] = {**kind, "seed": cell.seed, **figures}
        shown = {k: v for k, v in figures.items() if not isinstance(v, list)}
        print(f"{cell.name}: {shown}", flush=True)
        record.write("csq", self.settings, self.machine, [], self.bars())
        document = json.loads(self.path.read_text())
        document["cells"] = self.found
        self.path.write_text(json.dumps(document, indent=1) + "\n")

    def of(self, method: str, size: float | None = None, activations: int = 32) -> list[Any]:
        cells = self.found.values()
        chosen = [c for c in cells if c["method"] == method and c["activations"] == activations]
        return [c for c in chosen if size is None or c["size"] == size]

    def bars(self) -> dict[str, Any]:
        bars: dict[str, Any] = {"epochs": self.settings["epochs"]}
        for method in ("csq", "lsq"):
            for bits in (4, 3, 2):
                if found := self.of(method, bits):
                    bars[f"{method}_b{bits}"] = round(statistics.mean(c["hard"] for c in found), 2)
        if found := self.of("bsq"):
            bars["bsq"], bars["bsq_bits"] = found[0]["hard"], found[0]["bits"]
        if budgets := [c for c in self.found.values() if c["method"] == "csq"]:
            error = max(abs(c["bits"] - c["size"]) for c in budgets)
            bars["worst_budget_error_bits"] = round(error, 3)
            bars["hard_soft_gap_points"] = round(
                max(abs(c["hard"] - c["soft"]) for c in budgets), 2
            )
        return bars


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--lr", type=float, default=0.02)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lut", type=int, default=20000, help="for cycles on compiled hardware")
    parser.add_argument("--strength", type=float, default=5.0, help="of BSQ's group lasso")
    parser.add_argument("--search", default="0.5", help="share of training in which BSQ prunes")
    parser.add_argument("--set", nargs="*", help="settings of CSQ, NAME=VALUE")
    parser.add_argument("--only", nargs="*", help="names of cells, such as csq_b2_a32_s0")
    options = parser.parse_args()
    options.set = options.set or RECIPE
    if not record.DATA.is_dir():
        print(f"{record.DATA} is missing: this benchmark needs the checkpoint and CIFAR-10 images")
        return 2
    results = Results(options)
    for cell in cells(options.seeds, options.strength):
        if cell.name not in results.found and cell.name in (options.only or [cell.name]):
            results.put(cell, run(cell, options))
    for key, value in results.bars().items():
        console.print(f"{key}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
