"""Carry cells, against what Yosys 0.70 makes of the modules (benchmarks/calibration)."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.estimate.carry import adder_cells, comparator_cells, counter_cells
from qcompiler.estimate.model import module_cost
from qcompiler.ir import hardware as hw
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType


def test_short_adders_have_none() -> None:
    assert [adder_cells(bits, "ecp5") for bits in (1, 4, 5, 6, 7)] == [0, 0, 3, 3, 4]
    assert [adder_cells(bits, "xc7") for bits in (2, 3, 4, 5, 8, 9)] == [0, 1, 1, 2, 2, 3]
    assert [adder_cells(bits, "ice40") for bits in (2, 3, 9)] == [0, 3, 9]


def test_comparisons_drop_an_odd_top_or_take_pieces() -> None:
    assert [comparator_cells(bits, "ecp5") for bits in (4, 5, 9, 12)] == [0, 2, 4, 6]
    assert comparator_cells(9, "ecp5", constant=True) == 5
    assert [comparator_cells(bits, "xc7") for bits in (5, 7, 12, 13)] == [0, 1, 1, 2]
    assert comparator_cells(13, "xc7", constant=True) == 1  # three pieces of six bits


def test_counters_of_few_states_have_none() -> None:
    assert counter_cells("ecp5", 1, 16, 17, 100) == 3 + 4
    assert counter_cells("xc7", 1, 4, 5, 17) == 1 + 2


def unsigned(bits: int) -> IntType:
    return IntType(0, (1 << bits) - 1)


def stream(bits: int, lanes: int, shape: tuple[int, int, int] = (16, 16, 16)) -> hw.StreamType:
    return hw.StreamType("x", shape, unsigned(bits), lanes)


FOUND = {
    "ecp5": {"fifo_4x17": 3, "fifo_16x100": 12, "max_2_7": 6, "sum_4_5": 16, "add": 24},
    "xc7": {"fifo_4x17": 4, "fifo_16x100": 6, "max_2_7": 3, "sum_4_5": 8, "add": 16},
}


@pytest.mark.parametrize("family", FOUND)
def test_modules_as_yosys_found_them(family: str) -> None:
    window = hw.Window((3, 3), groups=8, rows=6, lanes=2)
    pooled = window.infer([stream(7, 2)])[0]
    pairs = hw.Window((2, 2), groups=4, rows=4, lanes=4).infer([stream(5, 4)])[0]
    signed = hw.StreamType("x", (8, 8, 8), IntType(-8, 7), 8)
    cases = {
        "fifo_4x17": (hw.Fifo(17), [stream(4, 1, (1, 32, 32))]),
        "fifo_16x100": (hw.Fifo(100), [stream(16, 1, (1, 32, 32))]),
        "max_2_7": (hw.MaxPool("t", (16, 14, 14), lanes=2), [pooled]),
        "sum_4_5": (hw.SumPool("t", (16, 15, 15), lanes=4), [pairs]),
        "add": (hw.Add("t", 1, 1, lanes=8), [signed, signed]),
    }
    for name, (op, inputs) in cases.items():
        cost = module_cost(op, inputs, op.infer(inputs), family)
        assert cost.carry == FOUND[family][name], name


@pytest.mark.parametrize(("family", "carry"), [("ecp5", 4 + 7 + 9), ("xc7", 2 + 4 + 5)])
def test_an_array_has_counters_and_an_accumulator(family: str, carry: int) -> None:
    """144 beats, 9,216 words, sums of 18 bits."""
    weight = np.random.default_rng(0).integers(-7, 8, (16, 16, 3, 3)).astype(np.int64)
    plan = encode(weight)
    op = hw.BitSerialArray(
        "y", weight, plan.signs, plan.exps, (16, 30, 30), IntType(-(1 << 17), (1 << 17) - 1)
    )
    x = hw.Window((3, 3), repeat=op.repeat, rows=6, lanes=1).infer([stream(8, 1, (16, 32, 32))])
    assert module_cost(op, x, op.infer(x), family).carry == carry
