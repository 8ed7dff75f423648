"""The plan of the slot tree of a MAC array: how the planes of one fold are joined.

A `Merge` is ``q = right ± (left << shift)`` and stands for ``sign * 2**base * q`` with the sign and
base of its right operand, so that only relative signs and exponents reach the hardware.
"""

from __future__ import annotations

from dataclasses import dataclass


def width_of(lo: int, hi: int) -> int:
    """Bits that hold every integer in ``[lo, hi]``, two's complement where ``lo`` is negative."""
    if lo >= 0:
        return max(hi.bit_length(), 1)
    return max((-lo - 1).bit_length(), max(hi, 0).bit_length()) + 1


@dataclass(frozen=True)
class Term:
    """A register of every PE that holds a partial sum of one fold.

    In fold ``f`` it stands for ``sign[f] * 2**base[f] * q``, and for 0 if not ``live[f]``.
    """

    block: str  # generate block; the register is BLOCK[index].q
    index: str  # its index, where ``p`` counts PEs
    lo: int
    hi: int
    live: tuple[bool, ...]
    base: tuple[int, ...]
    sign: tuple[int, ...]

    @property
    def ref(self) -> str:
        return f"{self.block}[{self.index}].q"

    @property
    def width(self) -> int:
        return width_of(self.lo, self.hi)

    @property
    def signed(self) -> bool:
        return self.lo < 0


@dataclass(frozen=True)
class Merge:
    """``out = right ± (left << shift)``, registered; ``out = left`` where ``right`` is absent."""

    out: Term
    stage: int  # pipeline stage of the operands; the weight word is in stage 0
    left: Term
    right: Term | None
    steps: tuple[tuple[int, bool], ...]  # (shift, subtract) of each fold

    @property
    def shifts(self) -> dict[int, int]:
        """Each distinct shift, with the set of folds that use it (bit ``f`` is fold ``f``)."""
        return {
            s: sum(1 << f for f, (shift, _) in enumerate(self.steps) if shift == s)
            for s in sorted({shift for shift, _ in self.steps})
        }

    @property
    def subtracts(self) -> int:
        """The set of folds that subtract."""
        return sum(1 << f for f, (_, subtract) in enumerate(self.steps) if subtract)

    @property
    def mixed(self) -> bool:
        """Some folds add and some subtract."""
        return self.subtracts not in (0, (1 << len(self.steps)) - 1)

    @property
    def by_fold(self) -> bool:
        return self.mixed or len(self.shifts) > 1

    @classmethod
    def join(cls, block: str, stage: int, left: Term, right: Term | None) -> Merge:
        """Plan one node. Where ``right`` holds no plane any step does: take one that others use."""
        if right is None:
            out = Term(block, "p", left.lo, left.hi, left.live, left.base, left.sign)
            return cls(out, stage, left, None, ())
        exact = {
            f: (left.base[f] - right.base[f], left.sign[f] != right.sign[f])
            for f, live in enumerate(right.live)
            if live
        }
        spare = min(exact.values(), default=(0, False))
        steps = tuple(exact.get(f, spare) for f in range(len(left.live)))
        base = tuple(
            right.base[f] if live else left.base[f] - steps[f][0]
            for f, live in enumerate(right.live)
        )
        sign = tuple(
            right.sign[f] if live else left.sign[f] * (-1 if steps[f][1] else 1)
            for f, live in enumerate(right.live)
        )
        lo, hi = right.lo, right.hi
        for shift, subtract in steps:
            ends = [-left.hi << shift, -left.lo << shift]
            if not subtract:
                ends = [left.lo << shift, left.hi << shift]
            lo, hi = min(lo, right.lo + ends[0]), max(hi, right.hi + ends[1])
        return cls(Term(block, "p", lo, hi, left.live, base, sign), stage, left, right, steps)
