"""A constant integer matrix as shared shifts and additions.

Weights in canonical signed digits; two-term sums that occur more than once, in any output, are
formed once, the most frequent first (R. Hartley, "Subexpression sharing in filters using canonic
signed digit multipliers", IEEE TCAS-II 43(10), 1996). What is left of an output is summed by a
tree of nodes of up to `FAN_IN` terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

import numpy as np

from qcompiler.ir.planes import signed_digits

Array = np.ndarray[Any, Any]

FAN_IN = 4
"""Terms of a sum: with two carry bits they are six inputs of a LUT."""


class Term(NamedTuple):
    """``sign * (node << shift)``."""

    node: int
    shift: int
    sign: int

    def moved(self, shift: int, sign: int = 1) -> Term:
        return Term(self.node, self.shift + shift, self.sign * sign)


Sum = tuple[Term, ...]
"""A node: its terms, the least shift 0 and at most three negative."""


@dataclass(frozen=True, eq=False)
class AdderGraph:
    """``outputs = matrix @ inputs`` by additions alone.

    Args:
        inputs: How many; they are nodes 0, 1, ….
        sums: The nodes behind the inputs, each after those that it reads.
        outputs: A positive term for each row of the matrix, None where all weights are zero.
    """

    inputs: int
    sums: tuple[Sum, ...]
    outputs: tuple[Term | None, ...]

    @classmethod
    def build(cls, matrix: Array) -> AdderGraph:
        """The graph of an integer matrix (outputs, inputs), found once for equal matrices."""
        return _build(matrix.astype(np.int64).tobytes(), *matrix.shape)

    @cached_property
    def additions(self) -> int:
        """Two-operand additions that the sums stand for."""
        return sum(len(terms) - 1 for terms in self.sums)

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Sums on the longest way to each node."""
        found = [0] * self.inputs
        for terms in self.sums:
            found.append(1 + max(found[term.node] for term in terms))
        return tuple(found)

    def evaluate(self, x: Array) -> Array:
        """Outputs (…, rows) of integers (…, inputs), by the graph."""
        values = [x[..., k] for k in range(self.inputs)]

        def worth(term: Term) -> Array:
            return term.sign * (values[term.node] << term.shift)

        for terms in self.sums:
            values.append(sum((worth(term) for term in terms[1:]), worth(terms[0])))
        zero = np.zeros(x.shape[:-1], x.dtype)
        return np.stack([worth(t) if t is not None else zero for t in self.outputs], axis=-1)


def digit_counts(matrix: Array) -> Array:
    """Nonzero digits in each row of an integer matrix."""
    values, places = np.unique(np.abs(matrix), return_inverse=True)
    each = np.array([len(signed_digits(int(value))) for value in values], np.int64)
    found: Array = each[places.reshape(matrix.shape)].sum(1)
    return found


