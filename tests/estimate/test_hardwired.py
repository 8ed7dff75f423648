"""What the hard-wired engine costs, beside Yosys."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from qcompiler.estimate.model import module_cost
from qcompiler.flows.synth import FLOWS, Cells
from qcompiler.flows.yosys import run_script
from qcompiler.hardware.hardwired import HardwiredUnit
from qcompiler.ir import hardware as hw
from qcompiler.ir.types import IntType
from qcompiler.resources import RTL

CODES = IntType(-31, 31)


def layer(pe: int = 4, simd: int = 5, digit: int = 1) -> tuple[hw.Hardwired, hw.StreamType]:
    w = np.random.default_rng(8).integers(-15, 16, (8, 15, 1, 1))
    top = int(np.abs(w).sum((1, 2, 3)).max()) * 31
    op = hw.Hardwired("y", w, (8, 1, 1), IntType(-top, top), pe, simd, digit)
    order = hw.Order((1, 1), (1, 1), (1, 1), 1, 1)
    return op, hw.StreamType("x", (15, 1, 1), CODES, simd, order)


@pytest.mark.parametrize("family", ["ecp5", "xc7", "ice40"])
def test_more_bits_a_cycle_cost_more_and_lanes_cost_little(family: str) -> None:
    found = []
    for digit in (1, 2, 3):
        op, stream = layer(digit=digit)
        found.append(module_cost(op, [stream], op.infer([stream]), family).lut)
    assert found == sorted(found) and found[2] > 2 * found[0]
    one, two = layer(1, 1), layer(8, 15)
    few, many = (module_cost(op, [x], op.infer([x]), family) for op, x in (one, two))
    assert few.ff > many.ff and few.lut > many.lut, "gathering, and words to choose from"
    assert few.bram == few.dsp == few.memory_bits == 0


@pytest.mark.synth
@pytest.mark.parametrize("family", ["ecp5", "xc7", "ice40"])
def test_beside_yosys(family: str, tmp_path: Path) -> None:
    op, stream = layer(digit=2)
    text = HardwiredUnit.of("unit", op, CODES).verilog()
    (tmp_path / "unit.v").write_text(text + (RTL / "qc_serial_sum.v").read_text())
    script = f"read_verilog unit.v\n{FLOWS[family].format(top='unit')}\n"
    run_script(script + "tee -q -o stat.json stat -json\n", cwd=tmp_path, folder="yosys")
    types = json.loads((tmp_path / "stat.json").read_text())["design"]["num_cells_by_type"]
    got, cost = Cells.count(types, family), module_cost(op, [stream], op.infer([stream]), family)
    assert cost.lut == pytest.approx(got.lut, rel=0.15)
    assert cost.ff == pytest.approx(got.ff, rel=0.05)
    if family != "ice40":  # whose carry cells were not measured
        assert cost.carry == pytest.approx(got.carry, abs=1)
    assert got.bram == got.dsp == 0
