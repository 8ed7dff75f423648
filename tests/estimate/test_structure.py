"""Modules against what Yosys 0.70 makes of them: the structure that the estimates have in them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcompiler.estimate.memory import rom_cost_of
from qcompiler.estimate.model import module_cost
from qcompiler.ir import hardware as hw
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType

FOUND = Path(__file__).parents[2] / "benchmarks" / "calibration"


def unsigned(bits: int) -> IntType:
    return IntType(0, (1 << bits) - 1)


def stream(bits: int, lanes: int, channels: int, size: int = 16) -> hw.StreamType:
    return hw.StreamType("x", (channels, size, size), unsigned(bits), lanes)


def pooled(lanes: int, bits: int, kernel: int) -> list[hw.StreamType]:
    window = hw.Window((kernel, kernel), groups=16 // lanes, rows=2 * kernel, lanes=lanes)
    return list(window.infer([stream(bits, lanes, 16)]))


def found(family: str, name: str) -> dict[str, int]:
    """What `make calibrate` keeps of a module."""
    rows: dict[str, Any] = json.loads((FOUND / f"{family}.json").read_text())["modules"]
    return rows[name]


def differ(name: str, op: Any, inputs: Iterable[hw.StreamType], family: str) -> tuple[float, float]:
    """(LUT of the estimate over those found, flip-flops less those found)."""
    given = list(inputs)
    cost, cells = module_cost(op, given, op.infer(given), family), found(family, name)
    return cost.lut / cells["lut"], cost.ff - cells["ff"]


@pytest.mark.parametrize("family", ["ecp5", "xc7"])
@pytest.mark.parametrize(("simd", "planes"), [(8, 2), (8, 4), (4, 1)])
def test_registers_of_an_array_are_exact(simd: int, planes: int, family: str) -> None:
    name = f"arr_4x{simd}x{planes}_a4w4k3g1"
    rng = np.random.default_rng(sum(map(ord, name)))
    weight = rng.integers(-7, 8, (16, 16, 3, 3)).astype(np.int64)
    plan = encode(weight)
    high = int(np.abs(weight).sum(axis=(1, 2, 3)).max()) * 15
    op = hw.BitSerialArray(
        name, weight, plan.signs, plan.exps, (16, 30, 30), IntType(-high, high),
        pe=4, simd=simd, planes=planes,
    )  # fmt: skip
    window = hw.Window((3, 3), repeat=op.repeat, rows=6, lanes=simd)
    x = window.infer([stream(4, simd, 16, 32)])
    lut, ff = differ(name, op, x, family)
    assert ff == 0 and lut == pytest.approx(1, abs=0.12)
    assert module_cost(op, x, op.infer(x), family).carry == found(family, name)["carry"]


@pytest.mark.parametrize(("lanes", "bits"), [(4, 5), (2, 7), (1, 12)])
def test_a_maximum_is_a_chain_and_a_choice(lanes: int, bits: int) -> None:
    kernel = 2 if lanes == 4 else 3
    op = hw.MaxPool("t", (16, 17 - kernel, 17 - kernel), lanes=lanes)
    lut, ff = differ(f"max_{lanes}_{bits}_{kernel}", op, pooled(lanes, bits, kernel), "ecp5")
    assert lut == pytest.approx(1, abs=0.1) and ff == 0


@pytest.mark.parametrize("family", ["ecp5", "xc7"])
@pytest.mark.parametrize(("have", "want", "bits"), [(9, 1, 8), (16, 2, 4), (9, 4, 5), (10, 1, 6)])
def test_words_are_picked_in_trees(have: int, want: int, bits: int, family: str) -> None:
    x = stream(bits, have, 10_080, 8)
    lut, ff = differ(f"adapter_{have}to{want}_{bits}", hw.Adapter(want), [x], family)
    assert lut == pytest.approx(1, abs=0.15) and ff == 0


def test_equal_columns_of_lanes_at_one_address_are_one_register() -> None:
    words = np.array([0b01, 0b10, 0b11, 0b00], object)
    both = words | (words ^ 0b10) << 2  # the second lane: one column again, one inverted
    one, two = rom_cost_of(words, 2, "xc7"), rom_cost_of(both, 2, "xc7", lanes=2)
    assert (one.ff, two.ff) == (2, 3)
    assert one.lut == two.lut == 2, "a column and its inverse share a LUT"
    assert two.memory_bits == 2 * one.memory_bits == 16


def test_muxf7_joins_powers_of_two() -> None:
    words = np.random.default_rng(0).integers(0, 2, 192).astype(object)
    assert [rom_cost_of(words[:n], 1, "xc7").lut for n in (64, 65, 128, 192)] == [1, 2, 2, 4]


def _scale(lanes: int, bits: int, mul: int, channels: int, out: int, seed: int) -> hw.Scale:
    rng = np.random.default_rng(seed)
    m = rng.integers(1 << mul - 2, 1 << mul, channels)
    r = rng.integers(-(1 << mul + 6), 1 << mul + 6, channels)
    return hw.Scale("t", m, r, bits + mul - out - 1, unsigned(out), unsigned(out), lanes=lanes)


@pytest.mark.parametrize("family", ["ecp5", "xc7"])
def test_two_words_leave_few_registers_of_constants(family: str) -> None:
    """Columns of two words are 0 and 1 or 1 and 0, whatever the lanes."""
    op = _scale(6, 18, 14, 12, 5, seed=0)
    x = hw.StreamType("x", (12, 16, 16), IntType(-(1 << 17), (1 << 17) - 1), 6)
    few = module_cost(op, [x], op.infer([x]), family)
    wide = _scale(6, 18, 14, 48, 5, seed=0)
    y = hw.StreamType("x", (48, 16, 16), IntType(-(1 << 17), (1 << 17) - 1), 6)
    many = module_cost(wide, [y], wide.infer([y]), family)
    assert many.ff - few.ff > 100
    fixed = 6 * 5 + 1 + 4 + 2  # outputs, word, valid bits, two columns of constants
    if family == "xc7":
        assert few.ff == fixed
    else:  # tlast, inputs, products and sums; two columns of offsets wait beside the products
        assert few.ff == fixed + 4 + 6 * 18 + 6 * (33 + 8) + 2


@pytest.mark.parametrize("family", ["ecp5", "xc7"])
@pytest.mark.parametrize("serial", [False, True])
def test_thresholds_as_yosys_found_them(serial: bool, family: str) -> None:
    """Of 16 words and 15 thresholds: ROMs in LUTs or in a block."""
    rng = np.random.default_rng(1)
    steps = np.sort(rng.integers(-(1 << 15), 1 << 15, (16, 15)), axis=1).astype(np.int64)
    op = hw.Threshold("t", steps, np.tile(np.arange(16), (16, 1)), unsigned(4), serial=serial)
    x = hw.StreamType("x", (16, 16, 16), IntType(-(1 << 15), (1 << 15) - 1), 1)
    lut, ff = differ(f"{'ser' if serial else 'thr'}_1_16_15_16", op, [x], family)
    assert lut == pytest.approx(1, abs=0.1) and abs(ff) <= 1
