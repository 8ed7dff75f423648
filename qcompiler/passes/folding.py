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
    """One way to fold an array: its cycles per frame and its price in LUT and block RAMs."""

    pe: int
    simd: int
    planes: int
    cycles: int
    lut: float
    bram: int

    def price(self, block: float) -> float:
        """LUT, where a block RAM is worth ``block`` of them."""
        return self.lut + block * self.bram


FoldingPrice = Callable[[int, int, int], tuple[float, int]]
"""(pe, simd, planes per cycle) -> (LUT, block RAMs)."""


def array_foldings(op: hw.BitSerialArray, shape: Shape, price: FoldingPrice) -> list[Folding]:
    """Every legal folding of an array.

    Args:
        op: The array; its own folding is ignored.
        shape: (C, H, W) that its window reads: filling the line buffer takes a cycle a beat.
        price: Of a folding.
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
                found.append(Folding(pe, simd, slot, cycles, *price(pe, simd, slot)))
    return found


def front(foldings: list[Folding], block: float) -> list[Folding]:
    """Those that no other beats both in cycles and in price, cheapest first.

    Args:
        foldings: Any.
        block: LUT that a block RAM is worth.
    """
    best: list[Folding] = []
    for folding in sorted(foldings, key=lambda f: (f.price(block), f.cycles, f.pe, f.simd)):
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
