"""ResNet-8 and ResNet-20 on CIFAR-10: float, integer, RTL; speeds of reference and simulation.

Usage: make bench-cifar. Needs the checkpoints and images of ../shared/data.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import record
import torch
from plain_harness import plain_speed
from rich.console import Console
from rich.table import Table

from qcompiler.errors import VerificationError
from qcompiler.models.data import Split, cifar_calibration, cifar_test, raw_pixels, resnet20_pixels
from qcompiler.models.resnet8 import load_resnet8
from qcompiler.models.resnet_cifar import load_resnet20
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.quant.config import LayerBits, QuantConfig
from qcompiler.reference.integer import IntegerReference
from qcompiler.report.progress import Bars
from qcompiler.verbs.compile import Target
from qcompiler.verbs.compile import compile as compile_network
from qcompiler.verbs.quantize import Quantized, quantize
from qcompiler.verbs.verify import verify

console = Console(soft_wrap=True, width=120)


@dataclass(frozen=True)
class Case:
    """One network: how to load it, its pixels, and the frame rate to compile for."""

    name: str
    load: Callable[[Path], torch.nn.Module]
    checkpoint: str
    pixels: Callable[[Any], torch.Tensor]
    fps: float


RESNET8 = "mlperf_tiny_resnet8_cifar10.npz"
RESNET20 = "cifar10_resnet20_akamaster.npz"
CASES = [
    Case("resnet8", load_resnet8, RESNET8, raw_pixels, 500),
    Case("resnet20", load_resnet20, RESNET20, resnet20_pixels, 400),
]


def mixed(graph_layers: list[str]) -> QuantConfig:
    """4, 6 and 8 bits: ends at 8, the first half of the rest at 6, the second half at 4."""
    inner = graph_layers[1:-1]
    layers = {graph_layers[0]: LayerBits(8, 8), graph_layers[-1]: LayerBits(8, 8)}
    for k, layer in enumerate(inner):
        layers[layer] = LayerBits(6, 6) if k < len(inner) // 2 else LayerBits(4, 6)
    return QuantConfig(weights=4, activations=6, layers=layers)


def accuracy(reference: IntegerReference, test: Split) -> float:
    """Top-1 of the integer graph."""
    right = 0
    for start in range(0, len(test), 128):
        images = test.images[start : start + 128].numpy()
        logits = reference.decode(reference(reference.encode(images)))
        right += int((logits.argmax(1) == test.labels[start : start + 128].numpy()).sum())
    return right / len(test)


def float_accuracy(model: torch.nn.Module, test: Split) -> float:
    with torch.inference_mode():
        logits = torch.cat([model(test.images[k : k + 128]) for k in range(0, len(test), 128)])
    return test.accuracy(logits)


def reference_of(quantized: Quantized) -> IntegerReference:
    return IntegerReference(run_passes(quantized.graph, [Integerize()]))


def speed_ratio(
    reference: IntegerReference, model: torch.nn.Module, images: torch.Tensor, rounds: int
) -> tuple[float, float, float]:
    """Images per second of the reference and of torch float32, in turns, and the median ratio."""
    codes = torch.from_numpy(reference.encode(images.numpy())).float()
    pairs = []
    for turn in range(rounds + 1):
        start = time.perf_counter()
        with torch.inference_mode():
            model(images)
        middle = time.perf_counter()
        reference(codes)
        end = time.perf_counter()
        if turn:  # the first round warms up
            pairs.append((len(images) / (end - middle), len(images) / (middle - start)))
    ratios = sorted(ours / theirs for ours, theirs in pairs)
    best = [max(p[k] for p in pairs) for k in (0, 1)]
    return best[0], best[1], ratios[len(ratios) // 2]


def run_rtl(case: Case, quantized: Quantized, images: Any, folder: Path) -> dict[str, Any]:
    """Compile and simulate; raises VerificationError at the first difference."""
    build = folder / f"{case.name}_build"
    compiled = compile_network(
        quantized.graph, Target(fps=case.fps, top=case.name, oversize=True), out=build
    )
    with Bars() as bars:
        checked = verify(build, images, extremes=False, progress=bars)
    if len(images) > 1 and checked.cycles_per_frame != compiled.report.cycles:
        console.print(f"{case.name}: {compiled.report.cycles} cycles a frame were estimated")
    return {
        "build": build,
        "compiled": compiled,
        "verified": checked,
        "kcycles_per_s": checked.cycles / checked.seconds / 1000,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000, help="test images for top-1")
    parser.add_argument("--frames", type=int, default=2, help="images to simulate")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of the speed comparison")
    parser.add_argument("--skip-rtl", action="store_true")
    options = parser.parse_args()
    if not record.DATA.is_dir():
        print(f"{record.DATA} is missing: this benchmark needs the checkpoints and CIFAR-10 images")
        return 2
    host = record.machine()
    torch.manual_seed(0)
    rows: list[dict[str, Any]] = []
    bars: dict[str, Any] = {"rtl_mismatches": 0}
    with tempfile.TemporaryDirectory() as scratch:
        for case in CASES:
            bench_case(case, options, Path(scratch), rows, bars)
    title = f"CIFAR-10, top-1 on {options.images} test images"
    table = Table(title=title, title_justify="left", show_edge=False)
    for column in rows[0]:
        table.add_column(column, justify="left" if column == "network" else "right")
    for row in rows:
        table.add_row(*(str(v) for v in row.values()))
    console.print(table)
    for key, value in bars.items():
        console.print(f"{key}: {value}")
    settings = {"images": options.images, "frames": options.frames, "calibration": 256}
    if not options.skip_rtl:
        console.print(f"wrote {record.write('cifar', settings, host, rows, bars)}")
    return 0


def bench_case(
    case: Case, options: argparse.Namespace, folder: Path, rows: list[Any], bars: dict[str, Any]
) -> None:
    model = case.load(record.DATA / case.checkpoint).eval()
    test = cifar_test(record.DATA, case.pixels)
    test = Split(test.images[: options.images], test.labels[: options.images])
    calibration = cifar_calibration(record.DATA, case.pixels).images[:256].numpy()
    top1 = float_accuracy(model, test)
    bars[f"{case.name}_top1_float"] = round(100 * top1, 2)
    eight = quantize(model, calibration, QuantConfig())
    settings = {"int8": eight}
    config = mixed([row.layer for row in eight.layers])
    settings["mixed 4/6/8"] = quantize(model, calibration, config)
    for name, quantized in settings.items():
        reference = reference_of(quantized)
        integer = accuracy(reference, test)
        if name == "int8":
            bars[f"{case.name}_top1_int8"] = round(100 * integer, 2)
        row: dict[str, Any] = {
            "network": f"{case.name} {name}",
            "float %": f"{100 * top1:.2f}",
            "integer %": f"{100 * integer:.2f}",
        }
        row |= dict.fromkeys(("frames", "cycles/frame", "LUT est.", "BRAM est.", "kcycles/s"), "-")
        rtl = None
        if not options.skip_rtl:
            images = test.images[: options.frames].numpy()
            try:
                rtl = run_rtl(case, quantized, images, folder / name[:4])
            except VerificationError as error:
                bars["rtl_mismatches"] += 1
                console.print(f"{error}")
        if rtl is not None:
            checked, report = rtl["verified"], rtl["compiled"].report
            row |= {
                "frames": checked.frames,
                "cycles/frame": f"{checked.cycles_per_frame:,}",
                "LUT est.": f"{report.total.lut:,.0f}",
                "BRAM est.": report.total.bram,
                "kcycles/s": f"{rtl['kcycles_per_s']:.0f}",
            }
            if case.name == "resnet8" and name == "int8":
                bars["sim_kcycles_per_s"] = round(rtl["kcycles_per_s"], 1)
                few = verify(rtl["build"], images, extremes=False, every_stream=False)
                bars["sim_tensors_only_kcycles_per_s"] = round(few.cycles / few.seconds / 1000, 1)
                codes = reference.encode(test.images[: options.frames].numpy())
                plain = plain_speed(rtl["build"], codes)
                bars["plain_cpp_kcycles_per_s"] = round(plain, 1)
                bars["sim_over_plain_cpp"] = round(rtl["kcycles_per_s"] / plain, 3)
        rows.append(row)
        console.print(row)
    if case.name == "resnet20":
        four = quantize(model, calibration, QuantConfig(weights=4, activations=4))
        ours, theirs, ratio = speed_ratio(
            reference_of(four), model, test.images[:128], options.rounds
        )
        bars["reference_images_per_s"] = round(ours, 1)
        bars["torch_float32_images_per_s"] = round(theirs, 1)
        bars["reference_speed_over_torch"] = round(ratio, 3)


if __name__ == "__main__":
    sys.exit(main())
