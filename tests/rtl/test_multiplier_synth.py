"""The multiplier array under `verilator -Wall` and Yosys: complaints, and the cells."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from qcompiler.estimate.model import module_cost
from qcompiler.flows.synth import Cells, check_rtl, synthesize
from qcompiler.flows.verilator import find_toolchain
from qcompiler.hardware.design import make_design
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.types import IntType
from tests.rtl.multipliers import CASES, even, unsigned


def write(name: str, folder: Path) -> None:
    """The module of a case, called after it, and its memory."""
    unit = CASES[name].unit(np.random.default_rng(0))
    text = {f"{name}.v": unit.verilog().replace("module array (", f"module {name} (")}
    for path, content in {**text, **unit.memories()}.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(content)


@pytest.mark.parametrize("name", CASES)
def test_verilator_has_no_complaint(name: str, tmp_path: Path) -> None:
    write(name, tmp_path)
    tools = find_toolchain()
    command = [str(tools.verilator), "--lint-only", "-Wall", "--language", "1364-2005", f"{name}.v"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **tools.env}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "%Warning" not in done.stderr


@pytest.mark.synth
def test_yosys_finds_no_latch_and_no_conflict(tmp_path: Path) -> None:
    for name in CASES:
        write(name, tmp_path)
    text = "".join(f"{name} u_{name} ();\n" for name in CASES)
    (tmp_path / "all.v").write_text(f"module all ();\n{text}endmodule\n")
    check_rtl([*(Path(f"{name}.v") for name in CASES), Path("all.v")], "all", tmp_path)


ARRAYS = {  # pe, simd, act, weights, partial bits, blocks of ecp5 and xc7
    "wide": (2, 4, unsigned(8), even(127), None, 8, 8),
    "narrow": (2, 4, even(63), even(63), 16, 8, 8),
    "one_lane": (4, 1, even(63), even(63), 16, 4, 4),
    "largest": (1, 2, even((1 << 17) - 1), even((1 << 17) - 1), None, 2, 2),
    "nine_bits": (2, 2, unsigned(5), even(15), None, 4, 4),
    "eight_bits": (2, 2, unsigned(4), even(7), None, 4, 0),
    "one_bit": (2, 4, unsigned(4), IntType(-1, 0), None, 0, 0),
}


def arrays() -> Graph:
    """The arrays in a row, with a requantizer between them to give each its codes."""
    graph = Graph("hardware")
    rng = np.random.default_rng(2)
    value = graph.add("x", hw.Source("x", (8, 6, 6), ARRAYS["wide"][2], 4))
    for name, (pe, simd, act, weight, partial, *_) in ARRAYS.items():
        if name != "wide":
            one = np.ones(8, np.int64)
            scale = hw.Scale(f"{name}_s", one, one, 8, act, act, lanes=graph.type(value).lanes)
            value = graph.add(f"{name}_scale", scale, [value])
            value = graph.add(f"{name}_width", hw.Adapter(simd), [value])
        w = rng.integers(weight.lo, weight.hi + 1, (8, 8, 1, 1))
        w[0, 0], w[1, 1] = weight.lo, weight.hi
        top = int(np.abs(w).sum(1).max()) * max(-act.lo, act.hi)
        op = hw.MultiplierArray(
            name, w, (8, 6, 6), IntType(-top, top), pe=pe, simd=simd, partial_bits=partial
        )
        window = hw.Window(repeat=op.repeat, lanes=simd)
        value = graph.add(f"{name}_window", window, [value])
        value = graph.add(name, op, [value])
    graph.add("y", hw.Sink(lanes=graph.type(value).lanes), [value])
    return graph


@pytest.mark.synth
@pytest.mark.parametrize(("family", "column"), [("ecp5", -2), ("xc7", -1)])
def test_cells_are_those_of_the_estimate(family: str, column: int, tmp_path: Path) -> None:
    graph = arrays()
    design = make_design(graph, "top")
    for path, text in design.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    manifest = {"top": "top", "sources": design.sources}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    found = synthesize(tmp_path, family).nodes
    total, guess = Cells(), 0.0
    for name, row in ARRAYS.items():
        inputs = [graph.type(v) for v in graph.inputs(name)]
        cost = module_cost(graph.op(name), inputs, graph.types(name), family)
        assert cost.dsp == found[name].dsp == row[column], name
        assert cost.bram == found[name].bram, name
        assert cost.ff == pytest.approx(found[name].ff, rel=0.1, abs=5), name
        assert cost.lut == pytest.approx(found[name].lut, rel=0.4, abs=10), name
        total, guess = total + found[name], guess + cost.lut
    assert guess == pytest.approx(total.lut, rel=0.15)
