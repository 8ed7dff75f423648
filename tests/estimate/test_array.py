"""The array's price: what the folding solver relies on."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.estimate.array import array_lut, array_price, lane_tree, slot_tree
from qcompiler.estimate.devices import FAMILIES
from qcompiler.estimate.model import module_cost
from qcompiler.ir import hardware as hw
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType


def _array(pe: int, simd: int, planes: int) -> tuple[hw.BitSerialArray, hw.StreamType]:
    rng = np.random.default_rng(0)
    weight = rng.integers(-7, 8, (16, 16, 3, 3)).astype(np.int64)
    plan = encode(weight)
    op = hw.BitSerialArray(
        "y", weight, plan.signs, plan.exps, (16, 8, 8), IntType(-9000, 9000),
        pe=pe, simd=simd, planes=planes,
    )  # fmt: skip
    x = hw.StreamType("x", (16, 10, 10), IntType(0, 15), simd)
    window = hw.Window((3, 3), repeat=op.repeat, rows=6, lanes=simd)
    return op, window.infer([x])[0]


def test_the_lane_tree_has_the_generators_sizes() -> None:
    # 5 lanes of 4 bits: pairs 5+5+4(odd, widened), then 6 and a pass, then 7.
    tree = lane_tree(5, 4, "xc7")
    assert (tree.width, tree.levels) == (7, 3)
    assert tree.gate == 3 * 5 and tree.pair == 2 * 5
    assert tree.add == 6 + 7 and tree.ff == 3 * 5 + 2 * 6 + 7


def test_the_slot_tree_joins_neighbours() -> None:
    assert slot_tree(1, 6) == (0, 0)
    # Two joins of 6 + 1 bits above the low one, then one of 8 + 2 above the two low ones.
    adders, ff = slot_tree(4, 6)
    assert adders == 2 * 7 + 8 and ff == 2 * 8 + 10


@pytest.mark.parametrize("family", FAMILIES)
def test_more_parallel_costs_more(family: str) -> None:
    base = array_lut(4, 8, 2, 4, 16, family)
    assert 0 < base < array_lut(8, 8, 2, 4, 16, family)
    assert base < array_lut(4, 16, 2, 4, 16, family)
    assert base < array_lut(4, 8, 3, 4, 16, family)
    assert base < array_lut(4, 8, 2, 5, 16, family)
    assert base < array_lut(4, 8, 2, 4, 17, family)
    assert base < array_lut(4, 8, 2, 4, 16, family, depth=20)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_quick_price_is_that_of_the_module(family: str) -> None:
    for pe, simd, planes in ((1, 1, 1), (4, 4, 1), (4, 8, 2), (8, 16, 4)):
        op, x = _array(pe, simd, planes)
        depth = op.repeat * 9 * (16 // simd)
        quick = array_lut(pe, simd, planes, 4, op.acc.bits, family, depth=depth)
        whole = module_cost(op, [x], op.infer([x]), family).lut
        assert quick <= whole <= 1.3 * quick + 30, (pe, simd, planes)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_price_of_a_folding_is_that_of_array_rom_and_line_buffer(family: str) -> None:
    """A line buffer's counters take LUTs too, whatever the folding."""
    for pe, simd, planes in ((1, 1, 1), (4, 8, 2), (2, 16, 4)):
        op, x = _array(pe, simd, planes)
        source = hw.StreamType("x", (16, 10, 10), IntType(0, 15), 1)
        window = hw.Window((3, 3), repeat=op.repeat, rows=6)
        lut, bram = array_price(family)(op, window, source)(pe, simd, planes)
        folded = hw.Window((3, 3), repeat=op.repeat, rows=6, lanes=simd)
        given = hw.StreamType("x", (16, 10, 10), IntType(0, 15), simd)
        whole = module_cost(op, [x], op.infer([x]), family)
        whole += module_cost(folded, [given], folded.infer([given]), family)
        assert bram == whole.bram
        assert lut <= whole.lut <= 1.3 * lut + 150, (pe, simd, planes)


def test_a_wide_rom_of_few_words_is_not_free() -> None:
    """Yosys has no block RAM for it: 16 words of 512 bits take a LUT each bit."""
    weight = np.ones((16, 16, 3, 3), np.int64)
    op = hw.BitSerialArray(
        "y", weight, (1,) * 8, tuple(range(7, -1, -1)), (16, 8, 8), IntType(0, 9)
    )
    price = array_price("ecp5")(
        op, hw.Window((3, 3), rows=6), hw.StreamType("x", (16, 10, 10), IntType(0, 15), 1)
    )
    bare = array_lut(8, 16, 4, 4, op.acc.bits, "ecp5")
    assert price(8, 16, 4)[0] > bare + 400


def test_a_bit_operation_costs_a_little_more_than_two_lut4() -> None:
    lut = array_lut(16, 32, 2, 4, 16, "ecp5")
    assert 2.0 < lut / (16 * 32 * 2 * 4) < 2.6  # for each of the four activation bits
