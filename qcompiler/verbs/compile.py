"""The verb ``compile``: a quantized graph to Verilog, memories, manifest and cost table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from qcompiler import __version__
from qcompiler.errors import QCompilerError
from qcompiler.estimate.array import array_lut
from qcompiler.estimate.devices import Device, device
from qcompiler.estimate.report import Report
from qcompiler.estimate.report import estimate as estimate_graph
from qcompiler.folders import check_target, new_folder
from qcompiler.frontend.names import KEYWORDS
from qcompiler.hardware.design import make_design, stream_facts
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.store import read_graph, write_graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.fold import FoldingSpace, bottleneck
from qcompiler.passes.folding import LutModel
from qcompiler.passes.integerize import Integerize, RequantReport
from qcompiler.passes.pipeline import CONNECT, TO_HARDWARE
from qcompiler.progress import QUIET, Progress
from qcompiler.resources import RTL

MARKER = "manifest.json"
DEFAULT_SHARE = 0.5  # of the device's LUT, where neither a rate nor a budget is asked for
FOLD = "fold"
PASSES = (Integerize.name, *(p.name for p in TO_HARDWARE), FOLD, *(p.name for p in CONNECT))
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
    """

    device: str = "ecp5-85k"
    fps: float | None = None
    lut: int | None = None
    clock_mhz: float | None = None
    requant: str = "auto"
    top: str = "qc_top"

    def __post_init__(self) -> None:
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
    """

    integer: Graph
    hardware: Graph
    report: Report
    requantizers: list[RequantReport] = field(repr=False)
    limit: str
    clock_mhz: float

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
        QCompilerError: Also if the frame rate cannot be reached: the message says how far it got
            and which module bounds it. Nothing is written then.
    """
    target = target or Target()
    chip = device(target.device)
    if out is not None:
        check_target(out, MARKER)
    graph = network if isinstance(network, Graph) else read_graph(network)
    if graph.dialect != "nn":
        raise QCompilerError(
            f"a quantized nn graph was expected, this is {graph.dialect}",
            hint="compile the folder that `qcompiler quantize -o` wrote",
        )
    progress.begin("compiling", 4)
    integerize = Integerize(target.requant)
    integer = run_passes(graph, [integerize, *TO_HARDWARE[:-1]], after=after)
    progress.advance()
    lowered = run_passes(integer, TO_HARDWARE[-1:], after=after)
    clock = target.clock_mhz or chip.clock_mhz
    space = FoldingSpace(lowered, lut_model(chip))
    progress.advance()
    folded, limit = _solve(space, target, chip, clock)
    if after is not None:
        after(FOLD, folded)
    hardware = run_passes(folded, CONNECT, after=after)
    report = estimate_graph(hardware, chip)
    progress.advance()
    result = Compiled(integer, hardware, report, integerize.reports, limit, clock)
    if out is not None:
        write_build(result, target, chip, out)
    progress.end()
    return result


def lut_model(chip: Device) -> Callable[[hw.BitSerialArray, hw.StreamType], LutModel]:
    """What an array's foldings cost on a device."""

    def of(op: hw.BitSerialArray, x: hw.StreamType) -> LutModel:
        def lut(pe: int, simd: int, planes: int) -> float:
            return array_lut(pe, simd, planes, x.elem.bits, op.acc.bits, chip.family)

        return lut

    return of


def _solve(space: FoldingSpace, target: Target, chip: Device, clock: float) -> tuple[Graph, str]:
    """Fold for the rate, or for the budget; and what bounds the result."""
    if target.fps is not None:
        wanted = int(clock * 1e6 / target.fps)
        slowest = space.bounds()[0]
        if slowest.cycles > wanted:
            best = clock * 1e6 / slowest.cycles
            reachable = int(best) or f"{0.99 * best:.3g}"
            raise QCompilerError(
                f"{target.fps:g} frames/s at {clock:g} MHz leave {wanted} cycles a frame, but "
                f"{slowest.node} takes {slowest.cycles} when fully unfolded: at most {best:.1f} "
                "frames/s",
                where=slowest.node,
                hint=f"ask for --fps {reachable}, raise --clock, or shrink that layer",
            )
        folded = space.balanced(wanted)
        name, cycles = bottleneck(folded)
        return folded, (
            f"the rate asked for ({wanted} cycles a frame); slowest module: {name}, {cycles} cycles"
        )
    budget = target.lut or int(chip.luts * DEFAULT_SHARE)

    def price(graph: Graph) -> float:
        return estimate_graph(run_passes(graph, CONNECT), chip).total.lut

    found = space.within(budget, price)
    if found is None:
        least = price(space.balanced(space.slowest()))
        raise QCompilerError(
            f"the smallest folding takes about {least:.0f} LUT, the budget is {budget}",
            hint="raise --lut or name a larger --target",
        )
    name, cycles = bottleneck(found)
    floor = space.bounds()[0]
    if cycles == floor.cycles:
        return found, f"{floor.node}: {cycles} cycles a frame even when fully unfolded"
    return found, f"the budget of {budget} LUT; slowest module: {name}, {cycles} cycles"


def write_build(result: Compiled, target: Target, chip: Device, out: Path) -> None:
    """Write the build folder, whole or not at all."""
    design = make_design(result.hardware, target.top)
    name, cycles = bottleneck(result.hardware)
    manifest: dict[str, Any] = {
        "format": 1,
        "generator": f"qcompiler {__version__}",
        "top": target.top,
        "target": asdict(target) | {"clock_mhz": result.clock_mhz},
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
