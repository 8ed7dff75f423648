"""The verb ``compile``: a quantized graph to Verilog, memories, manifest and cost table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from qcompiler import __version__
from qcompiler.errors import QCompilerError
from qcompiler.estimate.devices import Device, device
from qcompiler.estimate.engines import module_price
from qcompiler.estimate.report import Report
from qcompiler.estimate.report import estimate as estimate_graph
from qcompiler.folders import check_target, new_folder
from qcompiler.frontend.names import KEYWORDS
from qcompiler.hardware.design import make_design, stream_facts
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.rates import bottleneck
from qcompiler.ir.store import read_graph, write_graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.engines import check_engines
from qcompiler.passes.fold import FoldingSpace
from qcompiler.passes.integerize import Integerize, RequantReport
from qcompiler.passes.pipeline import CONNECT, TO_HARDWARE, connecting
from qcompiler.passes.pipelining import BALANCED, check_level
from qcompiler.passes.winograd import UseWinograd
from qcompiler.progress import QUIET, Progress
from qcompiler.resources import RTL
from qcompiler.verbs.auto_engine import Aim, decide_engines, lower
from qcompiler.verbs.goal import solve

MARKER = "manifest.json"
FOLD = "fold"
_MIDDLE = (UseWinograd.name, *(p.name for p in TO_HARDWARE))
PASSES = (Integerize.name, *_MIDDLE, FOLD, *(p.name for p in CONNECT))
"""The names that ``after`` is called with, in order."""
Dump = Callable[[str, Graph], None]


@dataclass(frozen=True)
class Target:
    """What the hardware has to reach.

    Args:
        device: Name of a device (:mod:`qcompiler.estimate.devices`).
        fps: Frames per second; None to use up ``lut`` instead.
        lut: LUT budget; None with ``fps`` None takes half of the device.
        clock_mhz: Clock, MHz; None takes the device's usual one.
        requant: ``auto``, ``exact`` or ``scale``.
        top: Name of the top module.
        engines: Engine by layer (qcompiler/passes/engines.py); ``default`` is for the others.
        partial_bits: Width of the partial sums of products in engines of multipliers, such as 16;
            None adds up in full width.
        oversize: Build also what the device's block RAM does not hold, to simulate it.
        pipeline: How many registers cut the paths (qcompiler/passes/pipelining.py).
    """

    device: str = "ecp5-85k"
    fps: float | None = None
    lut: int | None = None
    clock_mhz: float | None = None
    requant: str = "auto"
    top: str = "qc_top"
    engines: Mapping[str, str] = field(default_factory=dict)
    partial_bits: int | None = None
    oversize: bool = False
    pipeline: str = BALANCED

    def __post_init__(self) -> None:
        check_engines(self.engines)
        check_level(self.pipeline)
        if self.partial_bits is not None and not 2 <= self.partial_bits <= 48:
            raise QCompilerError(f"partial sums of {self.partial_bits} bits are outside [2, 48]")
        for name in ("fps", "lut", "clock_mhz"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise QCompilerError(f"{name} is {value}, a positive number was expected")
        if self.fps is not None and self.lut is not None:
            raise QCompilerError("give either a frame rate or a LUT budget, not both")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.top):
            raise QCompilerError(
                f"{self.top!r} is not a module name", hint="use lower-case letters, digits and _"
            )
        if self.top in KEYWORDS or (RTL / f"{self.top}.v").is_file():
            raise QCompilerError(
                f"the module name {self.top} is a Verilog keyword or a library module",
                hint="give another one with --top",
            )


@dataclass(frozen=True, eq=False)
class Compiled:
    """The result of compilation.

    Args:
        integer: The integer graph, with explicit padding: what the hardware must equal.
        hardware: The folded hardware graph.
        report: Cost and cycles per node, and in total.
        requantizers: What each requantizer became.
        limit: What bounds the frame rate, one sentence.
        clock_mhz: Clock that rates refer to.
        advice: What to do where the device has too little of something, else empty.
    """

    integer: Graph
    hardware: Graph
    report: Report
    requantizers: list[RequantReport] = field(repr=False)
    limit: str
    clock_mhz: float
    advice: str = ""

    @classmethod
    def of(cls, integer: Graph, hardware: Graph, chip: Device) -> Compiled:
        """A result for a graph that was folded by hand."""
        report = estimate_graph(hardware, chip)
        return cls(integer, hardware, report, [], "the folding given", chip.clock_mhz)


def compile(
    network: Path | Graph,
    target: Target | None = None,
    *,
    out: Path | None = None,
    after: Dump | None = None,
    progress: Progress = QUIET,
) -> Compiled:
    """Compile a quantized network to hardware.

    Args:
        network: A folder that ``quantize`` wrote, or its graph.
        out: Folder for the Verilog; nothing is written if None.
        after: Called with the name and result of every pass.

    Raises:
        QCompilerError: Also if the frame rate cannot be reached, nothing has room in the budget, or
            the device's block RAM does not hold the weights and buffers: the message says how far
            it got and what bounds it. Nothing is written then.
    """
    target = target or Target()
    chip = device(target.device)
    if out is not None:
        check_target(out, MARKER)
    graph = network if isinstance(network, Graph) else read_graph(network)
    check_quantized(graph, "" if isinstance(network, Graph) else str(network))
    progress.begin("compiling", 4)
    integerize = Integerize(target.requant)
    integer = run_passes(graph, [integerize], after=after)
    progress.advance()
    clock = target.clock_mhz or chip.clock_mhz
    aim = Aim(chip, clock, target.fps, target.lut, target.partial_bits, target.pipeline)
    engines = decide_engines(integer, target.engines, aim, progress)
    integer, lowered = lower(integer, engines, after)
    space = FoldingSpace(lowered, module_price(chip.family), level=target.pipeline)
    progress.advance()
    solution = solve(space, chip, clock, fps=target.fps, lut=target.lut)
    if after is not None:
        after(FOLD, solution.graph)
    hardware = run_passes(solution.graph, connecting(target.pipeline), after=after)
    report = estimate_graph(hardware, chip)
    progress.advance()
    if not target.oversize:
        solution.check_block_ram(report)
    advice = solution.advice(report)
    result = Compiled(integer, hardware, report, integerize.reports, solution.limit, clock, advice)
    if out is not None:
        write_build(result, target, chip, out)
    progress.end()
    return result


def check_quantized(graph: Graph, where: str) -> None:
    """Raise QCompilerError for a graph of another dialect than ``quantize`` writes."""
    if graph.dialect != "nn":
        raise QCompilerError(
            f"a quantized nn graph was expected, this is {graph.dialect}",
            where=where,
            hint="name the folder that `qcompiler quantize -o` wrote",
        )


def write_build(result: Compiled, target: Target, chip: Device, out: Path) -> None:
    """Write the build folder, whole or not at all."""
    design = make_design(result.hardware, target.top)
    graph, (name, cycles) = result.hardware, bottleneck(result.hardware)
    manifest: dict[str, Any] = {
        "format": 1,
        "generator": f"qcompiler {__version__}",
        "top": target.top,
        "target": asdict(replace(target, device=chip.reference, engines=dict(target.engines)))
        | {"clock_mhz": result.clock_mhz, "clock_given": target.clock_mhz is not None},
        "engines": {n: graph.op(n).title for n in graph.find(hw.Engine)},
        "family": chip.family,
        "cycles_per_frame": cycles,
        "slowest": name,
        "limit": result.limit,
        "sources": design.sources,
        "memories": sorted(path for path in design.files if path.startswith("mem/")),
        "streams": stream_facts(result.hardware),
        "ports": {
            "s_axis": _port(result.hardware, result.hardware.only(hw.Source)),
            "m_axis": _port(result.hardware, result.hardware.only(hw.Sink)),
        },
        "requantizers": [asdict(r) for r in result.requantizers],
    }
    with new_folder(out, MARKER) as folder:
        for path, text in design.files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        for dialect, graph in (("integer", result.integer), ("hardware", result.hardware)):
            (folder / dialect).mkdir()
            write_graph(graph, folder / dialect)
        (folder / "cost.csv").write_text(cost_csv(result.report))
        (folder / MARKER).write_text(json.dumps(manifest, indent=1) + "\n")


def cost_csv(report: Report) -> str:
    """The cost table: estimate of each module and the total, one line each."""
    lines = ["module,op,cycles_per_frame,lut,ff,bram,dsp,memory_bits"]
    rows = [(r.node, r.kind, r.cycles, r.cost) for r in report.rows]
    for node, kind, cycles, cost in [*rows, ("total", "", report.cycles, report.total)]:
        figures = f"{cost.lut:.0f},{cost.ff:.0f},{cost.bram},{cost.dsp},{cost.memory_bits}"
        lines.append(f"{node},{kind},{cycles},{figures}")
    return "\n".join(lines) + "\n"


def _port(graph: Graph, node: str) -> dict[str, Any]:
    stream = graph.type(node)
    padded = -(-stream.elem.bits // 8) * 8
    return {
        "tensor": stream.tensor,
        "shape": list(stream.shape),
        "elem": str(stream.elem),
        "lanes": stream.lanes,
        "bits": stream.elem.bits,
        "padded_bits": padded,
        "beats_per_frame": stream.beats,
    }
