"""Parts of the two searches of a step table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from qcompiler.estimate.cost import Cost
from qcompiler.estimate.memory import block_rom, rom_cost, rom_cost_of, weight_rom_cost
from qcompiler.estimate.parts import Parts, clog2, even
from qcompiler.ir import hardware as hw
from qcompiler.ir.hardware import StreamType

Types = Sequence[StreamType]


def threshold(op: hw.Threshold, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    """A comparator and a ROM for each bit of the count, or one for all, a lane; then the codes."""
    (x,), (y,) = inputs, outputs
    return [_serial(op, x, y, family) if op.serial else _pipelined(op, x, y, family)]


def _pipelined(op: hw.Threshold, x: StreamType, y: StreamType, family: str) -> Parts:
    stages, words, bits = op.stages, x.words, _compared_bits(op, x)
    levels = [level for lane in range(op.lanes) for level in _levels(op, x, lane)]
    # x beside the ROM and beside the comparison; the last is not used.
    ff = bits * (2 * stages - 1) + stages * stages if stages else 0
    roms = [rom_cost_of(level.reshape(-1), bits, family, rows=words) for level in levels]
    alike = all((level == level[0]).all() for level in levels)
    counter = 0 if alike and op.offset is not None else clog2(words)  # nothing asks for the word
    moved = counter * max(2 * stages - 1, 1)
    ff = op.lanes * ff + x.width + 2 * op.latency + moved
    features = {
        "one": 1,
        "compare": op.lanes * stages * even(bits, family),
        "stages": op.lanes * stages,
        "bits": counter,
    }
    return Parts("threshold", features, Cost.sum(roms) + _codes(op, x, y, family) + Cost(ff=ff))


def _serial(op: hw.Threshold, x: StreamType, y: StreamType, family: str) -> Parts:
    stages, words, bits = op.stages, x.words, _compared_bits(op, x)
    roms = []
    for lane in range(op.lanes):
        levels, width = _levels(op, x, lane), bits
        contents = levels[0].reshape(-1)
        if stages > 1:  # two in a word, from the root twice on
            nodes = np.concatenate([levels[0], *levels], axis=1).astype(object) & (1 << bits) - 1
            contents, width = (nodes[:, 0::2] | nodes[:, 1::2] << bits).reshape(-1), 2 * bits
        if block_rom(width, len(contents)):
            roms.append(weight_rom_cost(width, len(contents), family))
        else:
            roms.append(rom_cost_of(contents, width, family, rows=words))
    codes = Cost(ff=op.lanes * y.elem.bits) if op.offset is not None else _codes(op, x, y, family)
    picked = bits + stages - 1 if stages > 1 else 0  # the threshold and the node compared
    ff = x.width + stages + 4 + 2 * (stages > 1) + clog2(words) + op.lanes * picked
    features = {
        "one": 1,
        "compare": op.lanes * even(bits, family),
        "pick": op.lanes * bits * (stages > 1),
        "count": op.lanes * stages,
        "bits": clog2(words),
        # the comparison comes late to the address: tools look up what either outcome reads
        "rom": sum(rom.lut for rom in roms if not rom.bram),
    }
    memory = Cost.sum(rom if rom.bram else replace(rom, lut=0) for rom in roms)
    return Parts("threshold_serial", features, memory + codes + Cost(ff=ff))


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
