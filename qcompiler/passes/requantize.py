"""From the function behind an accumulator to StepTable or ScaleShift (docs/numerics.md §3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qcompiler.ir import integer
from qcompiler.ir.nn import QuantSpec
from qcompiler.ir.rounding import round_half_even
from qcompiler.ir.types import IntType
from qcompiler.passes.clipped_affine import ClippedAffine

Array = np.ndarray[Any, Any]

M_BITS = 18  # multiplier width: an ECP5 MULT18X18 or the narrow port of a DSP48
N_MAX = 40
STEP_TABLE_BITS = 4  # the widest code that gets a step table by default


@dataclass(frozen=True, eq=False)
class Requantized:
    """The op chosen, and on how many accumulator values, over all channels, its code is off."""

    op: integer.StepTable | integer.ScaleShift
    differences: int = 0
    domain: int = 0


def requantize(function: ClippedAffine, domain: IntType, spec: QuantSpec, mode: str) -> Requantized:
    """Choose the requantizer.

    Args:
        function: From accumulator to real value, per channel.
        domain: Range of the accumulator over all channels.
        spec: The quantizer that follows, per tensor.
        mode: ``exact`` (StepTable always), ``scale`` (ScaleShift wherever it can express the
            function) or ``auto`` (StepTable up to 4-bit codes, else ScaleShift).
    """
    out = IntType(spec.lo, spec.hi)
    values = (domain.hi - domain.lo + 1) * len(function.scale)
    if mode == "exact" or (mode == "auto" and out.bits <= STEP_TABLE_BITS):
        return Requantized(step_table(function, domain, spec), 0, values)
    op = scale_shift(function, spec)
    if op is None:
        return Requantized(step_table(function, domain, spec), 0, values)
    exact = step_table(function, domain, spec)
    return Requantized(op, _differences(op, exact, domain), values)


def step_table(function: ClippedAffine, domain: IntType, spec: QuantSpec) -> integer.StepTable:
    thresholds, table = function.thresholds(domain, spec)
    return integer.StepTable(thresholds, table, IntType(spec.lo, spec.hi))


def scale_shift(function: ClippedAffine, spec: QuantSpec) -> integer.ScaleShift | None:
    """ScaleShift, or None where the channels clip at different codes."""

    def end(bound: Array, default: int) -> int | None:
        codes = np.clip(round_half_even((bound - spec.offset) / spec.step_in), spec.lo, spec.hi)
        return int(codes[0]) if (codes == codes[0]).all() else None

    lo, hi = end(function.low, spec.lo), end(function.high, spec.hi)
    if lo is None or hi is None:
        return None
    scale = function.scale / spec.step_in
    shift = (function.shift - spec.offset) / spec.step_in + 0.5
    largest = float(np.abs(scale).max())
    if largest == 0:
        n = 0
    else:
        n = int(np.floor(np.log2((2**M_BITS - 1) / largest)))
        n = max(0, min(n, N_MAX))
    m = np.rint(scale * 2.0**n).astype(np.int64)
    if np.abs(m).max() >= 2**M_BITS:
        return None
    # A bias far outside the codes' range saturates: keep r within what any code can need.
    r = np.floor(shift * 2.0**n)
    if np.abs(r).max() >= 2**62:
        return None
    out = IntType(spec.lo, spec.hi)
    return integer.ScaleShift(m, r.astype(np.int64), n, IntType(lo, hi), out)


def _differences(op: integer.ScaleShift, exact: integer.StepTable, domain: IntType) -> int:
    """Accumulator values at which the two give different codes, over all channels.

    Both are monotone with the same direction, so they differ between their thresholds alone. A
    value that is off by two codes counts twice, except where m is 0.
    """
    out = exact.table
    lo, hi = int(out.min()), int(out.max())
    k = np.arange(1, hi - lo + 1)
    total = 0
    for c, (m, r) in enumerate(zip(op.m.tolist(), op.r.tolist(), strict=True)):
        if m == 0:
            code = min(max(r >> op.n, op.clamp.lo), op.clamp.hi)
            codes_at = _table_ranges(exact, c, domain)
            total += sum(n for value, n in codes_at if value != code)
            continue
        sign = 1 if m > 0 else -1
        # rising: x·m + r >= goal·2^n  <=>  x >= ceil((goal·2^n - r) / m); falling: mirrored in x
        goal = (lo + k if sign > 0 else hi - k + 1).astype(object)
        edge = goal * (1 << op.n) - r
        first = [-((-e) // m) if m > 0 else (e // m) + 1 for e in edge]
        reach = np.clip(np.array(first, dtype=np.float64), domain.lo, domain.hi + 1).astype(
            np.int64
        )
        codes = lo + k if sign > 0 else hi - k
        clamped = (codes > op.clamp.hi) if sign > 0 else (codes < op.clamp.lo)
        never = (codes <= op.clamp.lo) if sign > 0 else (codes >= op.clamp.hi)
        reach = np.where(clamped, domain.hi + 1, np.where(never, domain.lo, reach))
        want = np.clip(exact.thresholds[c], domain.lo, domain.hi + 1)
        total += int(np.abs(reach - want).sum())
    return total


def _table_ranges(exact: integer.StepTable, c: int, domain: IntType) -> list[tuple[int, int]]:
    edges = np.clip(exact.thresholds[c], domain.lo, domain.hi + 1)
    edges = np.concatenate([[domain.lo], edges, [domain.hi + 1]])
    return [(int(v), int(n)) for v, n in zip(exact.table[c], np.diff(edges), strict=True)]
