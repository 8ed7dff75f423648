"""The passes of the Winograd transforms: ``templates/winograd_input.v.j2``, ``_output.v.j2``.

The arithmetic is planned by `qcompiler.ir.winograd_passes`; here are widths of counters and tables.
"""

from __future__ import annotations

from dataclasses import dataclass

from qcompiler.estimate.parts import clog2
from qcompiler.hardware.render import ENV
from qcompiler.ir.winograd_passes import InputPass, Node, OutputPass


def _bits(states: int) -> int:
    """Bits of a counter of ``states`` states; one at least, so that it can be declared."""
    return max(clog2(states), 1)


@dataclass(frozen=True)
class InputPassUnit:
    """One dimension of the input transform as module ``name``."""

    name: str
    plan: InputPass

    @property
    def address_bits(self) -> int:
        return _bits(2 * self.plan.size)

    @property
    def row_bits(self) -> int:
        return _bits(self.plan.t)

    @property
    def inner_bits(self) -> int:
        return _bits(self.plan.inner)

    @property
    def inner_index(self) -> str:
        """Beat i as wide as an address."""
        return f"{{{self.address_bits - self.inner_bits}'d0, i_q}}"

    def bases(self, slot: int) -> dict[tuple[int, int], int]:
        """Where the operand of a slot begins, by half and row."""
        p = self.plan
        return {
            (half, k): half * p.size + term.operand * p.inner
            for half in (0, 1)
            for k, term in enumerate(p.slots[slot])
        }

    def shifts(self, slot: int) -> dict[int, int]:
        """Each distinct shift of a slot, with the set of rows that take it."""
        found: dict[int, int] = {}
        for k, term in enumerate(self.plan.slots[slot]):
            found[term.shift] = found.get(term.shift, 0) | 1 << k
        return found

    def subtracts(self, node: Node) -> int:
        """The set of rows in which a node subtracts."""
        return sum(1 << k for k, minus in enumerate(node.subtract) if minus)

    def verilog(self) -> str:
        """The text of module ``name``."""
        return ENV.get_template("winograd_input.v.j2").render(u=self, p=self.plan)


@dataclass(frozen=True)
class OutputPassUnit:
    """One dimension of the output transform as module ``name``."""

    name: str
    plan: OutputPass

    @property
    def a_bits(self) -> int:
        return _bits(self.plan.t)

    @property
    def row_bits(self) -> int:
        return _bits(self.plan.m)

    @property
    def inner_bits(self) -> int:
        return _bits(self.plan.inner)

    @property
    def in_size(self) -> int:
        """Input beats of a block."""
        return self.plan.t * self.plan.inner

    @property
    def depth(self) -> int:
        """Words of the memory of one sum: two halves, each a power of two."""
        return 2 << self.inner_bits if self.plan.inner > 1 else 2

    def verilog(self) -> str:
        """The text of module ``name``."""
        return ENV.get_template("winograd_output.v.j2").render(u=self, p=self.plan)
