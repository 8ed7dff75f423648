"""Memories as Yosys maps them: block RAM, LUT RAM, LUTs, or flip-flops.

Yosys (memory_libmap) takes what it holds for cheapest: a block RAM has a fixed price, a ROM bit in
LUTs a small one, a LUT RAM the sum of its cells and of the multiplexers behind them. The same
prices are taken here; the LUTs that come of it were measured with random contents.
"""

from __future__ import annotations

from functools import cache

from qcompiler.estimate.cost import Cost
from qcompiler.estimate.devices import BRAM_SHAPES

_BLOCK_PRICE = {"ecp5": 128.0, "xc7": 129.0, "ice40": 64.0}
_ROM_BIT_PRICE = {"ecp5": 1 / 16, "xc7": 1 / 64, "ice40": 1 / 16}
_MUX_PRICE = 0.5  # of one bit of one more bank, and of the decoding of one


@cache
def blocks(width: int, depth: int, family: str) -> tuple[int, int]:
    """Block RAMs that hold ``depth`` words of ``width`` bits, and how many lie one above another."""
    found = []
    for bits, words in BRAM_SHAPES[family]:
        deep = -(-depth // words)
        found.append((-(-width // bits) * deep, deep))
    return min(found)


@cache
def rom_cost(width: int, depth: int, family: str, *, counted: bool = False) -> Cost:
    """A ROM with a registered read of ``depth`` words of ``width`` bits.

    Args:
        width: Bits of a word.
        depth: Words.
        family: Family of the device.
        counted: The address is a counter beside it and nothing slower is near. Yosys then maps the
            ROM for speed on xc7, without MUXF7, in several times the LUTs.
    """
    bits = width * depth
    if depth < 2:
        return Cost(memory_bits=bits)
    if bits * _ROM_BIT_PRICE[family] > blocks(width, depth, family)[0] * _BLOCK_PRICE[family]:
        return _in_blocks(width, depth, family)
    different = min(width, (1 << min(depth, 62)) - 2)  # columns of the ROM; equal ones are merged
    return Cost(lut=different * _rom_bit(depth, family, counted), ff=different, memory_bits=bits)


def _in_blocks(width: int, depth: int, family: str) -> Cost:
    count, deep = blocks(width, depth, family)
    lut = _bank_lut(width, deep, family)
    return Cost(lut, (deep - 1).bit_length(), count, memory_bits=width * depth)


def _rom_bit(depth: int, family: str, counted: bool) -> float:
    """LUTs of one bit of a ROM."""
    if depth <= 16:
        return depth / 16
    if family == "xc7" and counted:
        return max(1.0, 4.7 * depth / 64)
    if family == "xc7":  # MUXF7 and MUXF8 join up to four LUT6 for nothing
        tables = -(-depth // 64)
        return tables if tables <= 4 else 1.35 * depth / 64
    return 2.45 * depth / 16 - 1.5


@cache
def ram_cost(width: int, depth: int, family: str, *, registered: bool = True) -> Cost:
    """A RAM of ``depth`` words of ``width`` bits with one write and one read port.

    Args:
        width: Bits of a word.
        depth: Words.
        family: Family of the device.
        registered: The read is registered; block RAM cannot read otherwise.
    """
    bits, ff = width * depth, width if registered else 0
    block = blocks(width, depth, family)[0] * _BLOCK_PRICE[family]
    if family == "ice40":  # no LUT RAM
        if registered and bits > block:
            return _in_blocks(width, depth, family)
        return Cost(lut=0.9 * bits, ff=ff + bits, memory_bits=bits)
    words, lanes = _lut_ram(depth, family)
    banks, cells = -(-depth // words), -(-width // lanes)
    spread = _MUX_PRICE * (width * (banks - 1) + (banks if banks > 1 else 0))
    if registered and banks * _row_price(width, lanes, family) + spread > block:
        return _in_blocks(width, depth, family)
    return Cost(4 * banks * cells + _bank_lut(width, banks, family), ff, memory_bits=bits)


def _lut_ram(depth: int, family: str) -> tuple[int, int]:
    """(words, bits) of a LUT RAM cell; each takes four LUTs."""
    if family == "xc7":
        return (32, 6) if depth <= 32 else (64, 3)  # RAM32M, RAM64M
    return 16, 4  # TRELLIS_DPR16X4


def _row_price(width: int, lanes: int, family: str) -> float:
    """Yosys's price of LUT RAM cells side by side; on xc7 one that is not full is cheaper."""
    whole, rest = divmod(width, lanes)
    if family == "xc7":
        return 8.0 * whole + (1.0 + 7.0 * rest / lanes if rest else 0.0)
    return 4.0 * (whole + (rest > 0))


def _bank_lut(width: int, banks: int, family: str) -> float:
    """LUTs that choose among memories one above another."""
    if banks == 1:
        return 0.0
    if family == "xc7":
        return width * -(-(banks - 1) // 3) + banks
    return width * (banks - 1) + 0.8 * banks
