"""The price of a module in the resources of an FPGA."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Resources of one module.

    Args:
        lut: LUT sites: LUTs of the family's size, adder bits included, LUT RAM included.
        ff: Flip-flops.
        bram: Block RAMs, in the unit of the family (`devices.Device.bram_kbit`).
        dsp: Multiplier blocks.
        memory_bits: Bits of all memories, whatever they map to.
        carry: Carry cells of the family: CCU2C, CARRY4, SB_CARRY.
    """

    lut: float = 0
    ff: float = 0
    bram: int = 0
    dsp: int = 0
    memory_bits: int = 0
    carry: float = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.lut + other.lut,
            self.ff + other.ff,
            self.bram + other.bram,
            self.dsp + other.dsp,
            self.memory_bits + other.memory_bits,
            self.carry + other.carry,
        )

    @classmethod
    def sum(cls, costs: Iterable[Cost]) -> Cost:
        total = cls()
        for cost in costs:
            total += cost
        return total

    def __str__(self) -> str:
        return (
            f"{self.lut:.0f} LUT, {self.ff:.0f} FF, {self.carry:.0f} carry, {self.bram} BRAM,"
            f" {self.dsp} DSP, {self.memory_bits} memory bits"
        )
