"""The steps in which a bit-serial array takes its planes, and what its accumulator does at each.

The accumulator joins the steps of a result by Horner's rule. It always adds (or always subtracts)
its term. Where the sign changes from step to step it inverts the old sum, ``~x = -x - 1``. Thus the
sum carries an offset of 0 or -1 that each inversion toggles, and a shift keeps it by filling with
zeros or ones. It starts from the offset that leaves the result at its end, or, where only some of
the results are negative, the result's complement, which then leaves inverted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from qcompiler.ir.planes import PlaneList


@dataclass(frozen=True)
class Start:
    """The first beat of a result: the sum starts from 0 or -1."""

    value: int


@dataclass(frozen=True)
class Boundary:
    """The first beat of a later step: the old sum is inverted or not, shifted, filled."""

    shift: int
    invert: bool
    fill: int  # the bit that the shift brings in


@dataclass(frozen=True)
class Result:
    """How the sum leaves: shifted left, or its complement."""

    shift: int
    invert: bool


@dataclass(frozen=True)
class Step:
    """At most ``slots`` planes of one output fold.

    Args:
        kind: Index of its planes among all kinds.
        action: At its first beat.
        result: At the last beat of a result, else None.
    """

    kind: int
    action: Start | Boundary
    result: Result | None


def step_count(planes: int, slots: int) -> int:
    """Steps of a list of so many planes; a result without a plane takes one too."""
    return max(-(-planes // slots), 1)


@dataclass(frozen=True)
class Schedule:
    """All steps of a pixel and conv group.

    Args:
        lists: One plane list that all output folds take, or one for each of them.
        slots: Planes taken together. A first step that is not full leaves its first slots empty,
            so that the last plane of every list is in the last slot.
    """

    lists: tuple[PlaneList, ...]
    slots: int

    @cached_property
    def chunks(self) -> tuple[tuple[PlaneList, ...], ...]:
        """The planes of each step of each list; one that is empty borrows a plane, for zeros."""
        lists = [planes or self._borrowed for planes in self.lists]
        return tuple(_split(planes, self.slots) for planes in lists)

    @property
    def _borrowed(self) -> PlaneList:
        return next((planes[-1:] for planes in self.lists if planes), ((1, 0),))

    @cached_property
    def kinds(self) -> tuple[PlaneList, ...]:
        """The different sets of planes that are taken together."""
        return tuple(dict.fromkeys(chunk for chunks in self.chunks for chunk in chunks))

    @cached_property
    def subtracts(self) -> bool:
        """The accumulator subtracts its terms: every list ends with a negative plane."""
        return all(chunks[-1][-1][0] < 0 for chunks in self.chunks)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for chunks in self.chunks for step in self._steps(chunks))

    def _steps(self, chunks: Sequence[PlaneList]) -> list[Step]:
        lowest = [chunk[-1] for chunk in chunks]  # its sign and exponent are the term's
        result = Result(lowest[-1][1], lowest[-1][0] < 0 and not self.subtracts)
        inversions = sum(a[0] != b[0] for a, b in pairwise(lowest))
        offset = (inversions + result.invert) % 2
        actions: list[Start | Boundary] = [Start(-offset)]
        for (sign, exp), (next_sign, next_exp) in pairwise(lowest):
            invert = sign != next_sign
            offset ^= int(invert)
            actions.append(Boundary(exp - next_exp, invert, offset))
        kinds = [self.kinds.index(chunk) for chunk in chunks]
        ends = [*[None] * (len(chunks) - 1), result]
        return [Step(*parts) for parts in zip(kinds, actions, ends, strict=True)]

    @cached_property
    def actions(self) -> tuple[Start | Boundary, ...]:
        """The different ones, starts first."""
        found = dict.fromkeys(step.action for step in self.steps)
        return tuple(sorted(found, key=lambda action: isinstance(action, Boundary)))

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """The different ones."""
        return tuple(dict.fromkeys(step.result for step in self.steps if step.result is not None))


def _split(planes: PlaneList, slots: int) -> tuple[PlaneList, ...]:
    first = (len(planes) - 1) % slots + 1
    cuts = [0, *range(first, len(planes) + 1, slots)]
    return tuple(planes[a:b] for a, b in pairwise(cuts))
