"""Parameters and ROM of one `qc_lookup` instance (rtl/qc_lookup.v)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qcompiler.hardware.render import hex_rom
from qcompiler.ir import hardware as hw
from qcompiler.ir.types import IntType


@dataclass(frozen=True)
class LookupUnit:
    """``code = table[x - x.lo]``.

    Args:
        name: Of the module that it is made for.
        op: Table, type of the codes and lanes.
        x: Type of the input.
    """

    name: str
    op: hw.Lookup
    x: IntType

    @property
    def rom_file(self) -> str:
        return f"mem/{self.name}_table.hex"

    def parameters(self) -> dict[str, Any]:
        """Parameters of the instance: integers, and text for MEM_FILE."""
        return {
            "LANES": self.op.lanes,
            "IN_BITS": self.x.bits,
            "OUT_BITS": self.op.out.bits,
            "MEM_FILE": self.rom_file,
        }

    def memories(self) -> dict[str, str]:
        """ROM file name → text."""
        words = [int(code) for code in self.op.rom(self.x)]
        return {self.rom_file: hex_rom(words, self.op.out.bits)}
