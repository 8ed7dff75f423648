"""The plan of a Winograd unit: widths, loops, and how each pass of its transforms adds up.

A two-dimensional transform is two passes, each along one dimension (docs/hardware.md, the Winograd
unit). Lanes that a pass has time for are worked on one after another: ``turns``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

from qcompiler.errors import GraphError
from qcompiler.ir.products import signed_bits
from qcompiler.ir.types import IntType
from qcompiler.ir.winograd import Array, Matrix, Tile, tile


@dataclass(frozen=True)
class Term:
    """``± operand << shift``"""

    operand: int
    shift: int
    negative: bool


Slot = tuple[Term, ...]
"""The term that one place of a sum holds, by output."""


def digits(value: int) -> list[tuple[int, bool]]:
    """(shift, negative) of the signed binary digits of ``value``, as few as can be.

    >>> digits(-5), digits(6)
    ([(0, True), (2, True)], [(1, True), (3, False)])
    """
    found, left, shift = [], abs(value), 0
    while left:
        if left & 1:
            minus = left % 4 == 3
            found.append((shift, minus != (value < 0)))
            left += 1 if minus else -1
        left, shift = left >> 1, shift + 1
    return found


def terms(row: tuple[int, ...]) -> list[Term]:
    """The terms whose sum is ``row`` times a vector."""
    return [Term(a, *digit) for a, value in enumerate(row) for digit in digits(value)]


def slots(matrix: Matrix) -> tuple[Slot, ...]:
    """The terms of all rows, arranged so that each slot has few different shifts and signs.

    Slot 0 is never negative: what it holds decides the sign of the tree's sum.

    Raises:
        GraphError: The rows have different numbers of terms.
    """
    rows = [terms(row) for row in matrix]
    if len({len(row) for row in rows}) != 1:
        raise GraphError(f"rows of {[len(row) for row in rows]} terms")
    chosen: list[tuple[Term, ...]] = []
    for row in rows:
        orders = [order for order in permutations(row) if not order[0].negative]
        chosen.append(min(orders, key=lambda order: _price([*chosen, order])))
    return tuple(zip(*chosen, strict=True))


def _price(rows: list[tuple[Term, ...]]) -> tuple[int, int]:
    """Multiplexer inputs, and pairs whose signs differ in some rows alone."""
    columns = list(zip(*rows, strict=True))
    shifts = sum(len({term.shift for term in column}) for column in columns)
    pairs = zip(columns[::2], columns[1::2], strict=False)
    mixed = sum(
        len({a.negative != b.negative for a, b in zip(left, right, strict=True)}) - 1
        for left, right in pairs
    )
    return mixed, shifts


@dataclass(frozen=True)
class Node:
    """A register of the adder tree: ``left ± right``; the index is of the level before."""

    left: int
    right: int
    subtract: tuple[bool, ...]  # by output
    width: int  # two's complement


@dataclass(frozen=True)
class InputPass:
    """One dimension of the input transform: ``y[k] = Σ_a matrix[k][a] x[a]``, a sum a cycle.

    Args:
        matrix: Bᵀ, (t, t).
        x: Range of the inputs.
        y: Range of the outputs.
        inner: Beats that share an index a.
        lanes: Values of a beat.
    """

    matrix: Matrix
    x: IntType
    y: IntType
    inner: int
    lanes: int

    @property
    def t(self) -> int:
        return len(self.matrix)

    @property
    def size(self) -> int:
        """Beats of a block, in and out."""
        return self.t * self.inner

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        return slots(self.matrix)

    @cached_property
    def leaf_widths(self) -> tuple[int, ...]:
        """Bits of the shifted operand of each slot."""
        return tuple(
            min(signed_bits(self.x.scaled(1 << max(term.shift for term in slot))), self.y.bits)
            for slot in self.slots
        )

    @cached_property
    def levels(self) -> tuple[tuple[Node, ...], ...]:
        """The adder tree over the slots, whose number is a power of two."""
        ranges = [[self.x.scaled(1 << term.shift) for term in slot] for slot in self.slots]
        signs = [[term.negative for term in slot] for slot in self.slots]
        found = []
        while len(ranges) > 1:
            level = []
            for k in range(0, len(ranges), 2):
                subtract = tuple(a != b for a, b in zip(signs[k], signs[k + 1], strict=True))
                ranges[k] = [
                    a + (b.scaled(-1) if minus else b)
                    for a, b, minus in zip(ranges[k], ranges[k + 1], subtract, strict=True)
                ]
                level.append(Node(k, k + 1, subtract, self._width(ranges[k])))
            found.append(tuple(level))
            ranges, signs = ranges[::2], signs[::2]
        return tuple(found)

    def _width(self, ranges: list[IntType]) -> int:
        """Modulo the width of the result, which fits."""
        return min(max(signed_bits(kind) for kind in ranges), self.y.bits)

    @property
    def latency(self) -> int:
        """Cycles from the last beat of a block to its first output beat."""
        return 2 + len(self.levels)


@dataclass(frozen=True)
class OutputPass:
    """One dimension of the output transform: ``y[k] = (Σ_a matrix[k][a] x[a]) >> shifts[k]``.

    Each beat is added to the m sums as it comes, modulo ``2**acc_bits``; the low bits that are
    shifted out are zeros.

    Args:
        matrix: The folded Aᵀ, (m, t).
        shifts: Of each row.
        x_bits: Bits of an input, two's complement.
        y_bits: Bits of an output.
        inner: Beats that share an index a.
        lanes: Values of a beat.
        divisor: What the outputs are divided by, exactly: 1 or 9.
    """

    matrix: Matrix
    shifts: tuple[int, ...]
    x_bits: int
    y_bits: int
    inner: int
    lanes: int
    divisor: int = 1

    @property
    def m(self) -> int:
        return len(self.matrix)

    @property
    def t(self) -> int:
        return len(self.matrix[0])

    @property
    def acc_bits(self) -> int:
        return self.y_bits + max(self.shifts)

    @property
    def triple(self) -> bool:
        """Some entry is three times a power of two; 3 x is formed once for all sums."""
        return any(value % 3 == 0 for row in self.matrix for value in row if value)

    @property
    def triple_bits(self) -> int:
        """Bits of 3 x, but for those that its shifts move out of the sums."""
        keys = [key for k in range(self.m) for key in self.choices(k)]
        least = min((shift for odd, shift in keys if odd == 3), default=0)
        return min(self.x_bits + 2, self.acc_bits - least)

    def choices(self, k: int) -> dict[tuple[int, int], int]:
        """(odd factor, shift) of the terms of sum ``k``, each with the set of a that take it."""
        found: dict[tuple[int, int], int] = {}
        for a, value in enumerate(self.matrix[k]):
            if value:
                shift = (value & -value).bit_length() - 1
                key = (abs(value) >> shift, shift)
                found[key] = found.get(key, 0) | 1 << a
        return found

    def used(self, k: int) -> int:
        """The set of a that sum ``k`` takes; bit a."""
        return sum(1 << a for a, value in enumerate(self.matrix[k]) if value)

    def first(self, k: int) -> int:
        """The a with which sum ``k`` starts over."""
        return next(a for a, value in enumerate(self.matrix[k]) if value)

    def subtracts(self, k: int) -> int:
        """The set of a that are subtracted."""
        return sum(1 << a for a, value in enumerate(self.matrix[k]) if value < 0)

    @cached_property
    def steps(self) -> tuple[tuple[int, bool], ...]:
        """(shift, subtract) of each ``q ± (q << shift)`` that divides by 9, modulo 2^y_bits.

        9 · -7 = 1 - 2^6, and (1 - z)⁻¹ = (1 + z)(1 + z²)(1 + z⁴)… modulo a power of z.
        """
        if self.divisor == 1:
            return ()
        shift, found = 6, [(3, True)]
        while shift < self.y_bits:
            found.append((shift, False))
            shift *= 2
        return tuple(found)

    @property
    def latency(self) -> int:
        """Cycles from the last beat of a block to its first output beat."""
        return 2 + self.triple + len(self.steps) + 1


@dataclass(frozen=True)
class WinogradPlan:
    """Widths and loops of one unit.

    Args:
        tile: The variant.
        x: Range of the input codes.
        data: Range of V.
        acc: Range of the results.
        product_bits: Bits in which M is carried: all, or as many as the results depend on.
        row_bits: Bits between the two passes of the output transform, likewise.
        words: Input beats of a pixel.
        cfolds: Output beats of a pixel.
        simd: Channels of an input beat.
        pe: Channels of an output beat.
    """

    tile: Tile
    x: IntType
    data: IntType
    acc: IntType
    product_bits: int
    row_bits: int
    words: int
    cfolds: int
    simd: int
    pe: int

    @classmethod
    def build(
        cls, weight: Array, m: int, x: IntType, acc: IntType, *, pe: int, simd: int
    ) -> WinogradPlan:
        """Plan for kernels ``weight`` (O, I, 3, 3) on codes ``x``.

        Raises:
            GraphError: ``pe`` or ``simd`` does not divide the channels.
        """
        variant, (out, channels) = tile(m), weight.shape[:2]
        if pe < 1 or simd < 1 or out % pe or channels % simd:
            raise GraphError(f"{pe} PE and {simd} SIMD do not divide {weight.shape}")
        ranges, shift = variant.ranges(weight, x), max(variant.shifts)
        rows = IntType(ranges.rows.lo >> shift, ranges.rows.hi >> shift)
        row_bits = min(signed_bits(rows), acc.bits + shift)
        product_bits = min(signed_bits(ranges.products), row_bits + shift)
        return cls(
            variant, x, ranges.data, acc, product_bits, row_bits,
            channels // simd, out // pe, simd, pe,
        )  # fmt: skip

    # ---- turns: lanes that take turns in a pass, as the products leave it the time --------------

    @property
    def input_turns(self) -> int:
        """A tile is replayed ``cfolds`` times, so that many cycles are there for an input beat."""
        return most_turns(self.simd, self.cfolds)

    @property
    def output_turns(self) -> int:
        """A beat of products comes every ``words`` cycles."""
        return most_turns(self.pe, self.words)

    # ---- passes ---------------------------------------------------------------------------------

    @cached_property
    def input_passes(self) -> tuple[InputPass, InputPass]:
        """Along a row of the tile (kw), then along its columns (kh)."""
        matrix, turns = self.tile.data, self.input_turns
        ends = [
            [sum(v * (hi if (v > 0) == up else lo) for v in row) for row in matrix]
            for up, lo, hi in ((False, self.x.lo, self.x.hi), (True, self.x.lo, self.x.hi))
        ]
        middle = IntType(min(ends[0]), max(ends[1]))
        lanes = self.simd // turns
        return (
            InputPass(matrix, self.x, middle, turns, lanes),
            InputPass(matrix, middle, self.data, self.tile.t * turns, lanes),
        )

    @cached_property
    def output_passes(self) -> tuple[OutputPass, OutputPass]:
        """Along a row of M (j), then along its columns (i)."""
        t, turns = self.tile, self.output_turns
        lanes = self.pe // turns
        return (
            OutputPass(t.folded, t.shifts, self.product_bits, self.row_bits, turns, lanes),
            OutputPass(
                t.folded, t.shifts, self.row_bits, self.acc.bits, t.m * turns, lanes, t.odd**2
            ),
        )

    # ---- time -----------------------------------------------------------------------------------

    @property
    def tile_beats(self) -> int:
        """Input beats of a tile."""
        return self.tile.t**2 * self.words

    @property
    def tile_cycles(self) -> int:
        """Cycles of a tile: the products take a beat of V a cycle, for every fold."""
        return self.tile_beats * self.cfolds


def most_turns(lanes: int, cycles: int) -> int:
    """The largest divisor of ``lanes`` that is no more than ``cycles``."""
    return max(n for n in range(1, lanes + 1) if lanes % n == 0 and n <= max(cycles, 1))
