"""The layers of benchmarks/hardwired.py: as integers, through da4ml, and through the compiler."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from da4ml.codegen import VerilogModel
from da4ml.trace import FixedVariableArrayInput, comb_trace

from qcompiler.estimate.engines import module_price
from qcompiler.flows.bench import Bench
from qcompiler.flows.layout import beats_of
from qcompiler.flows.synth import FLOWS, Cells
from qcompiler.flows.yosys import run_script
from qcompiler.hardware.design import make_design
from qcompiler.ir import hardware as hw
from qcompiler.ir import integer
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.types import IntType
from qcompiler.passes.base import run_passes
from qcompiler.passes.engines import Engines
from qcompiler.passes.fold import FoldingSpace
from qcompiler.passes.pipeline import CONNECT
from qcompiler.verbs.auto_engine import lower

Array = np.ndarray[Any, Any]
CODES = IntType(0, 63)  # of activations between layers
CUTOFF = 5
SHIFT = 6  # bits that a requantizer drops, rounding half up


@dataclass(frozen=True)
class Net:
    """Fully connected layers of ``sizes``, weights in ±top, ReLU and 6-bit codes between them."""

    title: str
    sizes: tuple[int, ...]
    top: int
    codes: IntType
    seed: int = 0

    def weights(self) -> list[Array]:
        """int64 (outputs, inputs) of each layer."""
        rng = np.random.default_rng(self.seed)
        return [rng.integers(-self.top, self.top + 1, (m, n)) for n, m in pairwise(self.sizes)]

    def inputs(self, count: int) -> Array:
        """Frames (count, inputs): random ones, then both ends."""
        rng = np.random.default_rng(self.seed + 1)
        x = rng.integers(self.codes.lo, self.codes.hi + 1, (count, self.sizes[0]))
        x[-2], x[-1] = self.codes.lo, self.codes.hi
        return x

    def outputs(self, x: Array) -> Array:
        """The results by numpy."""
        *inner, last = self.weights()
        for w in inner:
            x = np.clip((x @ w.T + (1 << SHIFT - 1)) >> SHIFT, CODES.lo, CODES.hi)
        return x @ last.T

    def graph(self) -> Graph:
        """As an integer graph."""
        graph, (*inner, last) = Graph("integer"), self.weights()
        value: Value = graph.add("x", integer.Input((self.sizes[0], 1, 1), self.codes, 1.0))
        for k, w in enumerate(inner):
            value = graph.add(f"fc{k}", integer.Conv(w[:, :, None, None]), [value])
            one = np.ones(len(w), np.int64)
            code = integer.ScaleShift(one, one << SHIFT - 1, SHIFT, CODES, CODES)
            value = graph.add(f"fc{k}_codes", code, [value])
        value = graph.add("last", integer.Conv(last[:, :, None, None]), [value])
        graph.add("y", integer.Output((self.sizes[-1],), 1.0), [value])
        return graph

    def compiled(self, kind: str, cycles: int, family: str) -> Graph:
        """Through the compiler, every layer by one engine, at most so many cycles a frame."""
        graph = self.graph()
        engines = Engines(dict.fromkeys(graph.find(integer.Conv), kind))
        space = FoldingSpace(lower(graph, engines)[1], module_price(family))
        return run_passes(space.fold(cycles), CONNECT)

    def parallel(self, digit: int) -> Graph:
        """One hard-wired layer, all its inputs in a beat and all results in a beat."""
        (w,) = self.weights()
        conv = integer.Conv(w[:, :, None, None])
        lo, hi = conv.channel_range(self.codes)
        acc = IntType(int(lo.min()), int(hi.max()))
        op = hw.Hardwired("y", conv.weight, (len(w), 1, 1), acc, len(w), w.shape[1], digit)
        graph = Graph("hardware")
        graph.add("x", hw.Source("x", (w.shape[1], 1, 1), self.codes, w.shape[1]))
        window = op.fed_by(hw.Window(reshape=(w.shape[1], 1, 1)))
        graph.add("window", window, ["x"])
        graph.add("last", op, ["window"])
        graph.add("end", hw.Sink(lanes=len(w)), ["last"])
        return graph


def da4ml_solution(net: Net) -> Any:
    """da4ml's combinational function of the whole net."""
    (*inner, last), count = net.weights(), net.sizes[0]
    bits, signed = net.codes.bits - net.codes.signed, int(net.codes.signed)
    source = FixedVariableArrayInput((count,))
    x = source.quantize(np.full(count, signed), np.full(count, bits), np.zeros(count, int))
    value = x
    for w in inner:
        m = len(w)
        whole, shift = np.full(m, CODES.bits + SHIFT), np.full(m, -SHIFT)
        y = value @ w.T.astype(float)
        code = y.quantize(np.zeros(m, int), whole, shift, overflow_mode="SAT", round_mode="RND")
        value = code * 2.0**-SHIFT
    return comb_trace(x, value @ last.T.astype(float))


