"""Memories as Yosys maps them: block RAM, LUT RAM, LUTs, or flip-flops.

Yosys (memory_libmap) takes what it holds for cheapest: a block RAM has a fixed price, a ROM bit in
LUTs a small one, a LUT RAM the sum of its cells and of the multiplexers behind them. The same
prices are taken here; the LUTs that come of it were measured with random contents.
"""

from __future__ import annotations

from functools import cache
from math import expm1
from typing import Any

import numpy as np

from qcompiler.estimate.cost import Cost
from qcompiler.estimate.devices import BRAM_SHAPES

Array = np.ndarray[Any, Any]

_BLOCK_PRICE = {"ecp5": 128.0, "xc7": 129.0, "ice40": 64.0}
_ROM_BIT_PRICE = {"ecp5": 1 / 16, "xc7": 1 / 64, "ice40": 1 / 16}
_WRITTEN_BITS = {"ecp5": 9, "xc7": 9, "ice40": 1}
"""Least part of a wide row that can be written without the rest."""
_MUX_PRICE = 0.5  # of one bit of one more bank, and of the decoding of one


@cache
def blocks(width: int, depth: int, family: str, *, written: bool = False) -> tuple[int, int]:
    """Block RAMs that hold ``depth`` words of ``width`` bits, and the banks that lie in depth.

    Banks lie side by side: three banks of 12 bits fill rows of 36, of which one is chosen behind.

    Args:
        width: Bits of a word.
        depth: Words.
        family: Family of the device.
        written: The memory is a RAM: a bank takes whole parts of a row, as they are written.
    """
    found = []
    for bits, words in BRAM_SHAPES[family]:
        deep = -(-depth // words)
        part = (_WRITTEN_BITS[family] if bits >= 16 else bits) if written else 1
        bank = -(-width // part) * part
        found.append((-(-bank * deep // bits), deep))
    return min(found)


def rom_banks(width: int, depth: int) -> tuple[int, int]:
    """How a weight ROM that is read ahead lies in block RAM: banks side by side, rows of each.

    One bank where a block's shape is deep enough. As `block_rom`, one rule for all families.
    """
    found = []
    for bits, words in BRAM_SHAPES["ecp5"]:
        deep = -(-depth // words)
        found.append((-(-width * deep // bits), deep, words))
    _, deep, words = min(found)
    return deep, words if deep > 1 else depth


def ahead_rom_cost(width: int, depth: int, family: str) -> Cost:
    """A weight ROM that is read ahead where it is in block RAM: `weight_rom_cost` and registers.

    Several banks are read two beats ahead: a register for each behind the blocks, then the choice.
    """
    if not block_rom(width, depth):
        return weight_rom_cost(width, depth, family)
    banks, rows = rom_banks(width, depth)
    if banks == 1:
        return weight_rom_cost(width, depth, family) + Cost(ff=width + 1)
    select = 2 * (banks - 1).bit_length()
    registers = Cost(_bank_lut(width, banks, family), width * (banks + 1) + select + 2)
    return weight_rom_cost(width * banks, rows, family) + registers


def rom_cost(
    width: int, depth: int, family: str, *, counted: bool = False, in_luts: bool = False
) -> Cost:
    """A ROM with a registered read of ``depth`` words of ``width`` random bits.

    Args:
        width: Bits of a word.
        depth: Words.
        family: Family of the device.
        counted: The address is a counter beside it and nothing slower is near. Yosys then maps the
            ROM for speed on xc7, without MUXF7, in several times the LUTs.
        in_luts: The Verilog forbids block RAM.
    """
    if depth < 2 or (not in_luts and _to_blocks(width, depth, family)):
        return _in_blocks(width, depth, family) if depth > 1 else Cost(memory_bits=width)
    # Columns of few words repeat, or are another's inverse: 2^depth there are.
    kinds = 2.0 ** min(depth, 60)
    ff = -kinds * expm1(-width / kinds)
    bit = (
        _forced_rom_bit(depth) if in_luts and family == "ecp5" else _rom_bit(depth, family, counted)
    )
    lut = -kinds / 2 * expm1(-2 * width / kinds) * bit
    return Cost(lut, ff, memory_bits=width * depth)


def block_rom(width: int, depth: int) -> bool:
    """The Verilog asks for block RAM for a weight ROM of this size, on any device.

    One rule for all families, as the Verilog is the same for all: more than a ninth of the 18 kbit
    blocks is filled. ECP5 would decide so by itself; on xc7 Yosys keeps much larger ROMs in LUTs,
    150 and more for each block they would take.
    """
    return depth > 1 and _to_blocks(width, depth, "ecp5")


def weight_rom_cost(width: int, depth: int, family: str) -> Cost:
    """The weight ROM of an array: `block_rom` decides, else the tool.

    Args:
        width: Bits of a word.
        depth: Words.
        family: Family of the device.
    """
    if block_rom(width, depth):
        return _in_blocks(width, depth, family)
    return rom_cost(width, depth, family, counted=True)


def rom_cost_of(
    contents: Array,
    width: int,
    family: str,
    *,
    rows: int = 1,
    counted: bool = False,
    lanes: int = 1,
) -> Cost:
    """A ROM whose words are known: constant and repeated columns are free.

    Args:
        contents: Integers; their lowest ``width`` bits are the words, in the order of the address.
        width: Bits of a word.
        family: Family of the device.
        rows: Equal parts of the ROM; where a column is the same in all, the address bits that tell
            them apart are not needed.
        counted: See `rom_cost`.
        lanes: ROMs that are read at one address, each of ``width`` bits, side by side in
            ``contents``: equal columns of all of them are one.
    """
    depth = len(contents)
    if depth < 2 or _to_blocks(width, depth, family):
        return Cost.sum([rom_cost(width, depth, family)] * lanes)
    found = columns(contents, lanes * width)
    lut = 0.0
    for column in {tuple(bit ^ column[0] for bit in column) for column in found}:
        parts = np.array(column).reshape(rows, -1)
        inputs = depth // rows if (parts == parts[0]).all() else depth
        lut += _rom_bit(inputs, family, counted)
    return Cost(lut, len(found), memory_bits=lanes * width * depth)


def columns(contents: Array, width: int) -> set[tuple[int, ...]]:
    """The different columns of a ROM that are not constant."""
    size, mask = -(-width // 8), (1 << width) - 1
    packed = b"".join((int(word) & mask).to_bytes(size, "little") for word in contents)
    words = np.frombuffer(packed, np.uint8).reshape(-1, size)
    bits = np.unpackbits(words, axis=1, count=width, bitorder="little")
    found = {column.tobytes() for column in bits.T}  # the solver asks often: bytes are quick
    return {tuple(column) for column in found if 0 < sum(column) < len(column)}


def _to_blocks(width: int, depth: int, family: str) -> bool:
    price = blocks(width, depth, family)[0] * _BLOCK_PRICE[family]
    return width * depth * _ROM_BIT_PRICE[family] > price


def _in_blocks(width: int, depth: int, family: str, *, written: bool = False) -> Cost:
    count, deep = blocks(width, depth, family, written=written)
    lut = _bank_lut(width, deep, family)
    return Cost(lut, (deep - 1).bit_length(), count, memory_bits=width * depth)


def table_lut(depth: int, family: str) -> float:
    """LUTs of a table of ``depth`` random bits that logic looks up."""
    return max(_rom_bit(depth, family, counted=False), 1.0 if depth > 1 else 0.0)


def _rom_bit(depth: int, family: str, counted: bool) -> float:
    """LUTs of one bit of a ROM."""
    if depth <= 16:
        return 1.0 if depth > 2 else 0.0
    if family == "xc7" and counted:
        return max(1.0, 4.7 * depth / 64)
    if family == "xc7":  # MUXF7 and MUXF8 join two or four LUT6 for nothing
        tables = 1 << max((depth - 1).bit_length() - 6, 0)
        return tables if tables <= 4 else 1.35 * depth / 64
    return 2.45 * depth / 16 - 1.5


def _forced_rom_bit(depth: int) -> float:
    """LUTs of a bit of a deep ROM on ECP5: LUT4 of 16 words each, and the choices among them."""
    return 2.0 * -(-depth // 16) - 1.0


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
    block = blocks(width, depth, family, written=True)[0] * _BLOCK_PRICE[family]
    if family == "ice40":  # no LUT RAM
        if registered and bits > block:
            return _in_blocks(width, depth, family, written=True)
        return Cost(lut=0.9 * bits, ff=ff + bits, memory_bits=bits)
    words, lanes = _lut_ram(depth, family)
    banks, cells = -(-depth // words), -(-width // lanes)
    spread = _MUX_PRICE * (width * (banks - 1) + (banks if banks > 1 else 0))
    if registered and banks * _row_price(width, lanes, family) + spread > block:
        return _in_blocks(width, depth, family, written=True)
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
