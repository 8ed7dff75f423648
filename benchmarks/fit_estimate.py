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
import sys
import tempfile
from pathlib import Path

import numpy as np
from fit_cases import GROUPS, Case
from scipy.optimize import nnls

from qcompiler.estimate.model import module_cost, module_parts
from qcompiler.flows.synth import Cells, synthesize
from qcompiler.hardware.instance import Sized
from qcompiler.hardware.instances import render_node
from qcompiler.resources import RTL

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
