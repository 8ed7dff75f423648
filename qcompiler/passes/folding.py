"""Choices of folding for one engine, and of lanes for the modules that are not engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod

from qcompiler.ir import hardware as hw
from qcompiler.ir.types import Shape


@cache
def divisors(n: int) -> tuple[int, ...]:
    return tuple(d for d in range(1, n + 1) if n % d == 0)


@dataclass(frozen=True)
class Folding:
    """One way to fold an engine, and its cycles per frame."""

    pe: int
    simd: int
    planes: int
    cycles: int
    per_fold: bool = False

    def applied(self, op: hw.Engine) -> hw.Engine:
        return op.folded(self.pe, self.simd, self.planes, self.per_fold)


def engine_foldings(op: hw.Engine, shape: Shape) -> list[Folding]:
    """Every legal folding of an engine.

    Args:
        op: The engine; its own folding is ignored.
        shape: (C, H, W) that its window reads: filling the line buffer takes a cycle a beat.
    """
    out, per_group = op.channels
    outputs, pixels = prod(op.out_shape), shape[1] * shape[2]
    found = []
    for pe in divisors(out):
        ways = op.plane_foldings(pe)
        for simd in divisors(per_group):
            for way in ways:
                folded = op.folded(pe, simd, way.planes, way.per_fold)
                fill, drain = pixels * shape[0] // folded.input_lanes, outputs // pe
                cycles = max(folded.rate, fill, drain)
                found.append(Folding(pe, simd, way.planes, cycles, way.per_fold))
    return found


def fewest_lanes(lanes: Sequence[int], beats: int, cycles: int) -> int:
    """The fewest of ``lanes`` that take ``cycles``, the most if none is fast enough.

    Args:
        lanes: Ascending.
        beats: Cycles on one lane.
        cycles: At most so many.
    """
    return next((n for n in lanes if beats // n <= cycles), lanes[-1])
