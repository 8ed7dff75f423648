"""The common step of a residual addition (docs/numerics.md §3)."""

from __future__ import annotations

from qcompiler.errors import QCompilerError
from qcompiler.ir.types import IntType

MOST = 1 << 16
EXACT_MOST = 64  # finer ratios are only tried approximately
EXACT = 1e-12  # relative: float64 noise of a ratio that was meant to be whole


def common_step(
    sa: float, sb: float, a: IntType, b: IntType, out_step: float | None, where: str
) -> tuple[int, int, float]:
    """Least (a_mul, b_mul) and a step with ``sa ≈ a_mul·step`` and ``sb ≈ b_mul·step``.

    An exact ratio of small numbers is taken where there is one. Otherwise one side is exact and
    the other's error over its range stays below a quarter of ``out_step`` (of 1/256 of the
    larger side where None).
    """
    reach = max(_reach(a) * sa, _reach(b) * sb)
    limit = (out_step if out_step is not None else reach / 256) / 4
    best = _search(sa, sb, a, b, 0.0, EXACT_MOST) or _search(sa, sb, a, b, limit, MOST)
    if best is None or max(best[:2]) > MOST:
        raise QCompilerError(
            f"the steps {sa:g} and {sb:g} of the two branches are too far apart to be added",
            where=where,
            hint="give the branches closer ranges or fewer bits behind the addition",
        )
    return best


def _search(
    sa: float, sb: float, a: IntType, b: IntType, limit: float, most: int
) -> tuple[int, int, float] | None:
    """Least multipliers with an alignment error below ``limit``; 0 allows float64 noise alone."""
    best: tuple[int, int, float] | None = None
    for fine, coarse, swap, span in ((sb, sa, False, a), (sa, sb, True, b)):
        for m in range(1, most + 1):
            step = fine / m
            n = round(coarse / step)
            error = abs(coarse - n * step)
            if n and (error <= coarse * EXACT or error * _reach(span) < limit):
                pair = (m, n) if swap else (n, m)
                if best is None or sum(pair) < best[0] + best[1]:
                    best = (*pair, step)
                break
    return best


def _reach(elem: IntType) -> int:
    return max(abs(elem.lo), abs(elem.hi))
