"""The array's price: what the folding solver relies on."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.estimate.array import (
    StepSizes,
    array_lut,
    lane_tree,
    slot_adders,
    step_sizes,
)
from qcompiler.estimate.devices import FAMILIES
from qcompiler.estimate.model import module_cost
from qcompiler.hardware.array import ArrayUnit
from qcompiler.ir import hardware as hw
from qcompiler.ir.plane_steps import Schedule
from qcompiler.ir.planes import Planes, encode
from qcompiler.ir.types import IntType


def _array(
    pe: int, simd: int, planes: int, per_fold: bool = False
) -> tuple[hw.BitSerialArray, hw.StreamType]:
    rng = np.random.default_rng(0)
    weight = rng.integers(-7, 8, (16, 16, 3, 3)).astype(np.int64)
    if per_fold:
        weight[8:] = weight[8:] > 0
    plan = encode(weight)
    op = hw.BitSerialArray(
        "y", weight, plan.signs, plan.exps, (16, 8, 8), IntType(-9000, 9000)
    ).folded(pe, simd, planes, per_fold)
    x = hw.StreamType("x", (16, 10, 10), IntType(0, 15), simd)
    window = hw.Window((3, 3), repeat=op.repeat, rows=6, lanes=simd)
    return op, window.infer([x])[0]


def test_the_lane_tree_has_the_generators_sizes() -> None:
    # 5 lanes of 4 bits: pairs 5+5+4(odd), then 6 and a pass of 4, then 7; the top is the carry.
    tree = lane_tree(5, 4, "xc7")
    assert (tree.width, tree.levels) == (7, 3)
    assert tree.gate == 2 * 5 + 4 and tree.pair == 2 * 4
    assert tree.add == 5 + 6 and tree.ff == (2 * 5 + 4) + (6 + 4) + 7
    assert (tree.pair_carry, tree.carry, tree.shift) == (2 * 2, 2 + 2, 0)


def test_registers_in_a_row_go_into_luts_of_xilinx() -> None:
    # 9 lanes of 8 bits: the odd one waits in three registers for 8+1 pairs to become two sums.
    tree, other = lane_tree(9, 8, "xc7"), lane_tree(9, 8, "ecp5")
    assert tree.shift == 8 and other.shift == 0
    assert other.ff - tree.ff == 3 * 8
    assert lane_tree(5, 8, "xc7").shift == 0  # two in a row stay


def test_the_slot_tree_joins_neighbours() -> None:
    assert slot_adders(1, 6) == 0
    # Two joins of 6 + 1 bits above the low one, then one of 8 + 2 above the two low ones.
    assert slot_adders(4, 6) == 2 * 7 + 8


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
        width = lane_tree(simd, 4, family).width
        steps = step_sizes(op.schedule, width, op.acc.bits, family)
        quick = array_lut(pe, simd, planes, 4, op.acc.bits, family, depth=depth, steps=steps)
        whole = module_cost(op, [x], op.infer([x]), family).lut
        assert quick <= whole <= 1.3 * quick + 30, (pe, simd, planes)


def test_a_wide_rom_of_few_words_is_not_free() -> None:
    """Yosys has no block RAM for it: 16 words of 512 bits take a LUT each bit."""
    weight = np.ones((16, 16, 3, 3), np.int64)
    op = hw.BitSerialArray(
        "y", weight, (1,) * 8, tuple(range(7, -1, -1)), (16, 8, 8), IntType(0, 9)
    )
    folded = op.folded(8, 16, 4)
    x = hw.StreamType(
        "x", (16, 10, 10), IntType(0, 15), 16, hw.Order((3, 3), (1, 1), (1, 1), 1, folded.repeat)
    )
    bare = array_lut(8, 16, 4, 4, op.acc.bits, "ecp5")
    assert module_cost(folded, [x], folded.infer([x]), "ecp5").lut > bare + 400


def test_a_bit_operation_costs_a_little_more_than_two_lut4() -> None:
    lut = array_lut(16, 32, 2, 4, 16, "ecp5")
    assert 2.0 < lut / (16 * 32 * 2 * 4) < 2.6  # for each of the four activation bits


@pytest.mark.parametrize("family", FAMILIES)
def test_planes_of_each_fold_take_luts_and_spare_memory(family: str) -> None:
    op, _ = _array(4, 8, 1, per_fold=True)
    layer = op.folded(4, 8, 1)
    assert op.repeat == 4 + 4 + 1 + 1 and layer.repeat == 16
    source = hw.StreamType("x", (16, 10, 10), IntType(0, 15), 8)
    costs = []
    for each in (op, layer):
        fed = hw.Window((3, 3), repeat=each.repeat, rows=6, lanes=8).infer([source])
        costs.append(module_cost(each, fed, each.infer(fed), family))
    assert costs[1].lut < costs[0].lut < 1.5 * costs[1].lut
    assert costs[0].memory_bits * 16 == costs[1].memory_bits * 10


def test_what_is_accumulated_is_chosen_in_luts_of_four_inputs() -> None:
    """Sum kept, sum shifted, and two bits of operation; in one step only the sum kept."""
    several, _ = _array(4, 8, 1)
    one, _ = _array(4, 8, 4)
    assert step_sizes(several.schedule, 7, 16, "ecp5").base == 16
    assert step_sizes(several.schedule, 7, 16, "xc7").base == 0
    assert step_sizes(one.schedule, 7, 16, "ecp5").base == 0


def test_an_array_of_one_list_pays_for_no_tables() -> None:
    op, _ = _array(4, 8, 1)
    assert step_sizes(op.schedule, 7, 16, "ecp5") == StepSizes(0, 0, 0.0, 16)


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 5])
def test_the_joins_are_those_of_the_generator(slots: int) -> None:
    """Bits that select or negate, counted on the plan of the slot tree itself."""
    lists = (
        ((-1, 9), (1, 8), (-1, 6), (1, 5), (1, 1)),
        ((1, 6), (-1, 6), (1, 0)),
        ((-1, 4), (-1, 1)),
    )
    found = step_sizes(Schedule(lists, slots), 7, 0, "ecp5")
    planes = [
        Planes(*zip(*each, strict=True), np.ones((len(each), 2, 1, 1, 8), np.uint8))
        for each in lists
    ]
    unit = ArrayUnit.build(
        "y", planes=planes, groups=1, pe=2, simd=8, planes_per_cycle=slots,
        act_bits=4, act_signed=False, acc_bits=20,
    )  # fmt: skip
    joins = [m for m in unit.merges if m.right is not None]
    assert (found.select > 0) == any(len(m.shifts) > 1 for m in joins)
    assert (found.mixed > 0) == any(m.mixed for m in joins)
