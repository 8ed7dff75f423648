"""What switches inside a module, inferred from its op and what was measured on its streams.

One rule an op, after the structure of its module; ``energy`` prices what they count. Memories and
multipliers are counted by access, whatever changes in them; what a bit does, `energy_site` says.
"""

from __future__ import annotations

from collections.abc import Callable

from qcompiler.estimate import energy_arrays as arrays
from qcompiler.estimate.energy import Switched
from qcompiler.estimate.energy_site import COUNTER, Site, ram, rom
from qcompiler.estimate.model import module_cost
from qcompiler.ir import hardware as hw


def inside(site: Site) -> Switched:
    """Bits that switch inside a module in a frame."""
    return _RULES[type(site.op)](site)


# ---- modules that move beats ---------------------------------------------------------------------


def _nothing(site: Site) -> Switched:
    return Switched()


def _counters(site: Site) -> Switched:
    return Switched(logic=COUNTER * max(site.x.beats, site.y.beats))


def _fifo(site: Site) -> Switched:
    """Two pointers and a memory; a pair of registers, or one more behind a large memory."""
    width, depth, beats = site.x.width + 1, site.op.depth, site.x.beats
    if depth == 2:
        return Switched(logic=site.x.switched)
    deep = depth > 3 and width * (depth - 1) >= 2048
    logic = 2 * COUNTER * beats + (site.x.switched if deep else 0)
    return Switched(logic=logic) + ram(width, depth - 1 - deep, beats, beats, site.family)


def _window(site: Site) -> Switched:
    """A ring of rows; at each beat out the loops, their ends, the step, the address, the next."""
    (x,), (y,) = site.inputs, site.outputs
    depth = site.op.rows * y.shape[2] * x.words
    registers = COUNTER * (site.x.beats + 6 * site.y.beats)
    held = ram(x.width, depth, site.x.beats, site.y.beats, site.family)
    return Switched(logic=registers) + held


# ---- modules that compute value by value ---------------------------------------------------------


def _threshold(site: Site) -> Switched:
    """A threshold of each lane for each bit of the count; x goes along, or is held."""
    op, x, words = site.op, site.x, site.inputs[0].words
    bits, stages, beats = site.inputs[0].elem.bits, op.stages, site.x.beats
    total = Switched()
    for lane_stage in range(stages):
        width, depth = (2 * bits, words << stages) if op.serial else (bits, words << lane_stage)
        total += rom(op.lanes * width, depth, beats, site.family)
    if op.offset is None:
        total += rom(op.lanes * op.out.bits, words << stages, beats, site.family)
    thresholds = op.lanes * bits * stages * (0.5 if words > 1 else site.y.activity)
    copies = 1 if op.serial else 2 * stages
    counts = op.lanes * stages * stages * site.y.activity
    control = COUNTER * (stages if op.serial else 1)
    return total + Switched(logic=beats * (thresholds + counts + control) + copies * x.switched)


def _scale(site: Site) -> Switched:
    """A multiplication a lane; product, sum and shifted sum as wide as the operands together."""
    op, x, beats = site.op, site.x, site.x.beats
    bits, words = site.inputs[0].elem.bits, site.inputs[0].words
    m_bits, r_bits = (max(int(v).bit_length() for v in part) + 1 for part in (op.m, op.r))
    entry = op.lanes * (m_bits + r_bits)
    change = (x.activity + 0.5 * (words > 1)) / 2
    logic = beats * (entry * 0.5 * (words > 1) + 4 * op.lanes * (bits + m_bits) * change)
    return Switched(logic=logic + x.switched, product=beats * op.lanes * bits * m_bits) + rom(
        entry, words, beats, site.family
    )


def _lookup(site: Site) -> Switched:
    op = site.op
    depth = 1 << site.inputs[0].elem.bits
    one = rom(op.out.bits, depth, site.x.beats, site.family)
    return Switched.sum([one] * op.lanes)


def _multiply(site: Site) -> Switched:
    """A multiplication a lane; the gate of a frame in a memory."""
    op, (x, gate), beats = site.op, site.inputs, site.x.beats
    p, q = op.operands(x.elem, gate.elem)
    held = ram(op.lanes * q.bits, gate.words, gate.beats, beats, site.family)
    return held + Switched(logic=site.x.switched, product=beats * op.lanes * p.bits * q.bits)


def _registers(site: Site) -> Switched:
    """All flip-flops but those of the output, as active as the streams are."""
    cost = module_cost(site.op, site.inputs, site.outputs, site.family)
    change = (site.x.activity + site.y.activity) / 2
    return Switched(logic=max(cost.ff - site.y.width, 0) * site.x.beats * change)


def _running(site: Site) -> Switched:
    """An accumulator that takes every beat; of several words it is a memory."""
    x, y = site.x, site.outputs[0]
    width, words = y.width, y.words if isinstance(site.op, hw.GlobalSum) else 1
    held = ram(width, words, x.beats, x.beats, site.family) if words > 1 else Switched()
    return held + Switched(logic=x.beats * (width * x.activity + COUNTER))


_RULES: dict[type, Callable[[Site], Switched]] = {
    hw.Source: _nothing,
    hw.Sink: _nothing,
    hw.Straight: _nothing,
    hw.Fork: _nothing,
    hw.Fifo: _fifo,
    hw.Adapter: _counters,
    hw.Pad: _counters,
    hw.Slice: _counters,
    hw.ChannelPad: _counters,
    hw.Concat: _counters,
    hw.Window: _window,
    hw.BitSerialArray: arrays.array,
    hw.DepthwiseArray: arrays.array,
    hw.MultiplierArray: arrays.multipliers,
    hw.Hardwired: arrays.hardwired,
    hw.Winograd: arrays.winograd,
    hw.Add: _registers,
    hw.Threshold: _threshold,
    hw.Scale: _scale,
    hw.Lookup: _lookup,
    hw.Multiply: _multiply,
    hw.MaxPool: _running,
    hw.SumPool: _running,
    hw.GlobalSum: _running,
}
