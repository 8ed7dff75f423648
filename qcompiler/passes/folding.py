"""Choices of folding for one engine, and the cheapest one within a number of cycles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import gcd, prod
from typing import Any

from qcompiler.ir import hardware as hw
from qcompiler.ir.types import Shape


@cache
def divisors(n: int) -> tuple[int, ...]:
    return tuple(d for d in range(1, n + 1) if n % d == 0)


@dataclass(frozen=True)
class Folding:
    """One way to fold an engine: its cycles per frame and its price."""

    pe: int
    simd: int
    planes: int
    cycles: int
    lut: float
    bram: int
    dsp: int = 0
    per_fold: bool = False

    def price(self, worth: Worth) -> float:
        """In LUT."""
        return worth.price(self.lut, self.bram, self.dsp)


@dataclass(frozen=True)
class Worth:
    """How many LUT a block RAM and a multiplier are worth."""

    block: float = 0.0
    multiplier: float = 0.0

    def price(self, lut: float, bram: int, dsp: int) -> float:
        """In LUT."""
        return lut + self.block * bram + self.multiplier * dsp


FoldingPrice = Callable[[Any], tuple[float, int, int]]
"""Engine in a folding -> (LUT, block RAMs, multipliers)."""


def engine_foldings(op: hw.Engine, shape: Shape, price: FoldingPrice) -> list[Folding]:
    """Every legal folding of an engine.

    Args:
        op: The engine; its own folding is ignored.
        shape: (C, H, W) that its window reads: filling the line buffer takes a cycle a beat.
        price: Of a folding.
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
                figures = cycles, *price(folded)
                found.append(Folding(pe, simd, way.planes, *figures, per_fold=way.per_fold))
    return found


def front(foldings: list[Folding], worth: Worth) -> list[Folding]:
    """Those that no other beats both in cycles and in price, cheapest first."""
    best: list[Folding] = []
    for folding in sorted(foldings, key=lambda f: (f.price(worth), f.cycles, f.pe, f.simd)):
        if not best or folding.cycles < best[-1].cycles:
            best.append(folding)
    return best


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