def write_da4ml(solution: Any, folder: Path) -> list[str]:
    """Its Verilog, with registers after every `CUTOFF` adders; the files by name."""
    project = folder / "project"
    VerilogModel(solution, "da", project, latency_cutoff=CUTOFF, print_latency=False).write()
    found = []
    for path in sorted((folder / "project" / "src").rglob("*.v")):
        if "wrapper" not in path.name:
            shutil.copy(path, folder)
            found.append(path.name)
    return found


def cells(sources: list[str], top: str, family: str, folder: Path) -> Cells:
    """What Yosys makes of it, flattened, without multiplier blocks.

    Registers of da4ml stay flip-flops on xc7, though LUTs would hold fewer of those in a row.
    """
    more = ["-nodsp", *(["-nosrl"] if top == "da" and family == "xc7" else [])]
    script = [f"read_verilog -defer {name}" for name in sources]
    script += [f"hierarchy -check -top {top}", " ".join([FLOWS[family].format(top=top), *more])]
    script += ["tee -q -o stat.json stat -json"]
    run_script("\n".join(script) + "\n", cwd=folder, folder=f"yosys_{family}")
    design = json.loads((folder / "stat.json").read_text())["design"]
    return Cells.count(design["num_cells_by_type"], family)


@dataclass(frozen=True)
class Built:
    """A design on disk: its core and the files of it."""

    graph: Graph
    sources: list[str]
    files: dict[str, str]

    @classmethod
    def write(cls, graph: Graph, folder: Path) -> Built:
        design = make_design(graph, "net")
        for name, text in design.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        memories = {n: text for n, text in design.files.items() if n.startswith("mem/")}
        return cls(graph, [name for name in design.sources if name != "net.v"], memories)

    @property
    def digest(self) -> str:
        return sha256(str(self.graph).encode()).hexdigest()[:16]

    def simulate(self, net: Net, folder: Path) -> tuple[int, int]:
        """(wrong beats, protocol faults and hangs; cycles from frame to frame)."""
        graph = self.graph
        source = graph.type(graph.only(hw.Source))
        result = graph.type(graph.inputs(graph.only(hw.Sink))[0])
        bench = Bench.build(
            dut="net_core",
            sources=[folder / name for name in self.sources],
            inputs={"s_axis": source.width},
            outputs={"m_axis": result.width},
            files=self.files,
            build_dir=folder / "sim",
        )
        x = net.inputs(24)
        given = {"s_axis": beats_of(x[:, :, None, None], source)}
        wanted = {"m_axis": beats_of(net.outputs(x)[:, :, None, None], result)}
        free = bench.run(given, wanted)
        stalled = bench.run(given, wanted, source_stall=0.5, sink_stall=0.5, seed=2)
        ends = np.diff(free.frame_ends.get("m_axis", []))[1:]
        wrong = sum(len(run.faults) + int(run.hang) for run in (free, stalled))
        return wrong, int(ends.max(initial=0))
