"""Common steps of residual additions: exact where the ratio is, else within the bound."""

from __future__ import annotations

from math import gcd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcompiler.errors import QCompilerError
from qcompiler.ir.types import IntType
from qcompiler.passes.common_step import EXACT_MOST, MOST, common_step

BYTE = IntType(-127, 127)


@given(n=st.integers(1, 64), m=st.integers(1, EXACT_MOST), step=st.floats(1e-6, 1e3))
def test_ratios_of_small_numbers_are_exact_and_least(n: int, m: int, step: float) -> None:
    a_mul, b_mul, common = common_step(n * step, m * step, BYTE, BYTE, 1e-9, "add")
    assert (a_mul, b_mul) == (n // gcd(n, m), m // gcd(n, m))
    assert common * a_mul == pytest.approx(n * step, rel=1e-12)
    assert common * b_mul == pytest.approx(m * step, rel=1e-12)


@pytest.mark.parametrize("seed", range(50))
def test_any_ratio_is_within_a_quarter_of_the_output_step(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sa, sb = (float(s) for s in 10.0 ** rng.uniform(-2, 0, 2))
    a, b = (IntType(-int(rng.integers(0, 200)), int(rng.integers(1, 256))) for _ in range(2))
    reach = max(max(-a.lo, a.hi) * sa, max(-b.lo, b.hi) * sb)
    out = None if seed % 5 == 0 else float(reach / rng.integers(3, 256))
    a_mul, b_mul, step = common_step(sa, sb, a, b, out, "add")
    error_a = abs(sa - a_mul * step) * max(-a.lo, a.hi)
    error_b = abs(sb - b_mul * step) * max(-b.lo, b.hi)
    limit = (reach / 256 if out is None else out) / 4
    assert error_a + error_b < limit
    assert min(error_a, error_b) <= 1e-9 * step, "one side is exact"
    assert 1 <= a_mul <= MOST and 1 <= b_mul <= MOST
    # no smaller pair would do with either side exact
    for fine, coarse, least, span in ((sb, sa, b_mul, a), (sa, sb, a_mul, b)):
        for m in range(1, min(a_mul, b_mul, least)):
            n = round(coarse / (fine / m))
            if n and n + m < a_mul + b_mul:
                assert abs(coarse - n * fine / m) * max(-span.lo, span.hi) >= limit


def test_too_far_apart() -> None:
    with pytest.raises(QCompilerError, match=r"^add1: the steps 1000 and 0\.001 .*too far apart"):
        common_step(1e3, 1e-3, BYTE, BYTE, 1e-4, "add1")
