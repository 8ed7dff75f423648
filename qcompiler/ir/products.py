"""Sums of products of narrow integers: their ranges, and the plan of the multiplier array.

A *partial sum* is a narrow register that takes products until one more might not fit, and is then
added to the wide accumulator (docs/hardware.md, the multiplier array).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from qcompiler.errors import GraphError
from qcompiler.ir.types import IntType

OPERAND_BITS = 18  # two's complement; what one multiplier block of the common families takes


def signed_bits(x: IntType) -> int:
    """Two's-complement width of ``x``: one more bit where it is never negative."""
    return x.bits + (not x.signed)


def products(act: IntType, weight: IntType) -> IntType:
    """All products of an activation and a weight."""
    return act.scaled(weight.lo).union(act.scaled(weight.hi))


def products_within(bits: int, act: IntType, weight: IntType) -> int:
    """The most products whose sum always fits in ``bits`` bits of two's complement.

    One product more does not fit, for some activations and weights. At most ``2**bits``, which only
    products that are all zero reach; 0 where a single one does not fit.

    >>> products_within(16, IntType(-63, 63), IntType(-63, 63))
    8
    """
    product, half = products(act, weight), 1 << (bits - 1)
    found = 1 << bits
    if product.hi > 0:
        found = min(found, (half - 1) // product.hi)
    if product.lo < 0:
        found = min(found, half // -product.lo)
    return found


@dataclass(frozen=True)
class Node:
    """A register of the adder tree: the sum of one or two registers of the level before."""

    left: int
    right: int | None
    width: int  # two's complement


@dataclass(frozen=True)
class ProductPlan:
    """How one output of a multiplier array sums ``beats`` beats of ``simd`` products.

    Args:
        act: Range of the activations.
        weight: Range of the weights.
        simd: Products of a beat.
        beats: Beats of a result.
        partial_bits: Width of partial sums; None sums into the wide accumulator alone.
        run: Products that a partial sum takes; `build` computes the most that always fit.
    """

    act: IntType
    weight: IntType
    simd: int
    beats: int
    partial_bits: int | None = None
    run: int = 0

    @classmethod
    def build(
        cls, act: IntType, weight: IntType, simd: int, beats: int, partial_bits: int | None = None
    ) -> ProductPlan:
        """Check that operands fit a multiplier, and one product a partial sum.

        Raises:
            GraphError: They do not.
        """
        for what, x in (("activations", act), ("weights", weight)):
            if signed_bits(x) > OPERAND_BITS:
                raise GraphError(
                    f"{what} {x} take {signed_bits(x)} bits with their sign, a multiplier takes"
                    f" {OPERAND_BITS}",
                    hint="quantize to fewer bits, or use the bit-serial array",
                )
        if partial_bits is None:
            return cls(act, weight, simd, beats)
        run = products_within(partial_bits, act, weight)
        if run < 1:
            raise GraphError(
                f"a product of {act} and {weight} reaches {products(act, weight)}: not one fits in"
                f" a partial sum of {partial_bits} bits",
                hint="quantize to fewer bits, or accumulate in full width",
            )
        return cls(act, weight, simd, beats, partial_bits, run)

    # ---- operands --------------------------------------------------------------------------------

    @property
    def weight_bits(self) -> int:
        return signed_bits(self.weight)

    @property
    def product_bits(self) -> int:
        return self.sum_bits(1)

    def sum_bits(self, count: int) -> int:
        """Two's-complement width of a sum of ``count`` products; that of an operand at least."""
        found = signed_bits(products(self.act, self.weight).scaled(count))
        return max(found, signed_bits(self.act), signed_bits(self.weight))

    def _narrow_bits(self, count: int) -> int:
        """The same where the sum is part of a partial sum."""
        return min(self.sum_bits(count), self.partial_bits or self.sum_bits(count))

    # ---- adder tree ------------------------------------------------------------------------------

    @property
    def chunks(self) -> tuple[int, ...]:
        """Lanes of a beat that share a partial sum: as few chunks as can be, nearly equal."""
        if self.partial_bits is None:
            return (self.simd,)
        count = -(-self.simd // self.run)
        return tuple(self.simd // count + (k < self.simd % count) for k in range(count))

    @cached_property
    def levels(self) -> tuple[tuple[Node, ...], ...]:
        """The tree over the lanes' products: first inside of each chunk, then over the chunks."""
        chunks: list[list[int]] = [[1] * size for size in self.chunks]  # lanes below each register
        found = []
        while any(len(chunk) > 1 for chunk in chunks):
            found.append(_level(chunks, self._narrow_bits))
            chunks = [_halved(chunk) for chunk in chunks]
        top = [sum(chunk) for chunk in chunks]
        while len(top) > 1:
            found.append(_level([top], self.sum_bits))
            top = _halved(top)
        return tuple(found)

    @property
    def term_bits(self) -> int:
        """Width of the tree's sum."""
        return self.levels[-1][0].width if self.levels else self._narrow_bits(1)

    @property
    def depth(self) -> int:
        """Pipeline stage of the tree's sum; the operands are in stage 0, the products in 1."""
        return 1 + len(self.levels)

    # ---- accumulators ----------------------------------------------------------------------------

    @property
    def partial_beats(self) -> int:
        """Beats that the partial accumulator takes; 1 where there is none."""
        if self.partial_bits is None or self.beats == 1:
            return 1
        return min(max(self.run // self.simd, 1), self.beats)

    @property
    def partial_width(self) -> int:
        """Width of the partial accumulator."""
        return self._narrow_bits(self.simd * self.partial_beats)

    @property
    def has_partial(self) -> bool:
        """Beats are summed in a partial accumulator."""
        return self.partial_beats > 1

    @property
    def has_wide(self) -> bool:
        """There is a wide accumulator: not where the partial one takes all beats of a result."""
        return not self.has_partial or self.partial_beats < self.beats

    @property
    def spills(self) -> bool:
        """Both are there: the partial accumulator is added to the wide one when it is full."""
        return self.has_partial and self.has_wide

    @property
    def result_stage(self) -> int:
        """Pipeline stage of the last accumulator."""
        return self.depth + self.has_partial + self.has_wide


def _halved(lanes: list[int]) -> list[int]:
    return [sum(lanes[k : k + 2]) for k in range(0, len(lanes), 2)]


def _level(chunks: list[list[int]], width: Callable[[int], int]) -> tuple[Node, ...]:
    """Neighbours of each chunk joined; ``chunks`` holds the lanes below each register."""
    nodes, first = [], 0
    for chunk in chunks:
        for k in range(0, len(chunk), 2):
            right = first + k + 1 if k + 1 < len(chunk) else None
            nodes.append(Node(first + k, right, width(sum(chunk[k : k + 2]))))
        first += len(chunk)
    return tuple(nodes)
