"""Planes as a bit-serial array takes them, and its control: tables of a bit for each step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from qcompiler.errors import GraphError
from qcompiler.ir.plane_steps import Schedule
from qcompiler.ir.planes import Planes


def bits_for(count: int) -> int:
    """Bits of a counter of ``count`` states; one at least, so that it can be declared."""
    return max((count - 1).bit_length(), 1)


@dataclass(frozen=True)
class PlaneControl:
    """What the array is told at each step. In all tables bit ``s`` is that of step ``s``.

    Args:
        schedule: The steps.
        keeps: 1 where a step has more beats than its first, so that the sum must also be kept.
    """

    schedule: Schedule
    keeps: int

    @property
    def steps(self) -> int:
        """Steps after which the control starts over: of one output fold, or of all."""
        return len(self.schedule.steps)

    @property
    def step_bits(self) -> int:
        return bits_for(self.steps)

    @property
    def ends(self) -> int:
        """The steps that end a result."""
        return _table(0, (int(s.result is not None) for s in self.schedule.steps))

    @property
    def one_result(self) -> bool:
        """The control starts over with each result."""
        return self.ends == 1 << (self.steps - 1)

    @property
    def op_bits(self) -> int:
        """Bits of the accumulator's operation: keep (if ever), then one for each action."""
        return (self.keeps + len(self.schedule.actions) - 1).bit_length()

    def op_table(self, bit: int) -> int:
        """Bit ``bit`` of the operation at the first beat of each step."""
        actions = self.schedule.actions
        return _table(bit, (self.keeps + actions.index(s.action) for s in self.schedule.steps))

    @property
    def kind_bits(self) -> int:
        return bits_for(len(self.schedule.kinds))

    @property
    def kind_is_step(self) -> bool:
        """No two steps are of one kind."""
        return len(self.schedule.kinds) == self.steps

    def kind_table(self, bit: int) -> int:
        """Bit ``bit`` of the kind of each step."""
        return _table(bit, (s.kind for s in self.schedule.steps))

    @property
    def result_bits(self) -> int:
        """Bits that tell how a result leaves; 0 where all leave alike."""
        return (len(self.schedule.results) - 1).bit_length()

    def result_table(self, bit: int) -> int:
        """Bit ``bit`` of how the result of each step leaves; 0 where there is none."""
        results = self.schedule.results
        found = (results.index(s.result) if s.result else 0 for s in self.schedule.steps)
        return _table(bit, found)


def _table(bit: int, values: Iterable[int]) -> int:
    return sum((value >> bit & 1) << step for step, value in enumerate(values))


def check_planes(name: str, planes: Planes) -> None:
    """Refuse planes of other shapes than an array takes, or in another order.

    Raises:
        GraphError: At ``name``, with what is wrong.
    """
    bits, exps = planes.bits, list(planes.exps)
    if bits.ndim != 5 or not len(planes.signs) == len(exps) == len(bits):
        raise GraphError(
            f"bits must be [P, channels, KH, KW, C_in / groups] with P = {len(planes.signs)} signs"
            f" and {len(exps)} exponents, not {list(bits.shape)}",
            where=name,
        )
    if exps != sorted(exps, reverse=True) or min(exps, default=0) < 0:
        raise GraphError(f"exponents must fall from plane to plane, not {exps}", where=name)
    if not set(planes.signs) <= {-1, 1} or bits.max(initial=0) > 1:
        raise GraphError("plane signs must be 1 or -1 and bits 0 or 1", where=name)
