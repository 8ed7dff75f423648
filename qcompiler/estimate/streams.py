"""Parts of the modules that only move beats, from FIFO to window."""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm

from qcompiler.estimate.carry import adder_cells, comparator_cells, counter_cells
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.memory import ram_cost
from qcompiler.estimate.parts import Parts, clog2, counter_bits, counter_features
from qcompiler.ir import hardware as hw
from qcompiler.ir.geometry import pool_size
from qcompiler.ir.hardware import StreamType

Types = Sequence[StreamType]


def fifo(op: hw.Fifo, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    width, rows = inputs[0].width + 1, op.depth - 1
    if rows == 1:
        return [Parts("fifo_pair", {"one": 1, "width": width}, Cost(ff=2 * width + 2))]
    deep = op.depth > 3 and width * rows >= 2048  # a register behind the read
    rows -= deep
    bits = clog2(rows)
    count = clog2(op.depth)
    features = {
        "one": 1,
        "bits": bits,
        "count": count,
        "wrap": rows.bit_count()
        if rows & (rows - 1)
        else 0,  # a bit that is 0 behind the last row needs no reset
        "second": int(deep),
    }
    ff = 2 * bits + count + 3 + (width + 1 if deep else 0)
    carry = counter_cells(family, rows, rows, op.depth)
    return [Parts("fifo", features, Cost(ff=ff, carry=carry) + ram_cost(width, rows, family))]


def fork(op: hw.Fork, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    return [Parts("fork", {"outputs": op.outputs}, Cost(ff=op.outputs))]


def adapter(op: hw.Adapter, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    have, want, bits = inputs[0].lanes, outputs[0].lanes, inputs[0].elem.bits
    common = lcm(have, want)
    up = turn_parts(common * bits, common // have, family, join=True)
    return up + turn_parts(common * bits, common // want, family, join=False)


def turn_parts(width: int, ratio: int, family: str, *, join: bool) -> list[Parts]:
    """``ratio`` beats joined to one of ``width`` bits, or one such beat split; nothing for 1."""
    if ratio == 1:
        return []
    if join:
        fixed = Cost(ff=width + 2 + clog2(ratio), carry=counter_cells(family, ratio))
        return [Parts("upsize", {"one": 1, "bits": clog2(ratio)}, fixed)]
    features = {"one": 1, "bits": clog2(ratio), "mux": width // ratio * _choose(ratio, family)}
    fixed = Cost(ff=clog2(ratio), carry=counter_cells(family, ratio))
    return [Parts("downsize", features, fixed)]


def _choose(words: int, family: str) -> float:
    """LUTs of a bit that a shift picks out of so many words.

    On Xilinx 7 a LUT chooses one of four; choices of more than eight Yosys spreads for speed. A
    LUT4 of a tree of pairs has an input to spare, which saves some while the address is short.
    """
    if family != "xc7":
        return words - (1.0 if words <= 4 else 1.6 if words <= 8 else 0.6)
    luts, left = 0, words
    while left > 1:
        left = -(-left // 4)
        luts += left
    return luts * (4 / 3 if words > 8 else 1)


def pad(op: hw.Pad, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    top, left, bottom, right = op.border
    columns, rows = outputs[0].shape[2] * outputs[0].words, outputs[0].shape[1]
    compared = (left > 0) + (right > 0), (top > 0) + (bottom > 0)
    features = {
        "one": 1,
        "width": inputs[0].width,
        "compare": compared[0] * clog2(columns) + compared[1] * clog2(rows),
        **counter_features(family, columns, rows),
    }
    ff, carry = counter_bits(columns, rows) + 3, counter_cells(family, columns, rows)
    return [Parts("pad", features, Cost(ff=ff, carry=carry))]


def crop(op: hw.Slice, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    gaps = carry = 0
    for (_, step, count), size in zip((op.rows, op.columns), inputs[0].shape[1:], strict=True):
        turn = size - 1 - (count - 1) * step
        longest = max(step - 1 if count > 1 else 0, turn)
        gaps += clog2(longest + 1)
        carry += counter_cells(family, longest + 1)
    counters = (inputs[0].words, op.rows[2], op.columns[2])
    carry += counter_cells(family, *counters)
    features = {"one": 1, "gaps": gaps, **counter_features(family, *counters)}
    return [Parts("slice", features, Cost(ff=gaps + counter_bits(*counters), carry=carry))]


def channel_pad(op: hw.ChannelPad, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    bits = clog2(outputs[0].words)
    sides = (op.front > 0) + (op.back > 0)
    features = {"one": 1, "width": inputs[0].width, "bits": bits, "sides": sides}
    carry = adder_cells(bits, family)
    return [Parts("channel_pad", features, Cost(ff=bits + 2 + (op.back > 0), carry=carry))]


def concat(op: hw.Concat, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    bits = clog2(outputs[0].words)
    features = {"one": 1, "width": inputs[0].width, "bits": bits}
    return [Parts("concat", features, Cost(ff=bits + 1, carry=adder_cells(bits, family)))]


def window(op: hw.Window, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    """A ring of rows, seven loops, and an address that each loop steps by its own constant."""
    (x,), (_, h, w) = inputs, outputs[0].shape
    out_rows, out_columns = pool_size((h, w), op.kernel, op.stride, dilation=op.dilation)
    row = w * x.words
    depth, span = op.rows * row, (op.kernel[0] - 1) * op.dilation[0] + 1
    loops = (x.words // op.groups, *op.kernel, op.repeat, op.groups, out_columns, out_rows)
    skips = (out_rows - 1) * op.stride[0] + span != h or op.stride[0] > span
    address, ring = clog2(depth), clog2(op.rows)
    swallowed = clog2(h) + clog2(op.stride[0]) if skips else 0
    features = {
        "one": 1,
        "address": address,
        "address_wrap": address if depth & (depth - 1) else 0,
        "address_steps": address * sum(n > 1 for n in loops),
        "ring": ring if op.kernel[0] > 1 else 0,
        "skip": swallowed,
        **counter_features(family, *loops, row),
    }
    ff = counter_bits(*loops, row) + 3 * address + 3 + ring + clog2(op.rows + 1) + swallowed
    carry = counter_cells(family, *loops, row, depth) + adder_cells(address, family)
    carry += adder_cells(clog2(op.rows + 1), family) + adder_cells(ring, family)
    if skips:  # rows are counted, and compared with the last one used
        carry += counter_cells(family, h, op.stride[0])
        carry += comparator_cells(clog2(h), family, constant=True)
    fixed = Cost(ff=ff + x.width + 4, carry=carry) + ram_cost(x.width, depth, family)
    return [Parts("window", features, fixed)]
