"""The bound of partial sums is tight: exact with n products, not so with one more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qcompiler.hardware.multiplier import MultiplierUnit
from qcompiler.ir.products import ProductPlan
from qcompiler.ir.types import IntType
from tests.rtl.multipliers import bench_of, dots, even, given, wanted


def partial_results(products: np.ndarray, plan: ProductPlan) -> np.ndarray:
    """Results of products [..., kbeats, simd] by partial sums that wrap at their width."""
    if plan.simd > plan.run:
        ends = np.cumsum(plan.chunks)[:-1]
        sums = [part.sum(-1) for part in np.split(products, ends, axis=-1)]
    else:
        beats = products.sum(-1)
        step = plan.run // plan.simd
        sums = [beats[..., k : k + step].sum(-1) for k in range(0, plan.beats, step)]
    half = 1 << (plan.partial_bits or 0) - 1
    total = np.zeros((), np.int64)
    for part in sums:
        wrapped = (part + half) % (2 * half) - half
        total = total + (wrapped.sum(-1) if plan.simd > plan.run else wrapped)
    return total


def extremes(act: IntType, simd: int, kbeats: int, run: int) -> tuple[MultiplierUnit, np.ndarray]:
    """A unit whose partial sums take ``run`` products, and inputs that are all an end of ``act``.

    PE 0 has only the largest weights, PE 1 only the least.
    """
    weights = np.full((1, kbeats, 2, simd), act.hi, np.int64)
    weights[:, :, 1] = act.lo
    bits = (simd * kbeats * act.lo**2).bit_length() + 1
    unit = MultiplierUnit.build("array", weights=weights, act=act, acc_bits=bits, partial_bits=16)
    x = np.empty((2, 3, 1, kbeats, simd), np.int64)
    x[0], x[1] = act.lo, act.hi
    return replace(unit, plan=replace(unit.plan, run=run)), x


SHAPES = {  # act, simd, kbeats, the most products
    "63_beats": (even(63), 1, 20, 8),
    "63_lanes": (even(63), 9, 3, 8),
    "63_no_wide_accumulator": (even(63), 3, 3, 8),
    "127_beats": (even(127), 1, 7, 2),
    "127_lanes": (even(127), 6, 2, 2),
    "128_lanes": (IntType(-128, 127), 2, 3, 1),
}


@pytest.mark.sim
@pytest.mark.parametrize("name", SHAPES)
def test_exact_with_n_products_and_wrong_with_one_more(name: str, tmp_path: Path) -> None:
    act, simd, kbeats, most = SHAPES[name]
    for run in (most, most + 1):
        unit, x = extremes(act, simd, kbeats, run)
        products = np.einsum("frskl,skpl->frspkl", x, unit.weights)
        found, exact = partial_results(products, unit.plan), dots(unit, x)
        assert (found == exact).all() == (run == most)
        bench_of(unit, tmp_path / str(run)).check(given(unit, x), wanted(unit, found))


def test_the_compiler_takes_the_most_products() -> None:
    for act, simd, kbeats, most in SHAPES.values():
        weights = np.full((1, kbeats, 1, simd), act.lo, np.int64)
        weights[0, 0, 0, 0] = act.hi
        unit = MultiplierUnit.build("a", weights=weights, act=act, acc_bits=40, partial_bits=16)
        assert unit.plan.run == most
