"""The plan of the slot tree of a MAC array: how the planes that are taken together are joined.

Steps that take planes of the same signs and exponents are of one kind (`ir/plane_steps.py`).

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
    """A register of every PE that holds a partial sum of one step.

    In a step of kind ``k`` it is ``sign[k] * 2**base[k] * q``, and 0 if not ``live[k]``.
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
    steps: tuple[tuple[int, bool], ...]  # (shift, subtract) of each kind

    @property
    def shifts(self) -> dict[int, int]:
        """Each distinct shift, with the set of kinds that use it (bit ``k`` is kind ``k``)."""
        return {
            s: sum(1 << k for k, (shift, _) in enumerate(self.steps) if shift == s)
            for s in sorted({shift for shift, _ in self.steps})
        }

    @property
    def subtracts(self) -> int:
        """The set of kinds that subtract."""
        return sum(1 << k for k, (_, subtract) in enumerate(self.steps) if subtract)

    @property
    def mixed(self) -> bool:
        """Some kinds add and some subtract."""
        return self.subtracts not in (0, (1 << len(self.steps)) - 1)

    @property
    def by_kind(self) -> bool:
        return self.mixed or len(self.shifts) > 1

    @classmethod
    def join(cls, block: str, stage: int, left: Term, right: Term | None) -> Merge:
        """Plan one node. Slots fill from the last: where ``left`` is live, so is ``right``.

        Where ``left`` holds no plane any step does: take one that others use.
        """
        if right is None:
            out = Term(block, "p", left.lo, left.hi, left.live, left.base, left.sign)
            return cls(out, stage, left, None, ())
        exact = {
            k: (left.base[k] - right.base[k], left.sign[k] != right.sign[k])
            for k, live in enumerate(left.live)
            if live
        }
        spare = min(exact.values(), default=(0, False))
        steps = tuple(exact.get(k, spare) for k in range(len(left.live)))
        lo, hi = right.lo, right.hi
        for shift, subtract in steps:
            ends = [-left.hi << shift, -left.lo << shift]
            if not subtract:
                ends = [left.lo << shift, left.hi << shift]
            lo, hi = min(lo, right.lo + ends[0]), max(hi, right.hi + ends[1])
        out = Term(block, "p", lo, hi, right.live, right.base, right.sign)
        return cls(out, stage, left, right, steps)
