"""When the digits of each node of an adder graph pass, least significant first.

A digit is ``digit`` bits. Digit 0 of an input is there at time 1; a sum reads digit 0 of all its
terms at one time and gives its own a cycle later. Terms that are there earlier wait in registers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from qcompiler.ir.adder_graph import AdderGraph
from qcompiler.ir.types import IntType


@dataclass(frozen=True, eq=False)
class SerialPlan:
    """The schedule of a graph.

    Args:
        graph: The additions.
        act: Range of the inputs.
        acc_bits: Bits of a result, which hold every value of it.
        digit: Bits a cycle.
    """

    graph: AdderGraph
    act: IntType
    acc_bits: int
    digit: int

    @property
    def bits(self) -> int:
        """Bits of the widest result without its low zeros."""
        zeros = [term.shift for term in self.graph.outputs if term is not None]
        return max(self.acc_bits - min(zeros, default=0), 1)

    @property
    def period(self) -> int:
        """Cycles from one frame of digits to the next.

        Sums are exact modulo 2^(period * digit), and so are results without their low zeros.
        """
        return -(-self.bits // self.digit)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Time of digit 0 of each node."""
        found = [1] * self.graph.inputs
        for terms in self.graph.sums:
            found.append(1 + max(found[term.node] for term in terms))
        return tuple(found)

    def read_at(self, node: int) -> int:
        """Time at which a sum reads digit 0 of its terms."""
        return self.starts[node] - 1

    @cached_property
    def end(self) -> int:
        """Time at which digit 0 of all results is there."""
        roots = [self.starts[term.node] for term in self.graph.outputs if term is not None]
        return max(roots, default=1)

    @property
    def done(self) -> int:
        """Time at which the last digit of all results is there."""
        return self.end + self.period - 1

    @cached_property
    def delays(self) -> Mapping[int, int]:
        """The latest time at which each node is read, where that is after its start."""
        latest: dict[int, int] = {}
        for node, time in self._reads():
            latest[node] = max(latest.get(node, 0), time)
        return {node: time for node, time in latest.items() if time > self.starts[node]}

    def _reads(self) -> list[tuple[int, int]]:
        found = [(term.node, self.end) for term in self.graph.outputs if term is not None]
        for number, terms in enumerate(self.graph.sums, self.graph.inputs):
            found += [(term.node, self.read_at(number)) for term in terms]
        return found

    @cached_property
    def histories(self) -> Mapping[tuple[int, int], int]:
        """(node, time) -> bits before its digit at that time that some sum reads by a shift."""
        found: dict[tuple[int, int], int] = {}
        for number, terms in enumerate(self.graph.sums, self.graph.inputs):
            for term in terms:
                if term.shift:
                    key = term.node, self.read_at(number)
                    found[key] = max(found.get(key, 0), term.shift)
        return found

    @cached_property
    def roots(self) -> tuple[int, ...]:
        """The nodes that results are read from."""
        return tuple(sorted({t.node for t in self.graph.outputs if t is not None}))

    def runs(self, least: int) -> list[int]:
        """Lengths of runs of at least so many registers, each of which only the next one reads.

        They hold one bit. Counted are digits that wait, and results on their way to their place.
        """
        reads: dict[int, set[int]] = {}
        for number, terms in enumerate(self.graph.sums, self.graph.inputs):
            for term in terms:
                reads.setdefault(term.node, set()).add(self.read_at(number))
        kept: dict[int, int] = {}  # bits of each root that some result has
        for root in self.graph.outputs:
            if root is not None:
                kept[root.node] = max(kept.get(root.node, 0), self.acc_bits - root.shift)
        found = []
        for node in sorted(reads.keys() | kept.keys()):
            first = self.starts[node] - 1
            if node < self.graph.inputs and self.zeros_follow:
                first += 1  # a register that is reset is in no run
            for bit in range(self.digit):
                times = set(reads.get(node, ()))
                if node in kept:
                    digits = max(-(-(kept[node] - bit) // self.digit), 0)
                    times.add(self.end + self.period - digits)
                found += [b - a for a, b in pairwise([first, *sorted(times)]) if b - a >= least]
        return found

    # ---- inputs ----------------------------------------------------------------------------------

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """Inputs with a nonzero weight."""
        return tuple(sorted({node for node, _ in self._reads() if node < self.graph.inputs}))

    @property
    def entries(self) -> int:
        """Digits of an input that differ: the last one of a signed input is sign alone."""
        whole = -(-self.act.bits // self.digit)
        sign_alone = (self.act.bits - 1) % self.digit == 0
        more = int(self.act.signed and not sign_alone)
        return min(whole + more, self.period)

    @property
    def zeros_follow(self) -> bool:
        """Zeros follow the digits of unsigned inputs."""
        return not self.act.signed and self.entries < self.period


def digit_widths(acc_bits: int, most: int) -> list[int]:
    """Bits a cycle, up to ``most``, such that fewer would take more cycles."""
    periods: dict[int, int] = {}
    for digit in range(1, most + 1):
        periods.setdefault(-(-acc_bits // digit), digit)
    return sorted(periods.values())
