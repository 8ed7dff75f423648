"""From the function behind an accumulator to a requantizer (docs/numerics.md §3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qcompiler.ir import integer
from qcompiler.ir.integer.ops import LOOKUP_MOST
from qcompiler.ir.nn import QuantSpec
from qcompiler.ir.rounding import round_half_even
from qcompiler.ir.types import IntType
from qcompiler.passes.clipped_affine import ClippedAffine
from qcompiler.passes.precode import PRE_BITS, code_differences, lookup_of, pre_quantizer

Array = np.ndarray[Any, Any]

M_BITS = 18  # multiplier width: an ECP5 MULT18X18 or the narrow port of a DSP48
N_MAX = 40
STEP_TABLE_BITS = 4  # the widest code that gets a step table by default
FEW = 2**-6  # share of the accumulator's values whose code a pre-code may change
MANY = 2**-4  # the same of the widest: beyond, tables are worth their price


@dataclass(frozen=True, eq=False)
class Requantized:
    """The op chosen, and on how many accumulator values, over all channels, its code is off.

    Where there is a ``pre``, it comes first, and ``op`` looks up what it makes.
    """

    op: integer.StepTable | integer.ScaleShift | integer.Lookup
    differences: int = 0
    domain: int = 0
    pre: integer.ScaleShift | None = None

    @property
    def kind(self) -> str:
        return "+".join(type(op).__name__ for op in (self.pre, self.op) if op is not None)


def requantize(
    function: ClippedAffine, domain: IntType, spec: QuantSpec, mode: str, of_codes: bool = False
) -> Requantized:
    """Choose the requantizer.

    Args:
        function: From accumulator to real value, per channel.
        domain: Range of the accumulator over all channels.
        spec: The quantizer that follows, per tensor.
        mode: ``exact`` (no code differs), ``scale`` (ScaleShift wherever it can express the
            function) or ``auto`` (exact up to 4-bit codes, else ScaleShift). Behind an h-swish
            ScaleShift makes a pre-code, and a Lookup the code.
        of_codes: The accumulator is itself codes: one Lookup serves all channels, where that
            takes less memory than thresholds of their own.
    """
    out = IntType(spec.lo, spec.hi)
    values = (domain.hi - domain.lo + 1) * len(function.scale)
    if of_codes and mode != "scale" and (table := _cheap_lookup(function, domain, spec)):
        return Requantized(table, 0, values)
    exact = step_table(function, domain, spec)
    if mode == "exact" or (mode == "auto" and out.bits <= STEP_TABLE_BITS):
        return Requantized(exact, 0, values)
    if function.inner is not None:
        return _by_pre_code(function, function.inner, domain, spec, exact)
    op = scale_shift(function, spec, domain)
    if op is None:
        return Requantized(exact, 0, values)
    return Requantized(op, _differences(op, exact, domain), values)


def _cheap_lookup(
    function: ClippedAffine, domain: IntType, spec: QuantSpec
) -> integer.Lookup | None:
    one, entries = function.one(), 1 << domain.bits  # of the ROM, which codes address as they are
    thresholds = len(function.scale) * (spec.hi - spec.lo)
    memory = entries * IntType(spec.lo, spec.hi).bits
    if one is None or entries > LOOKUP_MOST or memory > thresholds * domain.bits:
        return None
    return lookup_of(one, np.arange(domain.lo, domain.hi + 1), spec)


def _by_pre_code(
    function: ClippedAffine,
    inner: ClippedAffine,
    domain: IntType,
    spec: QuantSpec,
    exact: integer.StepTable,
) -> Requantized:
    """The narrowest pre-code that changes few codes, else the widest; the step table if bad."""
    values = (domain.hi - domain.lo + 1) * len(function.scale)
    found = Requantized(exact, 0, values)
    for bits in range(min(IntType(spec.lo, spec.hi).bits + 1, PRE_BITS), PRE_BITS + 1):
        grid = pre_quantizer(function, domain, spec, bits)
        if grid is None or (pre := scale_shift(inner, grid.spec, domain)) is None:
            break
        op = lookup_of(grid.tail, grid.values(), spec)
        found = Requantized(op, code_differences(pre, op, exact, domain), values, pre)
        if found.differences <= FEW * values:
            return found
    return found if found.differences <= MANY * values else Requantized(exact, 0, values)


def step_table(function: ClippedAffine, domain: IntType, spec: QuantSpec) -> integer.StepTable:
    thresholds, table = function.thresholds(domain, spec)
    return integer.StepTable(thresholds, table, IntType(spec.lo, spec.hi))


def scale_shift(
    function: ClippedAffine, spec: QuantSpec, domain: IntType
) -> integer.ScaleShift | None:
    """ScaleShift, or None where channels clip at different codes, it bends, or 64 bits overflow."""
    if function.inner is not None:
        return None

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
    reach = max(abs(domain.lo), abs(domain.hi)) * int(np.abs(m).max())
    if reach + float(np.abs(r).max()) >= 2**62:
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
