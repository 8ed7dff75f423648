"""Post-training quantization of ResNet-20 and ResNet-8: top-1 of the integer graph, by method.

Usage: make bench-ptq. Needs the checkpoints and images of ../shared/data and the extra `bench`
(onnxruntime, whose own static quantization is the third party's figure). Every figure is written
to benchmarks/results/ptq.json as soon as it is there, and found again by the next run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from cifar import accuracy
from ptq_onnxruntime import onnxruntime_top1
from rich.console import Console
from rich.table import Table

from qcompiler.frontend.torch_export import import_module
from qcompiler.ir.graph import Graph
from qcompiler.models.data import Split, cifar_calibration, cifar_test, raw_pixels, resnet20_pixels
from qcompiler.models.resnet8 import load_resnet8
from qcompiler.models.resnet_cifar import load_resnet20
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.passes.pipeline import PREPARE
from qcompiler.quant.align import AlignResiduals
from qcompiler.quant.config import QuantConfig
from qcompiler.quant.correct import Correct
from qcompiler.quant.easyquant import EasyQuant
from qcompiler.quant.insert import InsertQuantizers
from qcompiler.quant.observe import observer
from qcompiler.quant.reconstruct import Reconstruct
from qcompiler.reference.integer import IntegerReference

console = Console(soft_wrap=True, width=160)
Array = np.ndarray[Any, Any]

COLUMNS = {f"W{w}A{a}": (w, a) for w, a in [(8, 8), (7, 7), (6, 6), (5, 5), (4, 4), (4, 8), (3, 8)]}
SIMPLE = ("max-abs", "percentile", "kl", "mse")
SEARCHED = ("easyquant", "easyquant + bias", "easyquant + batch-norm", "reconstruct")
THIRD = ("onnxruntime entropy", "onnxruntime percentile")
METHODS = (*SIMPLE, *SEARCHED, *THIRD)


@dataclass(frozen=True)
class Net:
    """One network, its test images and its pool of calibration images."""

    name: str
    model: torch.nn.Module
    graph: Graph
    test: Split
    pool: torch.Tensor

    @classmethod
    def load(cls, name: str, images: int) -> Net:
        loader: Callable[[Path], torch.nn.Module]
        if name == "resnet20":
            loader, pixels = load_resnet20, resnet20_pixels
            model = loader(record.DATA / "cifar10_resnet20_akamaster.npz").eval()
        else:
            loader, pixels = load_resnet8, raw_pixels
            model = loader(record.DATA / "mlperf_tiny_resnet8_cifar10.npz").eval()
        test = cifar_test(record.DATA, pixels)
        pool = cifar_calibration(record.DATA, pixels).images
        graph = run_passes(import_module(model, (pool[:2],)), PREPARE)
        return cls(name, model, graph, Split(test.images[:images], test.labels[:images]), pool)

    def draw(self, number: int, count: int) -> Array:
        """Calibration set `number`: `count` images of the pool."""
        order = torch.randperm(len(self.pool), generator=torch.Generator().manual_seed(number))
        return self.pool[order[:count]].numpy()


def top1(graph: Graph, test: Split) -> float:
    """Percent, of the integer graph."""
    return 100 * accuracy(IntegerReference(run_passes(graph, [Integerize()])), test)


def simple(net: Net, bits: tuple[int, int], method: str, x: Array) -> Graph:
    config = QuantConfig(*bits, method=method)
    return run_passes(net.graph, [InsertQuantizers(config, observer(x)), AlignResiduals()])


class Cells:
    """Figures by "network/column/method/draw", kept on disk."""

    def __init__(self, settings: dict[str, Any], fresh: bool, alone: bool) -> None:
        self.settings, self.machine, self.alone = settings, record.machine(), alone
        self.path = record.RESULTS / "ptq.json"
        self.found: dict[str, dict[str, Any]] = {}
        if self.path.is_file() and not fresh:
            kept = json.loads(self.path.read_text())
            if kept["settings"] == settings:
                self.found = kept["cells"]

    def put(self, key: str, percent: float, seconds: float) -> None:
        cell = {"top1": round(percent, 2), "seconds": round(seconds, 1)}
        if self.alone:
            cell["timed_alone"] = True
        self.found[key] = cell
        print(f"{key}: {percent:.2f} % ({seconds:.1f} s)", flush=True)
        self.write()

    def write(self) -> None:
        record.write("ptq", self.settings, self.machine, self.table(), self.bars())
        document = json.loads(self.path.read_text())
        document["cells"] = self.found
        self.path.write_text(json.dumps(document, indent=1) + "\n")

    def values(self, network: str, column: str, method: str) -> list[float]:
        """Top-1 of each draw."""
        return [cell["top1"] for cell in self._cells(f"{network}/{column}/{method}/")]

    def seconds(self, network: str, method: str) -> list[float]:
        """Of the quantizations that had the machine for themselves."""
        cells = [cell for c in COLUMNS for cell in self._cells(f"{network}/{c}/{method}/")]
        return [cell["seconds"] for cell in cells if cell.get("timed_alone")]

    def _cells(self, prefix: str) -> list[dict[str, Any]]:
        return [cell for key, cell in self.found.items() if key.startswith(prefix)]

    def table(self) -> list[dict[str, str]]:
        rows = []
        for network in ("resnet20", "resnet8"):
            for method in METHODS:
                cells = {c: self._cell(network, c, method) for c in COLUMNS}
                times = self.seconds(network, method)
                text = f"{statistics.median(times):.1f}" if times else "-"
                if set(cells.values()) != {"-"}:
                    rows.append({"network": network, "method": method, **cells, "seconds": text})
        return rows

    def _cell(self, network: str, column: str, method: str) -> str:
        """Mean and half the spread of the draws."""
        found = self.values(network, column, method)
        if not found:
            return "-"
        spread = (max(found) - min(found)) / 2
        return f"{statistics.mean(found):.2f} ±{spread:.2f}" + ("" if len(found) > 2 else "*")

    def bars(self) -> dict[str, Any]:
        wanted = {
            "resnet20_w8a8_easyquant": ("W8A8", "easyquant"),
            "resnet20_w7a7_easyquant": ("W7A7", "easyquant"),
            "resnet20_w4a4_easyquant": ("W4A4", "easyquant"),
            "resnet20_w4a4_maxabs": ("W4A4", "max-abs"),
            "resnet20_w4a4_kl": ("W4A4", "kl"),
            "resnet20_w4a4_mse": ("W4A4", "mse"),
            "resnet20_w4a4_reconstruct": ("W4A4", "reconstruct"),
        }
        bars: dict[str, Any] = {}
        for name, (column, method) in wanted.items():
            if found := self.values("resnet20", column, method):
                bars[name] = round(statistics.mean(found), 2)
        if times := self.seconds("resnet20", "easyquant"):
            bars["easyquant_seconds"] = round(statistics.median(times), 1)
        return bars


def fill(cells: Cells, net: Net, column: str, draw: int, options: argparse.Namespace) -> None:
    """All methods of one network, column and draw that are still missing."""
    bits, x = COLUMNS[column], net.draw(draw, options.samples)

    def missing(*methods: str) -> Iterator[tuple[str, str]]:
        for method in methods:
            key = f"{net.name}/{column}/{method}/{draw}"
            if key not in cells.found and method in options.methods:
                yield method, key

    for method, key in missing(*SIMPLE):
        began = time.perf_counter()
        graph = simple(net, bits, method, x)
        seconds = time.perf_counter() - began
        cells.put(key, top1(graph, net.test), seconds)
    if column == "W8A8":
        for method, key in missing(*THIRD):
            cells.put(key, *onnxruntime_top1(net.model, x, net.test, method.split()[1]))
    if not list(missing(*SEARCHED)):
        return
    began = time.perf_counter()
    start = InsertQuantizers(QuantConfig(*bits, method="easyquant"), observer(x))
    found = run_passes(net.graph, [start, EasyQuant(net.graph, x)])
    searching = time.perf_counter() - began
    extra: dict[str, list[Any]] = {
        "easyquant": [AlignResiduals()],
        "easyquant + bias": [AlignResiduals(), Correct(net.graph, x, "bias")],
        "easyquant + batch-norm": [AlignResiduals(), Correct(net.graph, x, "batch-norm")],
        "reconstruct": [Reconstruct(net.graph, x, options.iterations), AlignResiduals()],
    }
    for method, key in missing(*SEARCHED):
        began = time.perf_counter()
        graph = run_passes(found, extra[method])
        seconds = searching + time.perf_counter() - began
        cells.put(key, top1(graph, net.test), seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["resnet20", "resnet8"])
    parser.add_argument("--columns", nargs="+", default=list(COLUMNS), choices=COLUMNS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--draws", type=int, default=3, help="different calibration sets")
    parser.add_argument("--samples", type=int, default=64, help="images in each")
    parser.add_argument("--images", type=int, default=10000, help="test images")
    parser.add_argument("--iterations", type=int, default=300, help="of reconstruct, a block")
    parser.add_argument("--shared", action="store_true", help="one thread, times not counted")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs found")
    options = parser.parse_args()
    if not record.DATA.is_dir():
        print(f"{record.DATA} is missing: this benchmark needs the checkpoints and CIFAR-10 images")
        return 2
    settings = {k: getattr(options, k) for k in ("samples", "images", "iterations")}
    if options.shared:
        torch.set_num_threads(1)
    cells = Cells(settings, options.fresh, alone=not options.shared)
    for draw in range(options.draws):  # every column once, then again: the mean gets better
        for name in options.networks:
            net = Net.load(name, options.images)
            for column in options.columns:
                fill(cells, net, column, draw, options)
    show(cells)
    return 0


def show(cells: Cells) -> None:
    title = f"Top-1 on {cells.settings['images']} test images, %: mean and half spread of the draws"
    table = Table(title=title, title_justify="left", show_edge=False)
    rows = cells.table()
    for column in rows[0]:
        table.add_column(column, justify="left" if column in ("network", "method") else "right")
    for row in rows:
        table.add_row(*row.values())
    console.print(table)
    console.print("* fewer than three draws; seconds: median of one quantization")
    for key, value in cells.bars().items():
        console.print(f"{key}: {value}")
    console.print(f"wrote {cells.path}")


if __name__ == "__main__":
    sys.exit(main())
