"""CSQ, LSQ and BSQ on ResNet-20 from the float checkpoint: hard integer top-1, bits, cycles.

Usage: make bench-csq. Needs the checkpoint and images of ../shared/data. Every run is an ordinary
`qcompiler train` in build/csq, so an interrupted benchmark goes on where it was; figures are in
benchmarks/results/csq.json as soon as a run ends. `make bench-csq-full` is the full recipe, for a
machine with a GPU: 600 epochs at lr 0.1, β up over 595 of them, into csq_full.json.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import record
from cells import Cells
from rich.console import Console

from qcompiler.ir import hardware as hw
from qcompiler.ir.planes import encode
from qcompiler.models.data import resnet20_pixels
from qcompiler.report.progress import Bars
from qcompiler.train.config import TrainConfig
from qcompiler.verbs.compile import Target
from qcompiler.verbs.compile import compile as compile_network
from qcompiler.verbs.train import train
from qcompiler.verbs.verify import verify

console = Console(soft_wrap=True, width=140)
RECIPE = ["search=0.5", "strength=0.3", "gate_rate=3", "rewind=5"]  # for few epochs
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


def planned(seeds: int, strength: float) -> list[Cell]:
    """In the order in which they say most, should time run out."""
    first = [Cell(m, b) for b in (2, 3, 4) for m in ("csq", "lsq")] + [Cell("bsq", strength)]
    narrow = [Cell("csq", b, 4) for b in (2, 3, 4)]
    more = [Cell(m, b, 0, s) for b in (2, 3, 4) for s in range(1, seeds) for m in ("csq", "lsq")]
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
        checkpoint_dir=_folder(cell, options),
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
    compiled = compile_network(result.network, _target(options))
    return {
        "method": cell.method,
        "size": cell.size,
        "activations": cell.activations or 32,
        "seed": cell.seed,
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


def bars(cells: Cells) -> dict[str, Any]:
    """The tracked figures."""
    out: dict[str, Any] = {"epochs": cells.settings["epochs"]}
    for method in ("csq", "lsq"):
        for bits in (4, 3, 2):
            if found := cells.where(method=method, size=bits, activations=32):
                out[f"{method}_b{bits}"] = round(statistics.mean(c["hard"] for c in found), 2)
    if found := cells.where(method="bsq", activations=32):
        near = min(found, key=lambda c: abs(c["bits"] - 4))
        out["bsq"], out["bsq_bits"] = near["hard"], near["bits"]
    if found := cells.where(method="csq"):
        error = max(abs(c["bits"] - c["size"]) for c in found)
        out["worst_budget_error_bits"] = round(error, 3)
        out["hard_soft_gap_points"] = round(max(abs(c["hard"] - c["soft"]) for c in found), 2)
    if {"csq_b4_a32_s0", "csq_b2_a32_s0"} <= set(cells.simulated):
        four, two = (cells.simulated[f"csq_b{b}_a32_s0"] for b in (4, 2))
        ratio = four["cycles_per_frame"] / two["cycles_per_frame"]
        out["cycles_b4_over_b2_simulated"] = round(ratio, 3)
        out["live_planes_b4_over_b2"] = round(four["plane_products"] / two["plane_products"], 3)
    return out


def simulate(cell: Cell, options: argparse.Namespace) -> dict[str, Any]:
    """Cycles a frame of the compiled network in Verilator, compared bit by bit with two images."""
    folder = _folder(cell, options)
    images = np.load(record.DATA / "cifar10_test.npz")["images"][:2]
    compiled = compile_network(folder / "net.qc", _target(options), out=folder / "build")
    result = verify(folder / "build", resnet20_pixels(images).numpy(), every_stream=False)
    products = 0
    for name in compiled.hardware.find(hw.BitSerialArray):
        array = compiled.hardware.op(name)
        pixels = array.out_shape[1] * array.out_shape[2]
        products += array.weight.size * pixels * len(encode(array.weight))
    return {
        "cycles_per_frame": result.cycles_per_frame,
        "plane_products": products,
        "frames": result.frames,
        "differences": 0,  # verify raises at the first one
    }


def _target(options: argparse.Namespace) -> Target:
    return Target("xc7a200t", lut=options.lut)


def _folder(cell: Cell, options: argparse.Namespace) -> Path:
    return Path("build/csq") / f"e{options.epochs}" / cell.name


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
    parser.add_argument("--name", default="csq", help="of the file of results")
    parser.add_argument("--only", nargs="*", help="names of cells, such as csq_b2_a32_s0")
    options = parser.parse_args()
    options.set = options.set or RECIPE
    if not record.DATA.is_dir():
        print(f"{record.DATA} is missing: this benchmark needs the checkpoint and CIFAR-10 images")
        return 2
    what = ("epochs", "lr", "set", "search", "lut")
    settings = {"images": 25000, **{k: getattr(options, k) for k in what}}
    results = Cells(options.name, settings, bars)
    for cell in planned(options.seeds, options.strength):
        if cell.name not in results.found and cell.name in (options.only or [cell.name]):
            results.put(cell.name, run(cell, options))
    for budget in (4, 2):
        cell = Cell("csq", budget)
        if cell.name in results.found and cell.name not in results.simulated:
            results.simulated[cell.name] = simulate(cell, options)
            results.write()
    for key, value in bars(results).items():
        console.print(f"{key}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
