"""The fast step kernels: what they claim to be exact is checked over the entire domain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from qcompiler.ir import integer
from qcompiler.ir.nn import QuantSpec
from qcompiler.ir.types import IntType
from qcompiler.passes.clipped_affine import ClippedAffine
from qcompiler.passes.requantize import step_table
from qcompiler.reference import steps
from qcompiler.reference.steps import DirectKernel, StepKernel, TableKernel, step_table_kernel

Array = np.ndarray[Any, Any]


def over_the_domain(op: integer.StepTable, domain: IntType) -> tuple[Array, Array]:
    """(kernel's codes, table's codes) for every x and every channel."""
    x = np.arange(domain.lo, domain.hi + 1)
    kernel, _ = step_table_kernel(op, domain)
    channels = len(op.thresholds)
    batch = np.broadcast_to(x, (channels, len(x)))[None, :, :, None].astype(np.float32)
    got = kernel(torch.from_numpy(np.ascontiguousarray(batch)))[0, :, :, 0].numpy()
    want = [
        table[np.searchsorted(thresholds, x, side="right")]
        for thresholds, table in zip(op.thresholds, op.table, strict=True)
    ]
    return got.astype(np.int64), np.array(want)


def random_affine_table(rng: np.random.Generator) -> tuple[integer.StepTable, IntType]:
    """What a layer's requantizer makes: a clipped affine function, rounded."""
    channels, bits = 4, int(rng.integers(1, 9))
    lo = int(rng.choice([0, -(2 ** (bits - 1)) + 1])) if bits > 1 else 0
    spec = QuantSpec.uniform(1.0, lo, lo + 2**bits - 1, float(rng.choice([0.0, 0.3])))
    reach = int(10 ** rng.uniform(1, 5.3))
    domain = IntType(-int(rng.integers(0, reach)), int(rng.integers(0, reach)))
    scale = 2.0**bits / reach * 10 ** rng.uniform(-1.5, 1.5, channels)
    function = ClippedAffine.affine(scale, rng.normal(0, 2.0**bits, channels), channels)
    if rng.random() < 0.5:
        function = function.then_clip(0.0, float(rng.choice([np.inf, 6.0])))
    return step_table(function, domain, spec), domain


@pytest.mark.parametrize("block", range(8))
def test_the_affine_kernel_equals_the_table_everywhere(block: int) -> None:
    affine = 0
    for seed in range(20):
        op, domain = random_affine_table(np.random.default_rng([block, seed]))
        got, want = over_the_domain(op, domain)
        np.testing.assert_array_equal(got, want, err_msg=f"{block} {seed} {domain}")
        affine += isinstance(step_table_kernel(op, domain)[0], StepKernel)
    assert affine >= 5, "the fast path must be taken where it can be"


@pytest.mark.parametrize("block", range(4))
def test_tables_that_are_nearly_or_not_at_all_affine(block: int) -> None:
    """Thresholds moved by one, and thresholds from nowhere: exact, by whichever kernel."""
    for seed in range(20):
        rng = np.random.default_rng([9, block, seed])
        count, domain = int(rng.integers(1, 16)), IntType(-200, 300)
        if seed % 2:
            regular = np.arange(count) * int(rng.integers(1, 30)) + int(rng.integers(-150, 50))
            thresholds = np.sort(regular + rng.integers(-1, 2, (3, count)), axis=1)
        else:
            thresholds = np.sort(rng.integers(-250, 350, (3, count)), axis=1)
        lo = int(rng.integers(-8, 8))
        table = np.broadcast_to(lo + np.arange(count + 1), (3, count + 1)).copy()
        op = integer.StepTable(thresholds, table, IntType(lo, lo + count))
        got, want = over_the_domain(op, domain)
        np.testing.assert_array_equal(got, want)


def test_a_large_domain_of_steep_and_flat_steps() -> None:
    domain = IntType(-(2**20), 2**20)
    for scale in (2.0**-20, 3.3e-5, 0.7, 40.0):
        function = ClippedAffine.affine(scale, 0.123, 1)
        op = step_table(function, domain, QuantSpec.uniform(1.0, -8, 7))
        got, want = over_the_domain(op, domain)
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("thresholds", "table"),
    [
        ([[0, 5]], [[2, 1, 0]]),  # falls
        ([[0, 5]], [[0, 2, 4]]),  # jumps
        ([[0, 0]], [[0, 1, 2]]),  # two steps at once
        ([[0, 100, 101]], [[0, 1, 2, 3]]),  # no line
    ],
)
@pytest.mark.parametrize("most", [0, steps.MOST_DIRECT])
def test_other_kernels_where_there_is_no_line(
    thresholds: Any, table: Any, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "MOST_DIRECT", most)
    op = integer.StepTable(np.array(thresholds), np.array(table), IntType(0, 9))
    kernel, label = step_table_kernel(op, IntType(-300, 300))
    assert isinstance(kernel, DirectKernel if most else TableKernel)
    assert label == ("direct table" if most else "float32 search")
    got, want = over_the_domain(op, IntType(-300, 300))
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("most", [0, steps.MOST_DIRECT])
@pytest.mark.parametrize("seed", range(10))
def test_tables_in_no_order(seed: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an h-swish makes them; thresholds may repeat, and lie outside the domain."""
    monkeypatch.setattr(steps, "MOST_DIRECT", most)
    rng = np.random.default_rng([seed, 3])
    lo = int(rng.integers(-(2**23) + 1, 2**23 - 1000))
    domain = IntType(lo, lo + int(rng.integers(1, 999)))
    thresholds = np.sort(rng.integers(lo - 20, domain.hi + 20, (5, 12)), axis=1)
    thresholds[:, 5] = thresholds[:, 4]
    op = integer.StepTable(thresholds, rng.integers(-8, 8, (5, 13)), IntType(-8, 7))
    got, want = over_the_domain(op, domain)
    np.testing.assert_array_equal(got, want)


def test_values_that_float32_does_not_hold() -> None:
    op = integer.StepTable(np.array([[2**24 + 1]]), np.array([[0, 1]]), IntType(0, 1))
    kernel, label = step_table_kernel(op, IntType(0, 2**25))
    assert label == "float64 search"
    x = torch.tensor([2**24, 2**24 + 1, 2**24 + 2], dtype=torch.float64).reshape(1, 1, 3, 1)
    assert kernel(x).ravel().tolist() == [0, 1, 1]
