"""Estimate against Yosys, module by module: the errors of the cost models, and their coefficients.

    python benchmarks/fit_estimate.py --family ecp5               # table of errors
    python benchmarks/fit_estimate.py --fit > qcompiler/estimate/coefficients.py

All modules of a group are instances side by side in one design whose ports are all their streams.
Takes about half a minute a group and family on an idle core, xc7 several times that, multipliers on
ice40 (in LUTs) tens of minutes.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from qcompiler.estimate.model import module_cost, module_parts
from qcompiler.flows.synth import Cells, synthesize
from qcompiler.hardware.instances import Sized, render_node
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType
from qcompiler.resources import RTL

Source = tuple[tuple[int, int, int], IntType, int]
"""Shape, type and lanes of an input."""


@dataclass(frozen=True)
class Case:
    """One module: the op is node ``name`` of a graph of its own."""

    name: str
    graph: Graph

    @property
    def op(self) -> Any:
        return self.graph.op(self.name)

    @property
    def inputs(self) -> list[hw.StreamType]:
        return [self.graph.type(v) for v in self.graph.inputs(self.name)]

    @property
    def outputs(self) -> tuple[hw.StreamType, ...]:
        return self.graph.types(self.name)


def unsigned(bits: int) -> IntType:
    return IntType(0, (1 << bits) - 1)


def signed(bits: int) -> IntType:
    return IntType(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def case(name: str, op: Any, *sources: Source, window: hw.Window | None = None) -> Case:
    graph = Graph("hardware")
    feeds = []
    for k, (shape, elem, lanes) in enumerate(sources):
        feed = graph.add(f"{name}_in{k}", hw.Source(f"{name}_in{k}", shape, elem, lanes))
        feeds.append(graph.add(f"{name}_window", window, [feed]) if window else feed)
    graph.add(name, op, feeds)
    return Case(name, graph)


# ---- the modules ------------------------------------------------------------------------------


def array(
    pe: int, simd: int, planes: int, act: IntType, bits: int, *,
    out: int = 16, per_group: int = 16, kernel: int = 3, groups: int = 1,
) -> Case:  # fmt: skip
    """An array with random weights of ``bits`` bits (1: ternary)."""
    name = f"arr_{pe}x{simd}x{planes}_a{act.bits}w{bits}k{kernel}g{groups}"
    top = max((1 << (bits - 1)) - 1, 1)
    rng = np.random.default_rng(sum(map(ord, name)))
    weight = rng.integers(-top, top + 1, (out, per_group, kernel, kernel)).astype(np.int64)
    plan = encode(weight)
    high = int(np.abs(weight).sum(axis=(1, 2, 3)).max()) * max(abs(act.lo), act.hi)
    op = hw.BitSerialArray(
        name, weight, plan.signs, plan.exps, (out, 30, 30), IntType(-high, high),
        groups=groups, pe=pe, simd=simd, planes=planes,
    )  # fmt: skip
    size = (kernel, kernel)
    window = hw.Window(size, groups=groups, repeat=op.repeat, rows=2 * kernel, lanes=simd)
    return case(name, op, ((per_group * groups, 32, 32), act, simd), window=window)


def sparse(
    pe: int, simd: int, planes: int, act: IntType, *masks: tuple[int, ...], per_fold: bool = False
) -> Case:
    """An array whose weights are signed sums of few powers of two.

    Args:
        masks: Exponents for each output fold.
        per_fold: Each fold takes its own planes.
    """
    kind = "folds" if per_fold else "gaps"
    name = f"arr_{pe}x{simd}x{planes}_a{act.bits}{kind}{len(masks)}_{sum(map(sum, masks))}"
    rng = np.random.default_rng(sum(map(ord, name)))
    parts = []
    for mask in masks:
        powers = np.array([1 << e for e in mask], np.int64)
        digits = rng.integers(0 if len(mask) == 1 else -1, 2, (len(mask), pe, 16, 3, 3))
        parts.append(np.tensordot(powers, digits, 1))
    weight = np.concatenate(parts)
    plan = encode(weight)
    high = int(np.abs(weight).sum(axis=(1, 2, 3)).max()) * max(abs(act.lo), act.hi)
    op = hw.BitSerialArray(
        name, weight, plan.signs, plan.exps, (len(weight), 30, 30), IntType(-high, high)
    ).folded(pe, simd, planes, per_fold)
    window = hw.Window((3, 3), repeat=op.repeat, rows=6, lanes=simd)
    return case(name, op, ((16, 32, 32), act, simd), window=window)


def arrays() -> Iterator[Case]:
    sizes = (
        (1, 1, 1, 8, 4), (2, 4, 1, 2, 2), (4, 4, 1, 4, 4), (4, 8, 2, 4, 4), (4, 8, 4, 4, 4),
        (8, 16, 1, 2, 2), (4, 16, 1, 8, 8), (2, 16, 8, 8, 8), (1, 8, 1, 4, 4), (2, 2, 2, 4, 4),
        (8, 1, 1, 4, 3), (4, 2, 4, 3, 8), (1, 16, 1, 1, 2), (8, 4, 1, 8, 2), (16, 2, 1, 2, 4),
    )  # fmt: skip
    for pe, simd, planes, act, bits in sizes:
        yield array(pe, simd, planes, unsigned(act), bits)
    yield array(4, 32, 1, unsigned(1), 1, per_group=32)
    yield array(4, 32, 2, unsigned(4), 3, per_group=32)
    yield array(1, 32, 1, unsigned(4), 4, per_group=32)
    yield array(4, 3, 2, signed(8), 8, per_group=3)
    yield array(2, 8, 3, signed(4), 3)
    yield array(2, 5, 1, unsigned(6), 5, per_group=5)
    yield array(4, 12, 3, signed(5), 5, per_group=12)
    yield array(1, 1, 1, unsigned(4), 4, per_group=1, groups=16)
    yield array(5, 16, 1, unsigned(4), 4, out=10, per_group=64, kernel=1)
    yield array(2, 8, 2, unsigned(2), 6, per_group=64, kernel=1)
    few, many, top = (0,), (0, 1, 2, 4), (2, 5, 6)
    yield sparse(4, 8, 1, unsigned(4), (0, 3, 8))
    yield sparse(4, 8, 2, unsigned(4), (0, 4, 5, 9))
    yield sparse(2, 16, 3, unsigned(4), (0, 3, 7, 12), (0, 3))
    for pe, simd, planes, act in ((1, 8, 1, 4), (4, 8, 1, 4), (4, 8, 2, 4), (8, 4, 3, 8)):
        yield sparse(pe, simd, planes, unsigned(act), few, few, many, per_fold=True)
        yield sparse(pe, simd, planes, unsigned(act), many, top, few, few, top, per_fold=True)
    yield sparse(2, 8, 1, unsigned(4), *[many] * 4, *[few] * 16, per_fold=True)
    yield sparse(1, 16, 2, unsigned(4), *[top] * 9, *[few] * 33, per_fold=True)


def multiplier(
    pe: int, simd: int, act: IntType, bits: int, partial: int | None = None, *,
    out: int = 16, per_group: int = 16, kernel: int = 3, groups: int = 1,
) -> Case:  # fmt: skip
    """A multiplier array with random weights of ``bits`` bits (1: 0 and -1)."""
    name = f"mul_{pe}x{simd}_a{act.bits}w{bits}k{kernel}g{groups}p{partial or 0}"
    top = (1 << (bits - 1)) - 1
    rng = np.random.default_rng(sum(map(ord, name)))
    size = (out, per_group, kernel, kernel)
    weight = rng.integers(-max(top, 1), top + 1, size).astype(np.int64)
    high = int(np.abs(weight).sum(axis=(1, 2, 3)).max()) * max(abs(act.lo), act.hi)
    op = hw.MultiplierArray(
        name, weight, (out, 30, 30), IntType(-high, high), groups, pe, simd, partial
    )
    window = hw.Window(
        (kernel, kernel), groups=groups, repeat=op.repeat, rows=2 * kernel, lanes=simd
    )
    return case(name, op, ((per_group * groups, 32, 32), act, simd), window=window)


def multipliers() -> Iterator[Case]:
    sizes = (
        (1, 1, 8, 8), (2, 1, 4, 6), (4, 2, 8, 8), (1, 4, 5, 5), (4, 4, 4, 4), (2, 8, 8, 4),
        (8, 8, 8, 8), (4, 16, 6, 6), (1, 16, 12, 12), (2, 4, 17, 18), (16, 2, 4, 5),
    )  # fmt: skip
    for pe, simd, act, bits in sizes:
        yield multiplier(pe, simd, unsigned(act), bits)
    yield multiplier(2, 4, unsigned(4), 1)
    yield multiplier(4, 4, signed(7), 1)
    yield multiplier(4, 3, signed(8), 8, per_group=3)
    yield multiplier(2, 5, signed(4), 4, per_group=5)
    yield multiplier(1, 12, signed(6), 5, per_group=12)
    yield multiplier(1, 1, unsigned(8), 8, per_group=1, groups=16)
    yield multiplier(5, 16, unsigned(4), 6, out=10, per_group=64, kernel=1)
    yield multiplier(4, 4, signed(8), 8, per_group=4, kernel=1)
    narrow = IntType(-63, 63)
    for pe, simd, act, bits in ((4, 2, narrow, 7), (2, 1, narrow, 7), (4, 4, narrow, 7),
                                (8, 8, narrow, 7), (2, 16, narrow, 7), (4, 1, signed(8), 8),
                                (8, 8, IntType(-127, 127), 8), (2, 3, narrow, 7)):  # fmt: skip
        yield multiplier(pe, simd, act, bits, 16, per_group=48 if simd == 3 else 16)


def windows() -> Iterator[Case]:
    rng = random.Random(5)
    for k in range(26):
        kernel, stride = rng.choice([1, 2, 3, 3, 3, 5]), rng.choice([1, 1, 1, 2])
        lanes, words = rng.choice([1, 1, 2, 4, 8]), rng.choice([1, 1, 2, 3, 4, 8, 12])
        size, groups = rng.choice([7, 8, 10, 14, 16, 18, 28, 30, 32, 34]), rng.choice([1, 1, 3, 4])
        op = hw.Window(
            (kernel, kernel), (stride, stride), groups=groups, repeat=rng.choice([1, 2, 4, 9, 32]),
            rows=max(2 * kernel, kernel + stride), lanes=lanes,
        )  # fmt: skip
        yield case(f"win{k}", op, ((lanes * words * groups, size, size), unsigned(4), lanes))
    point = hw.Window((1, 1), repeat=20, reshape=(64, 64, 1), rows=2, lanes=4)
    yield case("win_point", point, ((64, 8, 8), unsigned(4), 4))
    whole = hw.Window((1, 16), repeat=20, reshape=(64, 1, 16), rows=2, lanes=4)
    yield case("win_whole", whole, ((64, 4, 4), unsigned(4), 4))


def streams() -> Iterator[Case]:
    sizes = ((4, 2), (33, 2), (8, 5), (4, 17), (16, 20), (8, 33), (16, 65), (16, 100), (32, 12),
             (32, 33), (12, 257), (24, 400), (64, 600), (7, 1000))  # fmt: skip
    for width, depth in sizes:
        yield case(f"fifo_{width}x{depth}", hw.Fifo(depth), ((1, 32, 32), unsigned(width), 1))
    for width, outputs in ((8, 2), (32, 3), (16, 4)):
        yield case(f"fork_{width}x{outputs}", hw.Fork(outputs), ((1, 8, 8), unsigned(width), 1))
    ratios = ((1, 2, 4), (1, 3, 8), (4, 8, 4), (8, 16, 2), (2, 16, 2), (2, 1, 4), (4, 2, 8),
              (8, 2, 4), (16, 2, 4), (16, 1, 4), (12, 4, 4), (9, 1, 8), (32, 8, 4))  # fmt: skip
    for have, want, bits in ratios:
        source = ((576, 8, 8), unsigned(bits), have)
        yield case(f"adapter_{have}to{want}_{bits}", hw.Adapter(want), source)
    rng = random.Random(7)
    for k in range(10):
        lanes, words = rng.choice([1, 2, 4, 16]), rng.choice([1, 2, 3, 4, 8])
        size = rng.choice([7, 8, 14, 16, 28, 32])
        source = ((lanes * words, size, size), unsigned(4), lanes)
        border = rng.choice([(1, 1, 1, 1), (2, 2, 2, 2), (0, 0, 1, 1), (1, 1, 0, 0)])
        yield case(f"pad{k}", hw.Pad("t", border, 3, lanes=lanes), source)
        step = rng.choice([1, 2])
        kept = (0, step, size // step - rng.choice([0, 1]))
        yield case(f"slice{k}", hw.Slice("t", kept, kept, lanes=lanes), source)
        front, back = rng.choice([0, 1, 4]) * lanes, rng.choice([1, 3]) * lanes
        yield case(f"chpad{k}", hw.ChannelPad("t", front, back, 0, lanes=lanes), source)
        other = ((lanes * rng.choice([1, 2, 3, 16]), size, size), unsigned(4), lanes)
        yield case(f"concat{k}", hw.Concat("t", lanes=lanes), source, other)


def arithmetic() -> Iterator[Case]:
    sums = ((1, 1, 1, 8), (4, 5, 3, 4), (4, -3, 1, 6), (8, 1, 1, 4), (2, 1, -1, 8), (2, 7, 5, 6),
            (2, 23, 1, 8), (1, 100, 37, 6), (2, 1234, 777, 4), (1, 2731, 1, 8))  # fmt: skip
    for lanes, a, b, bits in sums:
        name = f"add_{lanes}_{a}_{b}_{bits}".replace("-", "m")
        yield case(name, hw.Add("t", a, b, lanes=lanes), *[((8, 8, 8), signed(bits), lanes)] * 2)
    rng = np.random.default_rng(1)
    steps = ((1, 16, 15, 16), (4, 12, 15, 16), (2, 14, 3, 64), (1, 18, 255, 16), (8, 10, 7, 8),
             (2, 14, 15, 64), (1, 10, 3, 8), (1, 20, 15, 64), (1, 13, 31, 24))  # fmt: skip
    for lanes, bits, codes, channels in steps:
        found = np.sort(rng.integers(-(1 << bits - 1), 1 << bits - 1, (channels, codes)), axis=1)
        table = np.tile(np.arange(codes + 1), (channels, 1))
        op = hw.Threshold("t", found.astype(np.int64), table, IntType(0, codes), lanes=lanes)
        source = ((channels, 16, 16), signed(bits), lanes)
        yield case(f"thr_{lanes}_{bits}_{codes}_{channels}", op, source)
    factors = ((1, 16, 12, 16, 8), (4, 12, 8, 16, 8), (2, 20, 16, 64, 8), (1, 8, 6, 8, 4),
               (1, 12, 17, 32, 8), (2, 14, 10, 64, 4), (1, 24, 16, 16, 8), (1, 17, 11, 128, 8),
               (1, 18, 18, 8, 6), (1, 15, 18, 16, 8), (2, 12, 18, 16, 4))  # fmt: skip
    for lanes, bits, mul, channels, out in factors:
        m = rng.integers(1 << mul - 2, 1 << mul, channels)
        r = rng.integers(-(1 << mul + 6), 1 << mul + 6, channels)
        shift = bits + mul - out - 1  # the sum is two or three bits wider than the codes
        scaled = hw.Scale("t", m, r, shift, unsigned(out), unsigned(out), lanes=lanes)
        source = ((channels, 16, 16), signed(bits), lanes)
        yield case(f"scale_{lanes}_{bits}_{mul}_{channels}", scaled, source)


def pools() -> Iterator[Case]:
    for lanes, bits, kernel in ((1, 4, 2), (4, 4, 2), (8, 8, 2), (2, 8, 3), (16, 4, 3), (1, 12, 3)):
        window = hw.Window((kernel, kernel), groups=16 // lanes, rows=2 * kernel, lanes=lanes)
        size = 17 - kernel
        source = ((16, 16, 16), unsigned(bits), lanes)
        for kind, stem in ((hw.MaxPool, "max"), (hw.SumPool, "sum")):
            op = kind("t", (16, size, size), lanes=lanes)
            yield case(f"{stem}_{lanes}_{bits}_{kernel}", op, source, window=window)
    sizes = ((1, 4, 64, 8), (4, 4, 16, 7), (8, 8, 8, 8), (1, 4, 1, 8), (4, 6, 4, 7), (1, 8, 32, 4))
    for lanes, bits, channels, size in sizes:
        source = ((channels, size, size), unsigned(bits), lanes)
        yield case(f"gsum_{lanes}_{bits}_{channels}", hw.GlobalSum("t", lanes=lanes), source)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "arrays": arrays,
    "multipliers": multipliers,
    "windows": windows,
    "streams": streams,
    "arithmetic": arithmetic,
    "pools": pools,
}

# ---- synthesis ----------------------------------------------------------------------------------


def literal(value: int | str | Sized) -> str:
    if isinstance(value, Sized):
        return f"{value.width}'h{value.value:x}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def write_build(cases: list[Case], folder: Path) -> None:
    """One design that holds every case, each stream a set of ports."""
    ports: list[str] = []
    body: list[str] = []
    files: dict[str, str] = {}
    memories: dict[str, str] = {}
    for one in cases:
        rendered = render_node(one.graph, one.name, "t")
        inner = {w.name for w in rendered.wires}
        files.update(rendered.modules)
        memories.update(rendered.memories)
        for w in rendered.wires:
            body.append(f"wire [{w.width - 1}:0] {w.name}_tdata;")
            body.append(f"wire {w.name}_tvalid, {w.name}_tready, {w.name}_tlast;")
        for i in rendered.instances:
            binds = [".clk(clk)", ".rst(rst)"]
            for prefix, wires in i.ports.items():
                go, back = ("output", "input") if prefix == "m_axis" else ("input", "output")
                for signal in ("tdata", "tvalid", "tready", "tlast"):
                    joined = ", ".join(f"{w.name}_{signal}" for w in reversed(wires))
                    binds.append(f".{prefix}_{signal}({{{joined}}})")
                for w in wires:
                    if w.name not in inner:
                        ports.append(f"{go} wire [{w.width - 1}:0] {w.name}_tdata")
                        ports += [f"{go} wire {w.name}_{s}" for s in ("tvalid", "tlast")]
                        ports.append(f"{back} wire {w.name}_tready")
            values = ", ".join(f".{k}({literal(v)})" for k, v in i.parameters.items())
            body.append(f"{i.module} #({values}) {i.name} ({', '.join(binds)});")
    head = "(input wire clk, input wire rst,\n" + ",\n".join(ports) + ");"
    same = ", ".join(f".{n}({n})" for n in ["clk", "rst", *(p.split()[-1] for p in ports)])
    text = f"module t_core {head}\n" + "\n".join(body) + "\nendmodule\n"
    files["t.v"] = f"{text}module t {head}\nt_core core ({same});\nendmodule\n"
    for name, content in {**files, **memories}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content.replace("#() ", ""))
    sources = [*files, *(str(path) for path in sorted(RTL.glob("*.v")))]
    (folder / "manifest.json").write_text(json.dumps({"top": "t", "sources": sources}))


def measure(cases: list[Case], family: str) -> dict[str, Cells]:
    with tempfile.TemporaryDirectory() as folder:
        write_build(cases, Path(folder))
        return synthesize(Path(folder), family).nodes


def table(cases: list[Case], found: dict[str, Cells], family: str) -> list[str]:
    rows, errors = [], []
    for one in cases:
        got, est = found[one.name], module_cost(one.op, one.inputs, one.outputs, family)
        errors.append((est.lut - got.lut) / max(got.lut, 1))
        rows.append(
            f"{one.name:24} LUT {got.lut:5} {est.lut:7.0f} {errors[-1]:+5.0%}"
            f"  FF {got.ff:5} {est.ff:6.0f}  BRAM {got.bram:2} {est.bram:2}"
            f"  DSP {got.dsp:2} {est.dsp:2}"
        )
    size = np.abs(errors)
    rows.append(f"{family}: {np.median(size):.0%} median, {size.max():.0%} worst of {len(size)}")
    return rows


def fit(cases: list[Case], found: dict[str, Cells], family: str) -> dict[str, dict[str, float]]:
    """Coefficients of each kind of module: least squares of the relative errors, none below 0."""
    kinds: dict[str, list[tuple[dict[str, float], float, int]]] = {}
    for one in cases:
        parts = module_parts(one.op, one.inputs, one.outputs, family)
        if len(parts) == 1:
            lut = found[one.name].lut
            row = (dict(parts[0].features), lut - parts[0].fixed.lut, lut)
            kinds.setdefault(parts[0].kind, []).append(row)
    fitted = {}
    for kind, rows in kinds.items():
        names = list(rows[0][0])
        sizes = np.array([[row[0][name] for name in names] for row in rows], float)
        weight = 1 / np.maximum([row[2] for row in rows], 12.0)
        solution, _ = nnls(sizes * weight[:, None], np.array([row[1] for row in rows]) * weight)
        fitted[kind] = {n: round(float(v), 2) for n, v in zip(names, solution, strict=True)}
    return fitted


HEAD = '''"""LUT for each unit of a module's sizes, by module and family; see `parts.Parts`.

