"""Simulates and synthesizes the layers of benchmarks/winograd.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from winograd_layer import LAYER, Engine, Format, convolved, frames, layer, outputs

from qcompiler.flows.bench import Bench, BenchResult, Probe
from qcompiler.flows.layout import beats_of
from qcompiler.flows.synth import FLOWS, Cells
from qcompiler.flows.yosys import run_script
from qcompiler.hardware.design import Design, make_design
from qcompiler.ir import hardware as hw

TOP = "layer"
CORE = f"{TOP}_core"
UNIT = f"{TOP}_{LAYER}"

# The part that a module belongs to, by what its name holds; a direct array is nothing but products.
PARTS = {
    "qc_pad": "line buffer",
    "qc_window": "line buffer",
    f"{UNIT}__input": "input passes",
    f"{UNIT}__output": "output passes",
    "qc_downsize": "turns",  # lanes that take turns in the passes are split and joined again
    "qc_upsize": "turns",
    "qc_replay": "replay",
    "qc_tile_raster": "raster",
    UNIT: "products",
}
TRANSFORMS = ("input passes", "output passes", "turns")
MEMORIES = ("replay", "raster")


@dataclass(frozen=True)
class Simulated:
    """What the simulations of one layer showed.

    Args:
        mismatches: Wrong beats, protocol faults and hangs: the first of each stream and run.
        frames: Frames of one run.
        cycles: Cycles from frame to frame without stalls.
        rate: What the engine says they are.
        multiplications: For an output: beats that entered the multipliers, times multipliers.
        explained: The first fault in words.
    """

    mismatches: int
    frames: int
    cycles: int
    rate: int
    multiplications: float
    explained: str


def simulate(form: Format, engine: Engine, size: int, folder: Path) -> Simulated:
    """The layer against direct convolution, bit by bit: at full rate, then stalled at both ends."""
    graph = layer(form, engine, size)
    design = make_design(graph, TOP)
    write(design, folder)
    x, y, window = graph.type("x"), graph.type(LAYER), graph.type("window")
    # What goes into the multipliers: the line buffer's windows, or V as Winograd replays it.
    path, width = "dut.window", window.width
    op = graph.op(LAYER)
    if isinstance(op, hw.Winograd):
        plan = op.plan(x.elem)
        path, width = f"dut.u_{LAYER}.replay", plan.simd * plan.data.bits
    bench = Bench.build(
        dut=CORE,
        sources=[folder / name for name in design.sources if name != f"{TOP}.v"],
        inputs={"s_axis": x.width},
        outputs={"m_axis": y.width},
        probes=[Probe("operands", path, width)],
        files={name: text for name, text in design.files.items() if name.startswith("mem/")},
        build_dir=folder / "sim",
    )
    codes = frames(form, size)
    given = {"s_axis": beats_of(codes, x)}
    wanted = {"m_axis": beats_of(convolved(form, codes), y), "operands": op.rate * len(codes)}
    free = bench.run(given, wanted)
    stalled = bench.run(given, wanted, source_stall=0.5, sink_stall=0.5, seed=2)
    runs = [free, stalled]
    ends = np.diff(free.frame_ends.get("m_axis", []))[1:]  # the first frame finds all empty
    beats = free.streams["operands"].accepted
    return Simulated(
        sum(map(faults, runs)),
        len(codes),
        int(ends.max(initial=0)),
        op.rate,
        beats * engine.multipliers / outputs(size) / len(codes),
        next((run.explain() for run in runs if not run.ok), ""),
    )


def faults(run: BenchResult) -> int:
    return len(run.faults) + int(run.hang)


@dataclass(frozen=True)
class Synthesized:
    """Cells of a layer, by part and in total."""

    parts: dict[str, Cells] = field(repr=False)

    @property
    def total(self) -> Cells:
        return sum(self.parts.values(), Cells())

    def of(self, *names: str) -> Cells:
        return sum((self.parts.get(name, Cells()) for name in names), Cells())


class Synthesis:
    """Synthesizes layers; one whose files are the same as before is not synthesized again."""

    def __init__(self) -> None:
        self._found: dict[str, Synthesized] = {}

    def run(
        self, form: Format, engine: Engine, size: int, family: str, folder: Path
    ) -> Synthesized:
        design = make_design(layer(form, engine, size), TOP)
        text = json.dumps([family, sorted(design.files.items())])
        key = hashlib.sha256(text.encode()).hexdigest()
        if key not in self._found:
            write(design, folder)
            self._found[key] = _synthesize(design, family, folder)
        return self._found[key]


def write(design: Design, folder: Path) -> None:
    for name, text in design.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _synthesize(design: Design, family: str, folder: Path) -> Synthesized:
    """The core with the borders of its parts kept, so that the parts add up to the whole."""
    inner = f" {UNIT}/u_*" if f"{UNIT}__products.v" in design.files else ""
    commands = [
        *(f'read_verilog "{name}"' for name in design.sources if name != f"{TOP}.v"),
        f"hierarchy -check -top {CORE}",
        f"setattr -set keep_hierarchy 1 {CORE}/u_*{inner}",
        FLOWS[family].format(top=CORE),
        f"tee -q -o synth/{family}/stat.json stat -json",
    ]
    run_script("\n".join(commands) + "\n", cwd=folder, folder=f"synth/{family}")
    modules = json.loads((folder / "synth" / family / "stat.json").read_text())["modules"]
    types = {
        name: module["num_cells_by_type"] | module.get("num_submodules_by_type", {})
        for name, module in modules.items()
    }
    top = next(name for name in types if name.removeprefix("\\") == CORE)
    parts: dict[str, Cells] = {}
    _add(top, types, family, parts)
    return Synthesized(parts)


def _add(
    module: str, types: Mapping[str, Mapping[str, int]], family: str, parts: dict[str, Cells]
) -> None:
    """Count the cells of a module and, one by one, of the instances below it."""
    own = Cells.count(types[module], family)
    if own != Cells():
        part = next(part for name, part in PARTS.items() if name in module)
        parts[part] = parts.get(part, Cells()) + own
    for name, count in types[module].items():
        below = name if name in types else f"\\{name}"
        for _ in range(count if below in types else 0):
            _add(below, types, family, parts)
