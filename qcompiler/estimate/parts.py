"""What a module is made of, in numbers that its LUTs are linear in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from qcompiler.estimate.coefficients import COEFFICIENTS
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.hardwired_coefficients import HARDWIRED
from qcompiler.estimate.winograd_coefficients import WINOGRAD

_TABLES = COEFFICIENTS | WINOGRAD | HARDWIRED

LEAST_RUN, SHIFT_BITS = 3, 32
"""Registers in a row that nothing else reads: from how many on, and up to how many, Yosys puts them
in a LUT of xc7."""


@dataclass(frozen=True)
class Parts:
    """A module before it is priced.

    Args:
        kind: Which row of coefficients prices it.
        features: Sizes, mostly in bits, each with a coefficient in LUT.
        fixed: What needs no coefficient: memories, flip-flops, multipliers.
    """

    kind: str
    features: Mapping[str, float]
    fixed: Cost = field(default_factory=Cost)

    def cost(self, family: str) -> Cost:
        table = _TABLES[self.kind][family]
        lut = sum(table[name] * size for name, size in self.features.items())
        return Cost(lut=lut) + self.fixed


def clog2(states: int) -> int:
    """Bits of a counter of ``states`` states, 0 for one state."""
    return max((states - 1).bit_length(), 0)


def even(bits: int, family: str) -> int:
    """LUT sites of an adder: ECP5 builds them two bits at a time."""
    return bits + bits % 2 if family == "ecp5" else bits


def equal_lut(states: int, family: str) -> int:
    """LUTs that tell a counter's last state."""
    bits, inputs = clog2(states), 6 if family == "xc7" else 4
    return 0 if bits < 2 else -(-(bits - 1) // (inputs - 1))


def counter_features(family: str, *states: int) -> dict[str, float]:
    """Sizes of several counters together; those of one state take nothing.

    ``step`` is the bits of those that need an adder, ``last`` the LUTs that tell their ends,
    ``wrap`` the bits of those that do not wrap by themselves.
    """
    found = [n for n in states if n > 1]
    return {
        "step": sum(even(clog2(n), family) for n in found if clog2(n) > 2),
        "last": sum(equal_lut(n, family) for n in found),
        "wrap": sum(clog2(n) for n in found if n & (n - 1)),
    }


def delay_cost(registers: int, family: str, count: int = 1) -> Cost:
    """``count`` bits that each pass so many registers, not reset and read by nothing else."""
    if family == "xc7" and registers >= LEAST_RUN:
        return Cost(lut=count * -(-registers // SHIFT_BITS))
    return Cost(ff=count * registers)


def counter_bits(*states: int) -> int:
    """Flip-flops of counters of so many states."""
    return sum(clog2(n) for n in states)