Fitted to Yosys by ``benchmarks/fit_estimate.py --fit``: least squares of relative errors, no
coefficient below zero.
"""

from __future__ import annotations

COEFFICIENTS: dict[str, dict[str, dict[str, float]]] = {
'''


def listing(fitted: dict[str, dict[str, dict[str, float]]]) -> str:
    """The text of ``coefficients.py``; ``ruff format`` breaks its lines."""
    text = HEAD
    for kind in sorted(fitted):
        text += f'    "{kind}": {{\n'
        for family in sorted(fitted[kind]):
            row = ", ".join(f'"{n}": {v:.2f}' for n, v in fitted[kind][family].items())
            text += f'        "{family}": {{{row}}},\n'
        text += "    },\n"
    return text + "}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", action="append", default=[])
    parser.add_argument("--group", action="append", default=[], choices=list(GROUPS))
    parser.add_argument("--fit", action="store_true", help="print the text of coefficients.py")
    args = parser.parse_args()
    fitted: dict[str, dict[str, dict[str, float]]] = {}
    for group in args.group or GROUPS:
        cases = list(GROUPS[group]())
        for family in args.family or ["ecp5", "xc7", "ice40"]:
            found = measure(cases, family)
            print(*table(cases, found, family), sep="\n", file=sys.stderr, flush=True)
            for kind, row in fit(cases, found, family).items():
                fitted.setdefault(kind, {})[family] = row
    if args.fit:
        print(listing(fitted), end="")


if __name__ == "__main__":
    main()
