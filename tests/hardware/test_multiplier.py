"""Planning and memory packing of the multiplier array; its arithmetic is simulated in tests/rtl."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.errors import GraphError
from qcompiler.estimate.memory import block_rom
from qcompiler.hardware.multiplier import MultiplierUnit, convolution_rows
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.types import IntType

CODES = IntType(-127, 127)


def unit(weights: np.ndarray, act: IntType = CODES, partial: int | None = None) -> MultiplierUnit:
    return MultiplierUnit.build("conv", weights=weights, act=act, acc_bits=32, partial_bits=partial)


def test_rom_holds_every_weight_at_its_place() -> None:
    rows = np.random.default_rng(0).integers(-16, 16, (3, 4, 2, 5))
    u = unit(rows)
    assert (u.sets, u.kbeats, u.pe, u.simd, u.plan.weight_bits) == (3, 4, 2, 5, 5)
    assert (u.rom_depth, u.rom_width) == (12, 50)
    (text,) = u.memories().values()
    lines = text.splitlines()
    assert list(u.memories()) == ["mem/conv_weights.hex"]
    assert {len(line) for line in lines} == {13}
    for row, line in zip(rows.reshape(12, 10), lines, strict=True):
        for place, weight in enumerate(row):
            assert int(line, 16) >> 5 * place & 31 == weight & 31


def test_a_convolution_s_rows_follow_the_window() -> None:
    """Groups, channel folds, kernel rows, kernel columns, words: as `qc_window` sends its beats."""
    weight = np.arange(8 * 6 * 3 * 2).reshape(8, 6, 3, 2)
    rows = convolution_rows("conv", weight, groups=2, pe=2, simd=3)
    assert rows.shape == (4, 3 * 2 * 2, 2, 3)
    for group, fold in np.ndindex(2, 2):
        beats = iter(rows[group * 2 + fold])
        for kh, kw, word in np.ndindex(3, 2, 2):
            beat = next(beats)
            for pe, lane in np.ndindex(2, 3):
                channel = group * 4 + fold * 2 + pe
                assert beat[pe, lane] == weight[channel, word * 3 + lane, kh, kw]


def test_weights_take_the_bits_they_need() -> None:
    for lo, hi, bits in ((-1, 0, 1), (-1, 1, 2), (0, 3, 3), (-8, 7, 4), (-8, 8, 5), (-127, 127, 8)):
        assert unit(np.array([lo, hi]).reshape(1, 1, 1, 2)).plan.weight_bits == bits


def test_large_roms_ask_for_block_ram() -> None:
    for depth in (2, 1000):
        u = unit(np.full((depth, 1, 2, 2), -127))
        asks = 'rom_style = "block"' in u.verilog()
        assert asks == block_rom(32, depth) == (depth == 1000)


def test_what_cannot_be_built_is_refused_by_name() -> None:
    with pytest.raises(GraphError, match=r"conv: weights must be \[sets, kbeats, pe, simd\]"):
        unit(np.zeros((2, 3, 4), np.int64))
    with pytest.raises(GraphError, match=r"conv: weights .* take 19 bits .* takes 18"):
        unit(np.array([-(1 << 17) - 1]).reshape(1, 1, 1, 1))
    with pytest.raises(GraphError, match=r"conv: activations .* take 19 bits"):
        unit(np.ones((1, 1, 1, 1)), IntType(0, (1 << 18) - 1))
    unit(np.ones((1, 1, 1, 1)), IntType(0, (1 << 17) - 1))  # with its zero sign bit it just fits
    with pytest.raises(GraphError, match=r"conv: .* not one fits in a partial sum of 16 bits"):
        unit(np.full((1, 1, 1, 1), 300), IntType(0, 255), partial=16)
    with pytest.raises(GraphError, match="do not fold to 3 × 2"):
        convolution_rows("conv", np.ones((4, 4, 1, 1)), groups=1, pe=3, simd=2)


def graph_with(weight: np.ndarray, partial: int | None = None) -> Graph:
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (4, 6, 6), IntType(0, 255), 2))
    op = hw.MultiplierArray(
        "y", weight, (8, 4, 4), IntType(-(1 << 20), 1 << 20), pe=4, simd=2, partial_bits=partial
    )
    graph.add("window", hw.Window((3, 3), repeat=op.repeat, rows=6, lanes=2), ["x"])
    graph.add("conv", op, ["window"])
    return graph


def test_the_op_folds_as_the_bit_serial_one_with_all_planes_at_once() -> None:
    weight = np.random.default_rng(1).integers(-127, 128, (8, 4, 3, 3))
    graph = graph_with(weight)
    op = graph.op("conv")
    assert (op.repeat, op.folds, op.beats, op.rate) == (2, 1, 18, 16 * 2 * 18)
    assert graph.type("conv").lanes == 4
    assert graph.op("conv").cycles([graph.type("window")], graph.types("conv")) == op.rate


def test_the_op_names_the_layer_that_does_not_fit() -> None:
    wide = np.full((8, 4, 3, 3), 1 << 17)
    with pytest.raises(GraphError, match=r"conv: weights .* take 19 bits"):
        graph_with(wide)
    with pytest.raises(GraphError, match=r"conv: .* not one fits in a partial sum"):
        graph_with(np.full((8, 4, 3, 3), 129), partial=16)
