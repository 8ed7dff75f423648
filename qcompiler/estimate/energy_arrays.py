"""What switches inside the modules that multiply: arrays, hard-wired engines, Winograd units."""

from __future__ import annotations

from qcompiler.estimate.energy import Switched
from qcompiler.estimate.energy_site import COUNTER, Site, Traffic, gated, mixed, ram, rom
from qcompiler.estimate.memory import block_rom
from qcompiler.estimate.model import module_cost
from qcompiler.ir.planes import encode
from qcompiler.ir.products import ProductPlan, signed_bits


def array(site: Site) -> Switched:
    """Weights, activations, gates, adder tree, slot tree, accumulators: a step a beat."""
    op, x = site.op, site.x
    act, word = site.inputs[0].elem.bits, op.pe * op.simd * op.planes
    planes = encode(op.weight).bits
    ones = float(planes.mean()) if planes.size else 0.0
    in_blocks = block_rom(word, op.weight_words) and not op.lut_rom
    copies = 2 if op.ahead and in_blocks else 1
    weights = word * copies * 2 * ones * (1 - ones) if op.weight_words > 1 else 0.0
    pairs = op.simd // 2
    bits = pairs * (act + 1) * mixed(x.activity)
    count, width, change = op.simd, act, gated(ones, x)
    tree = width * change if count == 1 else 0.0
    while count > 1:
        count, width, change = -(-count // 2), width + 1, mixed(change)
        tree += count * width * change
    sums = op.pe * (op.planes * tree + (_slots(op.planes, width) + op.acc.bits) * change)
    memory = rom(word, op.weight_words, x.beats, site.family, in_luts=op.lut_rom)
    return Switched(logic=x.beats * (weights + bits + sums + 3 * COUNTER) + 2 * x.switched) + memory


def _slots(planes: int, width: int) -> int:
    """Registers that join the sums of planes in pairs: one over n planes has ``width + n`` bits."""
    bits, sizes = 0, [1] * planes
    while len(sizes) > 1:
        sizes = [sum(sizes[k : k + 2]) for k in range(0, len(sizes), 2)]
        bits += sum(width + (n if n > 1 else 0) for n in sizes)
    return bits


def multipliers(site: Site) -> Switched:
    op = site.op
    depth = op.groups * op.repeat * op.beats
    return _products(op.plan(site.inputs[0].elem), op.pe, depth, op.acc.bits, site.x, site.family)


def _products(
    plan: ProductPlan, pe: int, depth: int, acc_bits: int, x: Traffic, family: str
) -> Switched:
    """Operands, products, sums and accumulators of an array of multipliers: a step a beat.

    A bit of a product is a sum of bits that weight bits gate.
    """
    word = pe * plan.simd * plan.weight_bits
    change = mixed(gated(0.5, x))
    sums = plan.simd * min(plan.product_bits, acc_bits)
    sums += sum(min(node.width, acc_bits) for level in plan.levels for node in level) + acc_bits
    operands = word * 0.5 + COUNTER * 2 + pe * sums * change
    product = pe * plan.simd * signed_bits(plan.act) * plan.weight_bits
    return Switched(logic=x.beats * operands + 2 * x.switched, product=x.beats * product) + rom(
        word, depth, x.beats, family
    )


def hardwired(site: Site) -> Switched:
    """Every register takes a digit a cycle."""
    registers = module_cost(site.op, site.inputs, site.outputs, site.family).ff
    digits = 2 * site.x.density * (1 - site.x.density)
    return Switched(logic=registers * site.op.rate * digits)


def winograd(site: Site) -> Switched:
    """Passes in and out with their memories, the replayed tiles, the products.

    In a pass in: operands, and of each sum an operand, the sum and its register; in a pass out: the
    operand, sums as read for either use, what is added to them and the result, and the division.
    """
    op, x, family = site.op, site.x, site.family
    plan = op.plan(site.inputs[0].elem)
    data, t = plan.simd * plan.data.bits, plan.tile.t
    change, total = max(gated(0.5, x), mixed(x.activity)), Switched()
    for p in plan.input_passes:
        beats, width = x.beats * plan.input_turns, p.lanes * p.x.bits
        sums = sum(p.leaf_widths) + 3 * sum(n.width for level in p.levels for n in level)
        total += Switched(logic=beats * p.lanes * sums * change)
        for _ in p.slots:
            total += ram(width, 2 * p.size, beats, beats, family)
    total += ram(data, 2 * plan.words * t * t, x.beats, op.rate, family)
    total += Switched(logic=op.rate * (2 * data * change + 4 * COUNTER))  # as read, and sent on
    moved = Traffic(op.rate, data, op.rate * data * change, op.rate * data * change)
    depth = plan.cfolds * t * t * plan.words
    total += _products(op.product_plan(plan), plan.pe, depth, plan.product_bits, moved, family)
    beats = op.rate / plan.words * plan.output_turns
    for q in plan.output_passes:
        width, rows = q.m * q.lanes * q.acc_bits, 2 * q.inner
        sums = q.lanes * (q.x_bits + q.y_bits * (1 + len(q.steps))) + 4 * width
        total += ram(width, rows, beats, beats, family) + Switched(logic=beats * sums * change)
        beats *= q.m / t
    rows = 2 * op.m * site.outputs[0].shape[2] * plan.cfolds
    return total + ram(site.y.width, rows, site.y.beats, site.y.beats, family)
