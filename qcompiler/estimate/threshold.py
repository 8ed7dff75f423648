"""Parts of the two searches of a step table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from qcompiler.estimate.carry import adder_cells, comparator_cells
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.memory import (
    block_rom,
    columns,
    rom_cost,
    rom_cost_of,
    weight_rom_cost,
)
from qcompiler.estimate.parts import Parts, clog2, delay_cost, even
from qcompiler.ir import hardware as hw
from qcompiler.ir.hardware import StreamType

Types = Sequence[StreamType]


def threshold(op: hw.Threshold, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    """A comparator and a ROM for each bit of the count, or one for all, a lane; then the codes."""
    (x,), (y,) = inputs, outputs
    return [_serial(op, x, y, family) if op.serial else _pipelined(op, x, y, family)]


def _pipelined(op: hw.Threshold, x: StreamType, y: StreamType, family: str) -> Parts:
    stages, words, bits = op.stages, x.words, _compared_bits(op, x)
    lanes = [_levels(op, x, lane) for lane in range(op.lanes)]
    levels = [level for lane in lanes for level in lane]
    # x beside the ROM and beside the comparison; the last is not used.
    ff = bits * (2 * stages - 1) + stages * stages if stages else 0
    roms = []
    if stages:  # all lanes read the first bit's ROMs at the word
        first = [lane[0].reshape(-1).astype(object) & (1 << bits) - 1 for lane in lanes]
        entries = np.sum([one << k * bits for k, one in enumerate(first)], axis=0)
        roms.append(rom_cost_of(entries, bits, family, lanes=op.lanes))
    for lane in lanes:
        roms += [rom_cost_of(level.reshape(-1), bits, family, rows=words) for level in lane[1:]]
    alike = all((level == level[0]).all() for level in levels)
    counter = 0 if alike and op.offset is not None else clog2(words)  # nothing asks for the word
    moved = counter * max(2 * stages - 1, 1)
    ff = op.lanes * ff + x.width + op.latency + moved
    features = {
        "one": 1,
        "compare": op.lanes * stages * even(bits, family),
        "stages": op.lanes * stages,
        "bits": counter,
    }
    carry = op.lanes * stages * comparator_cells(bits, family) + adder_cells(counter, family)
    fixed = Cost(ff=ff, carry=carry) + delay_cost(op.latency, family)  # of tlast
    fixed += Cost.sum(roms) + _codes(op, x, y, family)
    return Parts("threshold", features, fixed)


def _serial(op: hw.Threshold, x: StreamType, y: StreamType, family: str) -> Parts:
    stages, words, bits = op.stages, x.words, _compared_bits(op, x)
    roms, read = [], set()
    for lane in range(op.lanes):
        levels, width = _levels(op, x, lane), bits
        contents = levels[0].reshape(-1)
        if stages > 1:  # two in a word, from the root twice on
            nodes = np.concatenate([levels[0], *levels], axis=1).astype(object) & (1 << bits) - 1
            contents, width = (nodes[:, 0::2] | nodes[:, 1::2] << bits).reshape(-1), 2 * bits
        if block_rom(width, len(contents)):
            roms.append(weight_rom_cost(_varying(contents), len(contents), family))
        elif stages > 1:
            found = columns(contents, width)
            lut = len(found) * _search_lut(len(contents), stages, family)
            roms.append(Cost(lut, len(found), memory_bits=width * len(contents)))
            if family == "xc7" and stages == 2:  # both words are read ahead of the choice
                read |= columns(contents[0::2], width) | columns(contents[1::2], width)
        else:
            roms.append(rom_cost_of(contents, width, family))
    roms.append(Cost(len(read), len(read)))
    codes = Cost(ff=op.lanes * y.elem.bits) if op.offset is not None else _codes(op, x, y, family)
    picked = bits + stages - 1 if stages > 1 else 0  # the threshold and the node compared
    ff = x.width + stages + 4 + 2 * (stages > 1) + clog2(words) + op.lanes * picked
    features = {
        "one": 1,
        "compare": op.lanes * even(bits, family),
        "pick": op.lanes * bits * (stages > 1),
        "count": op.lanes * stages,
        "bits": clog2(words),
        "rom": sum(rom.lut for rom in roms if not rom.bram),
    }
    memory = Cost.sum(rom if rom.bram else replace(rom, lut=0) for rom in roms)
    carry = op.lanes * comparator_cells(bits, family) + adder_cells(clog2(words), family)
    return Parts("threshold_serial", features, memory + codes + Cost(ff=ff, carry=carry))


def _varying(contents: Any) -> int:
    """Columns of a ROM that are not constant: Yosys stores no others."""
    found = int(np.bitwise_or.reduce(contents)) & ~int(np.bitwise_and.reduce(contents))
    return max(found.bit_count(), 1)


def _search_lut(depth: int, stages: int, family: str) -> float:
    """LUTs of one bit of a search ROM in LUTs.

    The comparison comes late to the address: what either outcome reads is looked up, and chosen
    between behind. Beyond a LUT's inputs Yosys spreads the address, whose bits also start over.
    """
    if depth <= 4:
        return 0.2
    if family == "xc7":
        return 0.85 if depth <= 16 or stages == 2 else 6.0 * (depth / 64) ** 1.7
    if depth <= 16:
        return 0.8 if stages == 2 or depth <= 8 else 1.6
    return 2.45 * depth / 16 - 0.4


def _compared_bits(op: hw.Threshold, x: StreamType) -> int:
    """Those of x, and one more for a threshold that is never reached where no code is free."""
    count, top = op.thresholds.shape[1], (1 << x.elem.bits - x.elem.signed) - 1
    full = count + 1 == 1 << op.stages
    idle = not full or bool((op.thresholds > x.elem.hi).any())
    return x.elem.bits + int(idle and x.elem.hi == top)


def _levels(op: hw.Threshold, x: StreamType, lane: int) -> list[Any]:
    """For each bit of the count [words, 2^k]: what splits the counts that begin with k bits.

    What x never reaches is its largest value + 1.
    """
    least, never = -(1 << x.elem.bits - 1) if x.elem.signed else 0, x.elem.hi + 1
    rows = np.full((x.words, (1 << op.stages) - 1), never, np.int64)
    own = op.thresholds[lane :: op.lanes]
    rows[:, : own.shape[1]] = np.clip(own, least, never)
    halves = [1 << (op.stages - 1 - stage) for stage in range(op.stages)]
    return [rows[:, half - 1 :: 2 * half] for half in halves]


def _codes(op: hw.Threshold, x: StreamType, y: StreamType, family: str) -> Cost:
    """A ROM a lane, unless the code is the count and an offset."""
    if op.offset is not None:
        return Cost()
    common = bool((op.table == op.table[0]).all())
    code = rom_cost(y.elem.bits, (1 if common else x.words) << op.stages, family)
    return Cost.sum([code] * op.lanes)
