"""Codes behind an h-swish in two steps: a linear pre-code, and a table of what it becomes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qcompiler.ir import integer
from qcompiler.ir.nn import HardSwish, QuantSpec
from qcompiler.ir.types import IntType
from qcompiler.passes.clipped_affine import ClippedAffine

Array = np.ndarray[Any, Any]

PRE_BITS = 12  # a lookup has at most 2^12 entries
FLAT = -3.0  # h-swish is 0 from here down
HALVINGS = 60


@dataclass(frozen=True, eq=False)
class PreCode:
    """A quantizer of what goes into the h-swish, and the function from there on, one channel."""

    spec: QuantSpec
    tail: ClippedAffine

    def values(self) -> Array:
        """What the pre-codes stand for, float64."""
        codes = np.arange(self.spec.lo, self.spec.hi + 1)
        return np.asarray(self.spec.step_out * codes + self.spec.offset)


def pre_quantizer(
    function: ClippedAffine, domain: IntType, spec: QuantSpec, bits: int
) -> PreCode | None:
    """The grid of ``bits`` on which codes of the h-swish differ least.

    It reaches from where h-swish is flat to where the code changes no more. Where h-swish is a
    straight line the grid's ties include the quantizer's: its step is an odd part of that one's.

    Returns None where the channels differ behind the h-swish, or nothing is left to code.
    """
    inner = function.inner
    tail = replace(function, inner=ClippedAffine.affine(1.0, 0.0, len(function.scale))).one()
    if inner is None or tail is None or tail.scale[0] == 0:
        return None
    ends = inner.values(np.array([[domain.lo, domain.hi]]).repeat(len(inner.scale), 0))
    low, high = max(float(ends.min()), FLAT), float(ends.max())
    high = _last_change(tail, low, high, spec)
    if not high > low:
        return None
    most = 2**bits - 1
    step, offset = spec.step_in / abs(tail.scale[0]), (spec.offset - tail.shift[0]) / tail.scale[0]
    parts = np.floor((most - 2) * step / (high - low))
    fine = step / (parts - 1 + parts % 2) if parts >= 1 else (high - low) / (most - 2)
    offset = offset - np.ceil((offset - low) / fine) * fine
    top = int(np.ceil((high - offset) / fine))
    return PreCode(QuantSpec.uniform(fine, 0, top, offset), tail)


def lookup_of(function: ClippedAffine, x: Array, spec: QuantSpec) -> integer.Lookup:
    """The codes of all values ``x`` that an input type may stand for, in its order."""
    return integer.Lookup(function.codes(x[None], spec)[0], IntType(spec.lo, spec.hi))


def code_differences(
    pre: integer.ScaleShift, op: integer.Lookup, exact: integer.StepTable, domain: IntType
) -> int:
    """Accumulator values, over all channels, whose looked-up code is not the exact one."""
    changes = 1 + np.flatnonzero(np.diff(op.table)) + pre.out.lo
    total = 0
    for c, (m, r) in enumerate(zip(pre.m.tolist(), pre.r.tolist(), strict=True)):
        goals = (changes << pre.n) - r  # x·m at which the pre-code becomes a changed one
        starts = -(-goals // m) if m > 0 else goals // m + 1 if m < 0 else goals[:0]
        steps = np.concatenate([[domain.lo, domain.hi + 1], starts, exact.thresholds[c]])
        edges = np.unique(np.clip(steps, domain.lo, domain.hi + 1))
        x, lengths = edges[:-1], np.diff(edges)
        codes = np.clip((x * m + r) >> pre.n, pre.clamp.lo, pre.clamp.hi) - pre.out.lo
        want = exact.table[c][np.searchsorted(exact.thresholds[c], x, side="right")]
        total += int(lengths[op.table[codes] != want].sum())
    return total


def _last_change(tail: ClippedAffine, low: float, high: float, spec: QuantSpec) -> float:
    """The least value from which on, up to ``high``, the code stays as it is."""

    def code(value: float) -> int:
        return int(tail.codes(np.array([[value]]), spec)[0, 0])

    last, low = code(high), min(max(low, HardSwish.turn), high)  # behind the turn it only rises
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if code(middle) == last else (middle, high)
    return high