def pair_count(matrix: Array) -> int:
    """Pairs of nonzero digits in the same row: what the search for common ones looks at."""
    counts = digit_counts(matrix)
    return int((counts * (counts - 1) // 2).sum())


@lru_cache(maxsize=64)
def _build(weights: bytes, rows: int, inputs: int) -> AdderGraph:
    found = _Sharing(np.frombuffer(weights, np.int64).reshape(rows, inputs))
    found.share()
    outputs = tuple(found.root(list(terms)) for terms in found.rows())
    return AdderGraph(inputs, tuple(found.sums), outputs)


Pattern = tuple[int, int, int, int]
"""(node a, node b, shift of b minus that of a, product of their signs), a <= b."""


class _Sharing:
    """The digits of each output, and how often each pair of them occurs."""

    def __init__(self, matrix: Array) -> None:
        self.sums: list[Sum] = []
        self._depths = [0] * matrix.shape[1]
        self._digits: list[dict[tuple[int, int], int]] = []
        self._by_node: list[dict[int, dict[int, int]]] = []
        self._counts: dict[Pattern, int] = {}
        self._heap: list[tuple[int, int, int, Pattern]] = []
        self._live = False
        for row in matrix.tolist():
            self._digits.append({})
            self._by_node.append({})
            for node, weight in enumerate(row):
                for shift, sign in signed_digits(weight):
                    self._add(len(self._digits) - 1, node, shift, sign)
        self._live = True
        self._heap = [self._entry(p, n) for p, n in self._counts.items() if n > 1]
        heapify(self._heap)

    def rows(self) -> list[Sum]:
        """The terms of each output."""
        return [
            tuple(Term(node, shift, sign) for (node, shift), sign in sorted(digits.items()))
            for digits in self._digits
        ]

    def share(self) -> None:
        """Form the most frequent pair until none occurs twice."""
        while self._heap:
            count, _, _, pattern = heappop(self._heap)
            found = self._counts.get(pattern, 0)
            if found != -count:
                if found > 1:
                    heappush(self._heap, self._entry(pattern, found))
                continue
            places = self._places(pattern)
            if len(places) > 1:
                self._form(pattern, places)

    def root(self, terms: list[Term]) -> Term | None:
        """The sum of an output's terms, earliest first; the last node adds all that is left."""
        if not terms:
            return None
        rest = (len(terms) - 1) % (FAN_IN - 1)
        while len(terms) > 1:
            terms.sort(key=lambda term: (self._depths[term.node], term))
            size = rest + 1 if rest else FAN_IN
            rest = 0
            terms = [*terms[size:], self._sum(tuple(terms[:size]))]
        (term,) = terms
        return term if term.sign > 0 else self._node((term.moved(-term.shift),)).moved(term.shift)

    def _sum(self, terms: Sum) -> Term:
        """A node of so many terms, as the term that it is worth."""
        least = min(term.shift for term in terms)
        sign = 1 if any(term.sign > 0 for term in terms) else -1
        return self._node(tuple(t.moved(-least, sign) for t in terms)).moved(least, sign)

    def _node(self, terms: Sum) -> Term:
        self.sums.append(terms)
        self._depths.append(1 + max(self._depths[term.node] for term in terms))
        return Term(len(self._depths) - 1, 0, 1)

    def _form(self, pattern: Pattern, places: list[tuple[int, int, int]]) -> None:
        """One node for a pair; its digits take the place of the pairs."""
        a, b, shift, sign = pattern
        low = max(-shift, 0)
        node = self._node((Term(a, low, 1), Term(b, shift + low, sign))).node
        for row, at, first in places:
            self._remove(row, a, at)
            self._remove(row, b, at + shift)
            self._add(row, node, at - low, first)

    def _places(self, pattern: Pattern) -> list[tuple[int, int, int]]:
        """(row, shift of a, sign of a) of pairs that share no digit."""
        a, b, shift, sign = pattern
        found = []
        for row, nodes in enumerate(self._by_node):
            if a not in nodes or b not in nodes:
                continue
            used: set[int] = set()  # of a, where b is a
            for at, first in sorted(nodes[a].items()):
                if nodes[b].get(at + shift) != first * sign or (a == b and at in used):
                    continue
                used |= {at, at + shift}
                found.append((row, at, first))
        return found

    def _add(self, row: int, node: int, shift: int, sign: int) -> None:
        self._count(row, node, shift, sign, 1)
        self._digits[row][node, shift] = sign
        self._by_node[row].setdefault(node, {})[shift] = sign

    def _remove(self, row: int, node: int, shift: int) -> None:
        sign = self._digits[row].pop((node, shift))
        shifts = self._by_node[row][node]
        del shifts[shift]
        if not shifts:
            del self._by_node[row][node]
        self._count(row, node, shift, sign, -1)

    def _count(self, row: int, node: int, shift: int, sign: int, step: int) -> None:
        """Pairs of a digit with all others of its row come or go."""
        counts = self._counts
        for (other, at), its in self._digits[row].items():
            if (node, shift) < (other, at):
                pattern = node, other, at - shift, sign * its
            else:
                pattern = other, node, shift - at, sign * its
            found = counts[pattern] = counts.get(pattern, 0) + step
            if found == 0:
                del counts[pattern]
            elif step > 0 and found > 1 and self._live:
                heappush(self._heap, self._entry(pattern, found))

    def _entry(self, pattern: Pattern, count: int) -> tuple[int, int, int, Pattern]:
        """Most frequent first, then the shallowest, then the nearest shifts."""
        depth = max(self._depths[pattern[0]], self._depths[pattern[1]])
        return -count, depth, abs(pattern[2]), pattern
