"""Estimate against Yosys, module by module: the errors that the cost models are judged by.

    python benchmarks/fit_estimate.py --family ecp5 --family xc7

All modules are instances side by side in one design, whose ports are all their streams.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qcompiler.estimate.model import module_cost
from qcompiler.flows.synth import SynthReport, synthesize
from qcompiler.hardware.design import _literal
from qcompiler.hardware.instances import render_node
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType
from qcompiler.resources import RTL


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


def case(name: str, op: Any, *sources: tuple[tuple[int, int, int], IntType, int]) -> Case:
    graph = Graph("hardware")
    feeds = [
        graph.add(f"{name}_in{k}", hw.Source(f"{name}_in{k}", shape, elem, lanes))
        for k, (shape, elem, lanes) in enumerate(sources)
    ]
    graph.add(name, op, feeds)
    return Case(name, graph)


def windowed(name: str, op: Any, window: hw.Window, source: tuple[Any, IntType, int]) -> Case:
    graph = Graph("hardware")
    feed = graph.add(f"{name}_in", hw.Source(f"{name}_in", *source))
    graph.add(name, op, [graph.add(f"{name}_window", window, [feed])])
    return Case(name, graph)


def array(
    name: str, pe: int, simd: int, planes: int, act: IntType, bits: int, *,
    out: int = 16, per_group: int = 16, kernel: int = 3, groups: int = 1,
) -> Case:  # fmt: skip
    """An array with random weights of ``bits`` bits (1: plus or minus one)."""
    rng = np.random.default_rng(sum(map(ord, name)))
    top = max((1 << (bits - 1)) - 1, 1)
    weight = rng.integers(-top, top + 1, (out, per_group, kernel, kernel)).astype(np.int64)
    plan = encode(weight)
    high = int(np.abs(weight).sum(axis=(1, 2, 3)).max()) * max(abs(act.lo), act.hi)
    op = hw.BitSerialArray(
        name, weight, plan.signs, plan.exps, (out, 30, 30), IntType(-high, high),
        groups=groups, pe=pe, simd=simd, planes=planes,
    )  # fmt: skip
    window = hw.Window(
        (kernel, kernel), groups=groups, repeat=op.repeat, rows=2 * kernel, lanes=simd
    )
    return windowed(name, op, window, ((per_group * groups, 32, 32), act, simd))


def arrays() -> Iterator[Case]:
    yield array("arr_1x1x1_a8w4", 1, 1, 1, unsigned(8), 4)
    yield array("arr_2x4x1_a2w2", 2, 4, 1, unsigned(2), 2)
    yield array("arr_4x4x1_a4w4", 4, 4, 1, unsigned(4), 4)
    yield array("arr_4x8x2_a4w4", 4, 8, 2, unsigned(4), 4)
    yield array("arr_4x8x4_a4w4", 4, 8, 4, unsigned(4), 4)
    yield array("arr_8x16x1_a2w2", 8, 16, 1, unsigned(2), 2)
    yield array("arr_4x16x1_a8w8", 4, 16, 1, unsigned(8), 8)
    yield array("arr_4x16x8_a8w8", 2, 16, 8, unsigned(8), 8)
    yield array("arr_4x32x1_a1w1", 4, 32, 1, unsigned(1), 1, per_group=32)
    yield array("arr_4x32x2_a4w3", 4, 32, 2, unsigned(4), 3, per_group=32)
    yield array("arr_4x3x2_s8w8", 4, 3, 2, signed(8), 8, per_group=3)
    yield array("arr_4x12x3_s5w5", 4, 12, 3, signed(5), 5, per_group=12)
    yield array("arr_1x1x1_dw", 1, 1, 1, unsigned(4), 4, out=16, per_group=1, groups=16)
    yield array("arr_5x16x1_fc", 5, 16, 1, unsigned(4), 4, out=10, per_group=64, kernel=1)


def streams() -> Iterator[Case]:
    for width, depth in ((4, 2), (16, 2), (33, 2), (8, 5), (16, 20), (16, 100), (24, 400), (64, 600)):
        yield case(f"fifo_{width}x{depth}", hw.Fifo(depth), ((1, 32, 32), unsigned(width), 1))
    for width, outputs in ((8, 2), (32, 3)):
        yield case(f"fork_{width}x{outputs}", hw.Fork(outputs), ((1, 8, 8), unsigned(width), 1))
    for have, want, bits in ((1, 4, 4), (2, 16, 2), (16, 1, 4), (8, 4, 8), (6, 4, 4), (32, 8, 4)):
        yield case(
            f"adapter_{have}to{want}_{bits}", hw.Adapter(want), ((96, 8, 8), unsigned(bits), have)
        )
    for lanes, size, bits in ((1, 28, 8), (4, 32, 4), (16, 8, 4)):
        yield case(
            f"pad_{lanes}_{size}", hw.Pad("t", (1, 1, 1, 1), 3, lanes=lanes),
            ((16, size, size), unsigned(bits), lanes),
        )  # fmt: skip
    yield case("slice_a", hw.Slice("t", (0, 2, 16), (0, 2, 16), lanes=2), ((16, 32, 32), unsigned(4), 2))
    yield case("slice_b", hw.Slice("t", (1, 1, 6), (1, 1, 6), lanes=8), ((8, 8, 8), unsigned(8), 8))
    yield case("chpad_a", hw.ChannelPad("t", 8, 8, 0, lanes=4), ((16, 16, 16), unsigned(4), 4))
    yield case("chpad_b", hw.ChannelPad("t", 0, 16, 1, lanes=16), ((16, 16, 16), unsigned(4), 16))
    yield case("concat_a", hw.Concat("t", lanes=4), *[((16, 8, 8), unsigned(4), 4)] * 2)
    yield case("concat_b", hw.Concat("t", lanes=1), *[((24, 8, 8), unsigned(8), 1)] * 2)


def arithmetic() -> Iterator[Case]:
    for lanes, a, b, bits in ((1, 1, 1, 8), (4, 5, 3, 4), (4, -3, 1, 6), (2, 1234, 777, 4), (8, 1, 1, 4)):
        yield case(
            f"add_{lanes}_{abs(a)}_{b}_{bits}", hw.Add("t", a, b, lanes=lanes),
            *[((16, 8, 8), unsigned(bits), lanes)] * 2,
        )  # fmt: skip
    rng = np.random.default_rng(1)
    for lanes, bits, codes, channels in ((1, 16, 15, 16), (4, 12, 15, 16), (2, 14, 3, 64), (1, 18, 255, 16), (8, 10, 7, 8), (2, 14, 15, 64)):
        steps = np.sort(rng.integers(-(1 << bits - 1), 1 << bits - 1, (channels, codes)), axis=1)
        table = np.tile(np.arange(codes + 1), (channels, 1))
        op = hw.Threshold("t", steps.astype(np.int64), table, IntType(0, codes), lanes=lanes)
        yield case(f"thr_{lanes}_{bits}_{codes}_{channels}", op, ((channels, 16, 16), signed(bits), lanes))
    for lanes, bits, mul, channels in ((1, 16, 12, 16), (4, 12, 8, 16), (2, 20, 16, 64)):
        m = rng.integers(1, 1 << mul, channels)
        r = rng.integers(-(1 << mul + 6), 1 << mul + 6, channels)
        op2 = hw.Scale("t", m, r, mul + 3, IntType(0, 255), IntType(0, 255), lanes=lanes)
        yield case(f"scale_{lanes}_{bits}_{mul}_{channels}", op2, ((channels, 16, 16), signed(bits), lanes))
    for lanes, bits in ((1, 4), (4, 4), (8, 8)):
        for kind, label in ((hw.MaxPool, "max"), (hw.SumPool, "sum")):
            yield windowed(
                f"{label}_{lanes}_{bits}", kind("t", (16, 8, 8), lanes=lanes),
                hw.Window((2, 2), (2, 2), groups=16 // lanes, rows=4, lanes=lanes),
                ((16, 16, 16), unsigned(bits), lanes),
            )  # fmt: skip
    for lanes, bits, channels, size in ((1, 4, 64, 8), (4, 4, 16, 7), (8, 8, 8, 8)):
        yield case(f"gsum_{lanes}_{bits}", hw.GlobalSum("t", lanes=lanes), ((channels, size, size), unsigned(bits), lanes))


def windows() -> Iterator[Case]:
    for lanes, channels, size, kernel, stride, repeat, bits in (
        (1, 1, 28, 5, 1, 6, 8), (1, 3, 32, 3, 1, 16, 8), (4, 16, 34, 3, 1, 8, 4), (16, 16, 18, 3, 2, 32, 4),
        (8, 64, 10, 3, 1, 64, 2), (4, 32, 16, 2, 2, 1, 4),
    ):  # fmt: skip
        groups = channels // lanes if repeat == 1 else 1
        op = hw.Window(
            (kernel, kernel), (stride, stride), groups=groups, repeat=repeat,
            rows=max(2 * kernel, kernel + stride), lanes=lanes,
        )  # fmt: skip
        yield case(f"win_{lanes}_{channels}_{size}_{kernel}_{stride}", op, ((channels, size, size), unsigned(bits), lanes))
    flat = hw.Window((1, 1), repeat=20, reshape=(64, 64, 1), rows=2, lanes=4)
    yield case("win_point", flat, ((64, 8, 8), unsigned(4), 4))
    whole = hw.Window((1, 16), repeat=20, reshape=(64, 1, 16), rows=2, lanes=4)
    yield case("win_whole", whole, ((64, 4, 4), unsigned(4), 4))
    wide = hw.Window((3, 3), dilation=(2, 2), repeat=8, rows=10, lanes=2)
    yield case("win_dilated", wide, ((8, 20, 20), unsigned(4), 2))


GROUPS = {"arrays": arrays, "streams": streams, "arithmetic": arithmetic, "windows": windows}


def write_build(cases: list[Case], folder: Path) -> None:
    """One design that holds every case, each stream a set of ports."""
    ports, body, files, memories = [], [], {}, {}
    for one in cases:
        rendered = render_node(one.graph, one.name, "t")
        inner = {w.name for w in rendered.wires}
        files.update(rendered.modules)
        memories.update(rendered.memories)
        for w in rendered.wires:
            body.append(f"wire [{w.width - 1}:0] {w.name}_tdata; wire {w.name}_tvalid, {w.name}_tready, {w.name}_tlast;")
        for i in rendered.instances:
            binds = [".clk(clk)", ".rst(rst)"]
            for prefix, wires in i.ports.items():
                out = prefix == "m_axis"
                for s in ("tdata", "tvalid", "tready", "tlast"):
                    joined = ", ".join(f"{w.name}_{s}" for w in reversed(wires))
                    binds.append(f".{prefix}_{s}({{{joined}}})")
                for w in wires:
                    if w.name not in inner:
                        go, back = ("output", "input") if out else ("input", "output")
                        ports += [
                            f"{go} wire [{w.width - 1}:0] {w.name}_tdata", f"{go} wire {w.name}_tvalid",
                            f"{back} wire {w.name}_tready", f"{go} wire {w.name}_tlast",
                        ]  # fmt: skip
            values = ", ".join(f".{k}({_literal(v)})" for k, v in i.parameters.items())
            body.append(f"{i.module} {f'#({values})' if values else ''} {i.name} ({', '.join(binds)});")
    text = f"module t_core (input wire clk, input wire rst,\n{','.join(ports)});\n" + "\n".join(body) + "\nendmodule\n"
    names = [p.replace("output wire", "").replace("input wire", "").split()[-1] for p in ports]
    binds = ", ".join(f".{n}({n})" for n in ["clk", "rst", *names])
    text += f"module t (input wire clk, input wire rst,\n{','.join(ports)});\nt_core core ({binds});\nendmodule\n"
    files["t.v"] = text
    for name, content in {**files, **memories}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    library = [str(p) for p in sorted(RTL.glob("*.v"))]
    (folder / "manifest.json").write_text(json.dumps({"top": "t", "sources": [*files, *library]}))


def table(cases: list[Case], report: SynthReport) -> list[str]:
    rows, errors = [], []
    for one in cases:
        got = report.nodes[one.name]
        est = module_cost(one.op, one.inputs, one.outputs, report.family)
        error = (est.lut - got.lut) / max(got.lut, 1)
        errors.append(abs(error))
        rows.append(
            f"{one.name:24} LUT {got.lut:6} est {est.lut:8.1f} {error:+7.0%}   FF {got.ff:5} est {est.ff:7.1f}"
            f"   BRAM {got.bram:3} est {est.bram:3}   DSP {got.dsp:3} est {est.dsp:3}"
        )
    rows.append(f"{report.family}: median {np.median(errors):.0%}, worst {max(errors):.0%} of {len(errors)}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", action="append", default=[])
    parser.add_argument("--group", action="append", default=[], choices=list(GROUPS))
    args = parser.parse_args()
    for group in args.group or GROUPS:
        cases = list(GROUPS[group]())
        for family in args.family or ["ecp5", "xc7"]:
            with tempfile.TemporaryDirectory() as folder:
                write_build(cases, Path(folder))
                report = synthesize(Path(folder), family)
            print("\n".join(table(cases, report)), f"({report.seconds:.0f} s)")


if __name__ == "__main__":
    main()
