"""Parts of the Winograd unit, after ``templates/winograd*.v.j2``, `qc_replay`, `qc_tile_raster`."""

from __future__ import annotations

from collections.abc import Sequence

from qcompiler.estimate.carry import adder_cells, counter_cells
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.memory import ram_cost
from qcompiler.estimate.multiplier import multiplier_parts
from qcompiler.estimate.parts import Parts, clog2, counter_bits, counter_features, even
from qcompiler.estimate.streams import turn_parts
from qcompiler.ir import hardware as hw
from qcompiler.ir.hardware import StreamType
from qcompiler.ir.winograd_passes import InputPass, OutputPass

Types = Sequence[StreamType]


def winograd(op: hw.Winograd, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    """Two passes in, the replayed tile, the multipliers, two passes out, the rows of tiles."""
    plan, x, y = op.plan(inputs[0].elem), inputs[0], outputs[0]
    data, sums, steps = plan.simd * plan.data.bits, plan.pe * plan.product_bits, plan.tile.t**2
    products = multiplier_parts(
        op.product_plan(plan), plan.pe, plan.cfolds * steps, plan.product_bits, family
    )
    return [
        *turn_parts(x.width, plan.input_turns, family, join=False),
        *(input_pass(p, family) for p in plan.input_passes),
        *turn_parts(data, plan.input_turns, family, join=True),
        replay(data, plan.words, steps, plan.cfolds, family),
        products,
        *turn_parts(sums, plan.output_turns, family, join=False),
        *(output_pass(p, family) for p in plan.output_passes),
        *turn_parts(y.width, plan.output_turns, family, join=True),
        raster(y.width, (y.shape[1], y.shape[2]), op.m, plan.cfolds, family),
    ]


def input_pass(p: InputPass, family: str) -> Parts:
    """A memory for each term of a sum, shifts by multiplexers, and a tree of adders."""
    nodes = [node for level in p.levels for node in level]
    choices = [len({term.shift for term in slot}) - 1 for slot in p.slots]
    counters = counter_features(family, 2 * p.size, p.t, p.inner)
    features = {
        "one": 1.0,
        "add": p.lanes * sum(even(node.width, family) for node in nodes),
        "mixed": p.lanes * sum(n.width for n in nodes if n.mixed),
        "choose": p.lanes * sum(w * c for w, c in zip(p.leaf_widths, choices, strict=True)),
        "address": len(p.slots) * clog2(2 * p.size),
        "counters": counters["step"] + counters["last"],
    }
    memory = Cost.sum([ram_cost(p.lanes * p.x.bits, 2 * p.size, family)] * len(p.slots))
    ff = counter_bits(2 * p.size, p.t, p.inner) + 6 + 2 * (len(p.levels) + 1)
    ff += clog2(p.t) * p.row_stages + p.lanes * sum(node.width for node in nodes)
    carry = p.lanes * sum(adder_cells(node.width, family) for node in nodes)
    carry += counter_cells(family, 2 * p.size, p.t, p.inner)
    return Parts("winograd_input", features, Cost(ff=ff, carry=carry) + memory)


def output_pass(p: OutputPass, family: str) -> Parts:
    """A memory with two read ports and an adder for each sum; the exact division."""
    depth = 2 << clog2(p.inner)
    choices = sum(len(p.choices(k)) - 1 for k in range(p.m))
    minus = sum(p.subtracts(k) > 0 for k in range(p.m))
    counters = counter_features(family, p.t, p.inner, p.m, p.inner)
    outputs = -(-(p.m - 1) // 3) if family == "xc7" else p.m - 1
    features = {
        "one": 1.0,
        "add": p.lanes * (p.m * even(p.acc_bits, family) + (p.triple_bits if p.triple else 0)),
        "mixed": p.lanes * minus * p.acc_bits,
        "choose": p.lanes * choices * p.acc_bits,
        "divide": p.lanes * len(p.steps) * even(p.y_bits, family),
        "outputs": p.lanes * outputs * p.y_bits,
        "held": p.lanes * p.m * p.acc_bits if depth == 2 else 0,
        "counters": counters["step"] + counters["last"],
    }
    memory = _sums(p, depth, family)
    x = p.lanes * (p.x_bits * (1 + p.triple) + (p.triple_bits if p.triple else 0))
    ff = counter_bits(p.t, p.inner, p.m, p.inner) + 6 + 2 * (1 + p.triple) + x
    ff += (p.lanes * p.y_bits + 2) * (1 + len(p.steps))
    adders = [p.acc_bits] * p.m + [p.y_bits] * len(p.steps) + [p.triple_bits] * p.triple
    carry = p.lanes * sum(adder_cells(bits, family) for bits in adders)
    carry += counter_cells(family, p.t, p.inner, p.m, p.inner)
    return Parts("winograd_output", features, Cost(ff=ff, carry=carry) + memory)


def _sums(p: OutputPass, depth: int, family: str) -> Cost:
    """The memories of the sums; each of two read ports has a copy where they are LUT RAM."""
    one = ram_cost(p.acc_bits, depth, family, registered=False)
    bits = p.m * p.lanes * p.acc_bits * depth
    if depth == 2:
        return Cost(ff=bits, memory_bits=bits)
    luts = 2 * p.m * p.lanes * one.lut
    return Cost(luts, bits if one.ff else 0, memory_bits=bits)


def replay(width: int, words: int, steps: int, repeat: int, family: str) -> Parts:
    depth = 2 * words * steps
    address, loops = clog2(depth), counter_features(family, steps, repeat)
    features = {"one": 1.0, "address": address, "counters": loops["step"] + loops["last"]}
    ff = 2 * address + counter_bits(steps, repeat) + 6 + width + 4
    carry = 2 * adder_cells(address, family) + counter_cells(family, steps, repeat)
    return Parts("replay", features, Cost(ff=ff, carry=carry) + ram_cost(width, depth, family))


def raster(width: int, size: tuple[int, int], m: int, cfolds: int, family: str) -> Parts:
    (h, w), depth = size, 2 * m * size[1] * cfolds
    rows, columns = -(-h // m), -(-w // m)
    address, loops = clog2(depth), counter_features(family, m, m, cfolds, rows, columns * m)
    features = {"one": 1.0, "address": address, "counters": loops["step"] + loops["last"]}
    ff = 2 * address + counter_bits(m, m, cfolds, rows) + 6 + width + 4
    ff += clog2((columns - 1) * m + 1) - clog2(m)  # the first column of a tile, a multiple of m
    carry = 2 * adder_cells(address, family)
    carry += counter_cells(family, m, m, cfolds, rows, columns * m)
    return Parts("tile_raster", features, Cost(ff=ff, carry=carry) + ram_cost(width, depth, family))
