"""Tables and gates against what Yosys 0.70 makes of them (benchmarks/fit_estimate.py)."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.estimate.model import module_cost
from qcompiler.ir import hardware as hw
from qcompiler.ir.types import IntType

CODES = IntType(0, 15)
# (lanes, bits, bits of the gate, channels, pixels of a row, both zeros): LUT, FF, block RAM, DSP
GATES = {
    "ecp5": {
        (2, 8, 8, 64, 14, 0): (97, 87, 0, 2),
        (8, 4, 8, 8, 8, 0): (15, 267, 0, 8),
        (2, 4, 4, 96, 7, 3): (135, 61, 0, 2),
        (1, 5, 7, 240, 4, 0): (52, 42, 1, 1),
        (1, 20, 6, 12, 8, 0): (46, 71, 0, 2),
    },
    "xc7": {
        (2, 8, 8, 64, 14, 0): (33, 39, 0, 2),
        (8, 4, 8, 8, 8, 0): (9, 75, 0, 8),
        (16, 4, 4, 96, 8, 0): (430, 273, 0, 0),
        (2, 4, 4, 96, 7, 3): (47, 33, 0, 2),
    },
    "ice40": {
        (1, 4, 6, 16, 8, 0): (75, 33, 1, 0),
        (16, 4, 4, 96, 8, 0): (482, 209, 4, 0),
    },
}
# (lanes, bits, bits of a code): LUT, FF, block RAM
TABLES = {
    "ecp5": {(8, 6, 8): (557, 66, 0), (4, 8, 6): (947, 26, 0), (2, 12, 8): (1, 2, 4)},
    "xc7": {(8, 6, 8): (65, 66, 0), (4, 8, 6): (97, 26, 0), (2, 12, 8): (1, 2, 4)},
    "ice40": {(8, 6, 8): (567, 66, 0), (1, 8, 8): (2, 2, 1), (2, 12, 8): (18, 4, 16)},
}


def unsigned(bits: int) -> IntType:
    return IntType(0, (1 << bits) - 1)


@pytest.mark.parametrize("family", GATES)
def test_gates(family: str) -> None:
    for (lanes, bits, gate, channels, size, zero), found in GATES[family].items():
        op = hw.Multiply("t", zero, zero, lanes=lanes)
        inputs = [
            hw.StreamType("x", (channels, size, size), unsigned(bits), lanes),
            hw.StreamType("g", (channels, 1, 1), unsigned(gate), lanes),
        ]
        cost = module_cost(op, inputs, op.infer(inputs), family)
        assert cost.lut == pytest.approx(found[0], rel=0.15)
        assert (round(cost.ff), cost.bram, cost.dsp) == found[1:]


@pytest.mark.parametrize("family", TABLES)
def test_tables(family: str) -> None:
    rng = np.random.default_rng(3)
    for (lanes, bits, out), found in TABLES[family].items():
        table = rng.integers(0, 1 << out, 1 << bits)
        op = hw.Lookup("t", table, unsigned(out), lanes=lanes)
        x = hw.StreamType("x", (8, 8, 8), unsigned(bits), lanes)
        cost = module_cost(op, [x], op.infer([x]), family)
        assert cost.lut == pytest.approx(found[0], rel=0.2, abs=1)
        assert (round(cost.ff), cost.bram) == found[1:]


def test_a_table_of_few_columns_costs_little() -> None:
    """A step takes one column of the ROM, whatever the width of its codes."""
    x = hw.StreamType("x", (8, 8, 8), unsigned(4), 1)
    step = hw.Lookup("t", np.where(np.arange(16) < 5, 0, 63), unsigned(6))
    cost = module_cost(step, [x], step.infer([x]), "ecp5")
    assert round(cost.ff) == 2 + 1 and cost.lut < 3


def test_a_zero_of_zero_costs_nothing() -> None:
    inputs = [hw.StreamType("x", (4, 4, 4), CODES, 2), hw.StreamType("g", (4, 1, 1), CODES, 2)]
    costs = []
    for zeros in ((0, 0), (8, 0), (0, 8)):
        op = hw.Multiply("t", *zeros, lanes=2)
        costs.append(module_cost(op, inputs, op.infer(inputs), "ecp5").lut)
    assert costs[0] < costs[1] and costs[0] < costs[2]
