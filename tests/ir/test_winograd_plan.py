"""The plan of the Winograd unit: terms, widths, turns."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.errors import GraphError
from qcompiler.ir.types import IntType
from qcompiler.ir.winograd import TILES, digits, tile
from qcompiler.ir.winograd_passes import OutputPass, slots, terms
from qcompiler.ir.winograd_plan import WinogradPlan, most_turns


def test_digits_and_terms_make_the_value() -> None:
    for value in range(-40, 41):
        assert sum((-1 if minus else 1) << shift for shift, minus in digits(value)) == value
    assert [len(digits(v)) for v in (1, 3, 5, 6, 7, 24)] == [1, 2, 2, 2, 2, 2]
    row = (4, 0, -5, 0, 1, 0)
    x = [3, 1, 4, 1, 5, 9]
    made = sum((-1 if t.negative else 1) * x[t.operand] << t.shift for t in terms(row))
    assert made == int(np.dot(row, x))


@pytest.mark.parametrize(("m", "count"), [(2, 2), (4, 4)])
def test_slots_hold_the_matrix(m: int, count: int) -> None:
    matrix = tile(m).data
    found = slots(matrix)
    assert len(found) == count
    assert not any(term.negative for term in found[0])
    for k, row in enumerate(matrix):
        made = np.zeros(len(row), np.int64)
        for slot in found:
            made[slot[k].operand] += (-1 if slot[k].negative else 1) << slot[k].shift
        assert made.tolist() == list(row)


def test_4x4_never_adds_in_one_row_and_subtracts_in_another() -> None:
    plan = WinogradPlan.build(np.ones((2, 2, 3, 3), int), 4, IntType(0, 15), IntType(0, 270), pe=1,
                              simd=1)  # fmt: skip
    for one in plan.input_passes:
        assert not any(node.mixed for level in one.levels for node in level)


@pytest.mark.parametrize("m", TILES)
def test_bits_that_no_result_depends_on_are_not_carried(m: int) -> None:
    rng, x = np.random.default_rng(m), IntType(-63, 63)
    w = rng.integers(-63, 64, (8, 16, 3, 3))
    ranges = tile(m).ranges(w, x)
    plan = WinogradPlan.build(w, m, x, ranges.result, pe=2, simd=4)
    shift = max(tile(m).shifts)
    assert plan.row_bits <= plan.acc.bits + shift
    assert plan.product_bits <= min(ranges.products.bits, plan.acc.bits + 2 * shift)
    first, second = plan.output_passes
    assert (first.x_bits, first.y_bits) == (plan.product_bits, plan.row_bits)
    assert (second.y_bits, second.divisor) == (plan.acc.bits, 1 if m == 2 else 9)
    assert second.acc_bits >= plan.row_bits


@pytest.mark.parametrize("bits", [3, 7, 13, 25, 40])
def test_the_steps_of_the_division_are_the_inverse_of_nine(bits: int) -> None:
    four = tile(4)
    plan = OutputPass(four.folded, four.shifts, bits, bits, 1, 1, 9)
    factor = 1
    for shift, minus in plan.steps:
        factor += (-factor if minus else factor) << shift
    assert factor % (1 << bits) == four.inverse(bits)


def test_turns() -> None:
    assert [most_turns(8, n) for n in (1, 2, 3, 7, 8, 99)] == [1, 2, 2, 4, 8, 8]
    w = np.ones((12, 6, 3, 3), int)
    plan = WinogradPlan.build(w, 2, IntType(0, 1), IntType(0, 54), pe=4, simd=2)
    assert (plan.words, plan.cfolds) == (3, 3)
    assert (plan.input_turns, plan.output_turns) == (2, 2)
    assert plan.tile_cycles == 16 * 3 * 3
    with pytest.raises(GraphError, match="5 PE and 2 SIMD do not divide"):
        WinogradPlan.build(w, 2, IntType(0, 1), IntType(0, 54), pe=5, simd=2)
