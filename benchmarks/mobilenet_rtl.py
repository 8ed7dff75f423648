"""MobileNets in simulation: MobileNet-v2 and v3-small as bench-profit trained them, and MLPerf
Tiny's MobileNetV1-0.25 for Visual Wake Words (96x96), quantized after training at 8 and 4 bits.

Usage: make bench-mobilenet-rtl. Needs ../shared/data and the networks of make bench-profit in
build/profit. Every stream is compared with the integer reference, bit by bit; figures are in
benchmarks/results/mobilenet_rtl.json as soon as a network is done.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import record
from cells import Cells
from profit import Cell, float_folder, folder_of
from rich.console import Console

from qcompiler.errors import VerificationError
from qcompiler.ir.graph import Graph
from qcompiler.ir.store import read_graph
from qcompiler.models.mobilenet_v1 import load_vww
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.quant.config import QuantConfig
from qcompiler.reference.differences import code_differences, total
from qcompiler.report.progress import Bars
from qcompiler.verbs.compile import Target
from qcompiler.verbs.compile import compile as compile_network
from qcompiler.verbs.quantize import quantize
from qcompiler.verbs.verify import Stall, verify

Array = np.ndarray[Any, Any]
console = Console(soft_wrap=True, width=140)
ROOT = Path("build/mobilenet_rtl")
STALLED = (Stall(0, 0), Stall(0.3, 0), Stall(0, 0.3))


@dataclass(frozen=True, eq=False)
class Network:
    """A quantized network, inputs as it takes them, and the runs of the simulation."""

    graph: Graph
    images: Array
    stalls: Sequence[Stall]
    extremes: bool


def trained(cell: Cell, options: argparse.Namespace) -> Network:
    """A network of bench-profit, with three test images."""
    folder = folder_of(cell, options.float_epochs, options.epochs)
    if not (folder / "net.qc").is_dir():
        raise SystemExit(f"{folder}/net.qc is missing: make bench-profit trains it")
    samples = float_folder(cell.network, options.float_epochs) / "calibration.npz"
    images = np.load(samples)["images"][:3]
    return Network(read_graph(folder / "net.qc"), images, STALLED, extremes=True)


def visual_wake_words(bits: int) -> Network:
    """The 96x96 network; there are no images of its own, CIFAR-10's enlarged set the ranges."""
    pixels = np.load(record.DATA / "cifar10_calib_1k.npz")["images"][:64]
    large = pixels.repeat(3, axis=1).repeat(3, axis=2).transpose(0, 3, 1, 2)
    images = (large / 255).astype(np.float32)
    config = QuantConfig(weights=bits, activations=bits, method="mse")
    graph = quantize(load_vww(record.DATA), images, config).graph
    return Network(graph, images[:5], (), False)  # the third may not be at the final distance yet


def run(name: str, network: Network, options: argparse.Namespace) -> dict[str, Any]:
    """Compile, simulate, compare."""
    out = ROOT / name
    target = Target(options.device, lut=options.lut)
    with Bars() as bars:
        compiled = compile_network(network.graph, target, out=out, progress=bars)
        began = time.perf_counter()
        mismatches, simulated = 0, None
        try:
            simulated = verify(
                out,
                network.images,
                stalls=network.stalls or (Stall(0, 0),),
                extremes=network.extremes,
                progress=bars,
            )
        except VerificationError as error:
            mismatches = 1  # the simulation stops at the first
            console.print(f"[red]{error}[/red]")
        seconds = time.perf_counter() - began
    cost = compiled.report.total
    figures = {
        "mismatches": mismatches,
        "cycles_estimated": compiled.report.cycles,
        "lut": round(cost.lut),
        "ff": round(cost.ff),
        "bram": cost.bram,
        "dsp": cost.dsp,
        "code_differences_exact": differing(network),
        "verify_seconds": round(seconds, 1),
    }
    if simulated is not None:
        figures |= {
            "cycles_per_frame": simulated.cycles_per_frame,
            "latency": simulated.latency,
            "frames": simulated.frames,
            "runs": len(network.stalls) or 1,
            "beats_compared": simulated.beats,
            "simulator_seconds": round(simulated.seconds, 1),
            "cycles": simulated.cycles,
        }
    return figures


def differing(network: Network) -> int:
    """Codes of the exact integer graph that the fake-quantized network in float64 has otherwise."""
    exact = Integerize("exact")
    integers = run_passes(network.graph, [exact])
    return total(
        code_differences(network.graph, integers, exact.carriers, network.images)
    ).differing


def bars(cells: Cells) -> dict[str, Any]:
    """The tracked figures."""
    out: dict[str, Any] = {}
    for kind in ("v2", "v3", "vww"):
        if found := [c for name, c in cells.found.items() if name.startswith(kind)]:
            out[f"{kind}_mismatches"] = sum(c["mismatches"] for c in found)
    if wakes := [c for name, c in cells.found.items() if name.startswith("vww")]:
        # the build, and one frame of those simulated
        out["vww_frame_seconds"] = round(max(_frame_seconds(c) for c in wakes), 1)
    if cells.found:
        out["fakequant_code_differences_exact"] = sum(
            c["code_differences_exact"] for c in cells.found.values()
        )
    return out


def _frame_seconds(figures: dict[str, Any]) -> float:
    running = float(figures["simulator_seconds"])
    return float(figures["verify_seconds"]) - running + running / int(figures["frames"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="xc7a200t")
    parser.add_argument("--lut", type=int, default=60000)
    parser.add_argument("--float-epochs", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=8, help="of bench-profit's networks")
    parser.add_argument("--only", nargs="*", help="v2_w4a4, v3_w4a4, vww_w8a8, vww_w4a4")
    options = parser.parse_args()
    if not record.DATA.is_dir():
        print(f"{record.DATA} is missing: this benchmark needs its images and checkpoints")
        return 2
    what = ("device", "lut", "float_epochs", "epochs")
    v2, v3 = (Cell(network, 4, "profit") for network in ("v2", "v3"))
    settings = {k: getattr(options, k) for k in what} | {"recipe": v2.recipe}
    cells = Cells("mobilenet_rtl", settings, bars)
    networks: dict[str, Callable[[], Network]] = {
        "v2_w4a4": lambda: trained(v2, options),
        "v3_w4a4": lambda: trained(v3, options),
        "vww_w8a8": lambda: visual_wake_words(8),
        "vww_w4a4": lambda: visual_wake_words(4),
    }
    for name, make in networks.items():
        if name not in cells.found and name in (options.only or networks):
            cells.put(name, run(name, make(), options))
    for key, value in bars(cells).items():
        console.print(f"{key}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
