"""FPGAs that estimates are made for."""

from __future__ import annotations

from dataclasses import dataclass

from qcompiler.errors import QCompilerError

Shape = tuple[int, int]
"""(width in bits, depth in words) that one block RAM can take."""

BRAM_SHAPES: dict[str, tuple[Shape, ...]] = {
    "ecp5": ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384)),
    "xc7": ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384)),
    "ice40": ((16, 256), (8, 512), (4, 1024), (2, 2048)),
}
"""Shapes of one block as Yosys uses it. A RAMB36 of xc7 counts as two blocks of 18 kbit."""

FAMILIES = tuple(BRAM_SHAPES)


@dataclass(frozen=True)
class Device:
    """One FPGA.

    Args:
        name: Name that users give.
        family: Key of the cost model: ``ecp5``, ``xc7`` or ``ice40``.
        luts: LUTs.
        ffs: Flip-flops.
        brams: Block RAMs of ``bram_kbit``.
        bram_kbit: Size of one block RAM, kbit (1024 bit).
        dsps: Multiplier blocks.
        lut_inputs: Inputs of a LUT.
        clock_mhz: Clock assumed where the user names none, MHz.
    """

    name: str
    family: str
    luts: int
    ffs: int
    brams: int
    bram_kbit: int
    dsps: int
    lut_inputs: int
    clock_mhz: float

    @property
    def bram_shapes(self) -> tuple[Shape, ...]:
        """(width, depth) shapes of one block RAM."""
        return BRAM_SHAPES[self.family]


def _ecp5(name: str, luts: int, brams: int, dsps: int) -> Device:
    return Device(name, "ecp5", luts, luts, brams, 18, dsps, 4, 100.0)


def _xc7(name: str, luts: int, ramb36: int, dsps: int) -> Device:
    return Device(name, "xc7", luts, 2 * luts, 2 * ramb36, 18, dsps, 6, 150.0)


# ECP5: the figures of nextpnr's databases (MULT18X18D count). xc7: DS180 and DS190, Artix-7 and
# Zynq-7000 product tables. iCE40: HX and UltraPlus family data sheets.
DEVICES: dict[str, Device] = {
    d.name: d
    for d in (
        _ecp5("ecp5-12k", 12_144, 32, 28),
        _ecp5("ecp5-25k", 24_288, 56, 28),
        _ecp5("ecp5-45k", 43_848, 108, 72),
        _ecp5("ecp5-85k", 83_640, 208, 156),
        Device("ice40-hx8k", "ice40", 7_680, 7_680, 32, 4, 0, 4, 50.0),
        Device("ice40-up5k", "ice40", 5_280, 5_280, 30, 4, 8, 4, 20.0),
        _xc7("xc7a35t", 20_800, 50, 90),
        _xc7("xc7a100t", 63_400, 135, 240),
        _xc7("xc7a200t", 134_600, 365, 740),
        _xc7("xc7z020", 53_200, 140, 220),
    )
}


def device(name: str) -> Device:
    """The device called ``name``; raises QCompilerError that lists the known ones."""
    try:
        return DEVICES[name.lower()]
    except KeyError:
        raise QCompilerError(
            f"{name!r} is not a known device", hint=f"choose one of {', '.join(DEVICES)}"
        ) from None
