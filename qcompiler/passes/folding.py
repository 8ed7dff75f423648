"""Choices of folding for one module, and the cheapest one within a number of cycles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import gcd

from qcompiler.ir import hardware as hw
from qcompiler.ir.types import Shape


@cache
def divisors(n: int) -> tuple[int, ...]:
    return tuple(d for d in range(1, n + 1) if n % d == 0)


@dataclass(frozen=True)
class Folding:
    """One way to fold an array: its cycles per frame and its price in LUT."""

    pe: int
    simd: int
    planes: int
    cycles: int
    lut: float


LutModel = Callable[[int, int, int], float]
"""(pe, simd, planes per cycle) -> LUT."""


def array_foldings(op: hw.BitSerialArray, shape: Shape, lut: LutModel) -> list[Folding]:
    """Every legal folding of an array, cheapest first, without those beaten on both counts.

    Args:
        op: The array; its own folding is ignored.
        shape: (C, H, W) that its window reads: filling the line buffer takes a cycle a beat.
        lut: Price of a folding.
    """
    planes = max(len(op.signs), 1)
    slots = sorted({-(-planes // folds) for folds in range(1, planes + 1)})
    out, per_group, kh, kw = op.weight.shape
    outputs, pixels = op.out_shape[1] * op.out_shape[2], shape[1] * shape[2]
    found = []
    for pe in divisors(out // op.groups):
        for simd in divisors(per_group):
            for slot in slots:
                work = outputs * (out // pe) * -(-planes // slot) * kh * kw * (per_group // simd)
                fill, drain = pixels * shape[0] // simd, outputs * (out // pe)
                cycles = max(work, fill, drain)
                found.append(Folding(pe, simd, slot, cycles, lut(pe, simd, slot)))
    found.sort(key=lambda f: (f.lut, f.cycles, f.pe, f.simd))
    front: list[Folding] = []
    for folding in found:
        if not front or folding.cycles < front[-1].cycles:
            front.append(folding)
    return front


def cheapest(foldings: list[Folding], cycles: int) -> Folding | None:
    """The cheapest of a front within ``cycles``, None if there is none."""
    return next((f for f in foldings if f.cycles <= cycles), None)


def fewest_lanes(pixels: int, cycles: int, *channels: int) -> int:
    """Least common divisor of ``channels`` that moves ``pixels`` of the first in ``cycles``.

    All of them if none is fast enough. Later channel counts may be 0.
    """
    common = channels[0]
    for other in channels[1:]:
        common = gcd(common, other)
    for lanes in divisors(common):
        if pixels * (channels[0] // lanes) <= cycles:
            return lanes
    return common
