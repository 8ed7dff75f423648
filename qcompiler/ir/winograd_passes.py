"""How each one-dimensional pass of a Winograd transform adds up: terms, slots, widths.

A two-dimensional transform is two passes (docs/hardware.md, the Winograd unit).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

from qcompiler.errors import GraphError
from qcompiler.ir.products import signed_bits
from qcompiler.ir.types import IntType
from qcompiler.ir.winograd import Matrix, digits


@dataclass(frozen=True)
class Term:
    """``± operand << shift``"""

    operand: int
    shift: int
    negative: bool


Slot = tuple[Term, ...]
"""The term that one place of a sum holds, by output."""


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

    @property
    def mixed(self) -> bool:
        """It adds for some outputs and subtracts for others."""
        return len(set(self.subtract)) > 1


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
    def row_stages(self) -> int:
        """Stages through which the number of the output travels: while something asks for it."""
        asks = [len({term.shift for term in slot}) > 1 for slot in self.slots]
        levels = enumerate(self.levels, 1)
        return max(any(asks), *(k * any(node.mixed for node in level) for k, level in levels))

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
