"""What each hardware op costs: one rule an op, after the structure of its module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qcompiler.errors import QCompilerError
from qcompiler.estimate.array import array_lut
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.devices import FAMILIES
from qcompiler.estimate.memory import ram_cost, rom_cost
from qcompiler.ir import hardware as hw
from qcompiler.ir.hardware import StreamType

Types = Sequence[StreamType]


def module_cost(op: Any, inputs: Types, outputs: Types, family: str) -> Cost:
    """Resources of the module that renders ``op``.

    Args:
        op: An op of the hardware dialect.
        inputs: Types of its inputs.
        outputs: Types of its outputs.
        family: ``ecp5``, ``xc7`` or ``ice40``.
    """
    if family not in FAMILIES:
        raise QCompilerError(f"no cost model for family {family!r}", hint=f"known: {FAMILIES}")
    return _RULES[type(op)](op, inputs, outputs, family)


def _counter(states: int, family: str) -> Cost:
    bits = max((states - 1).bit_length(), 0)
    return Cost(lut=bits * (1.5 if family == "xc7" else 2.2), ff=bits)


def _free(op: Any, inputs: Types, outputs: Types, family: str) -> Cost:
    return Cost()


def _fifo(op: hw.Fifo, inputs: Types, outputs: Types, family: str) -> Cost:
    width = inputs[0].width + 1
    if op.depth == 2:
        return Cost(lut=width + 6, ff=2 * width + 2)
    pointer = _counter(op.depth - 1, family)
    return Cost(10, 3) + pointer + pointer + ram_cost(width, op.depth - 1, family)


def _fork(op: hw.Fork, inputs: Types, outputs: Types, family: str) -> Cost:
    return Cost(lut=2 * op.outputs + 1, ff=op.outputs)


def _adapter(op: hw.Adapter, inputs: Types, outputs: Types, family: str) -> Cost:
    (x,), (y,) = inputs, outputs
    bits, a, b = x.elem.bits, x.lanes, y.lanes
    whole = a * b
    for k in range(min(a, b), 0, -1):
        if a % k == 0 and b % k == 0:
            whole = a * b // k
            break
    up, down = whole // a, whole // b
    cost = Cost()
    if up > 1:
        cost += _counter(up, family) + Cost(3, whole * bits + 2)
    if down > 1:
        per = (down - 1) / (3 if family == "xc7" else 1.4)
        cost += _counter(down, family) + Cost(3 + b * bits * per)
    return cost


def _pad(op: hw.Pad, inputs: Types, outputs: Types, family: str) -> Cost:
    (x,), (y,) = inputs, outputs
    return (
        _counter(y.shape[2] * y.words, family) + _counter(y.shape[1], family)
        + Cost(12 + x.width, 1)
    )  # fmt: skip


def _slice(op: hw.Slice, inputs: Types, outputs: Types, family: str) -> Cost:
    (x,), (y,) = inputs, outputs
    sizes = (x.words, x.shape[1], x.shape[2], y.shape[1], y.shape[2])
    return Cost.sum(_counter(n, family) for n in sizes) + Cost(8)


def _channel_pad(op: hw.ChannelPad, inputs: Types, outputs: Types, family: str) -> Cost:
    return _counter(outputs[0].words, family) + Cost(8 + inputs[0].width, 2)


def _concat(op: hw.Concat, inputs: Types, outputs: Types, family: str) -> Cost:
    n = len(inputs) - 1
    cost = _counter(outputs[0].words, family) + Cost(6 + inputs[0].width)
    return Cost.sum([cost] * n)


def _digits(value: int) -> int:
    """Nonzero digits of the canonical signed form."""
    value, count = abs(value), 0
    while value:
        if value & 1:
            count, value = count + 1, value - (2 - value % 4)
        value //= 2
    return count


def _add(op: hw.Add, inputs: Types, outputs: Types, family: str) -> Cost:
    out = outputs[0].elem.bits
    a, b = _digits(op.a_mul), _digits(op.b_mul)
    adders = max(a + b - 1, 0)
    staged = 2 * out if a + b > 3 else 0
    return Cost(6 + op.lanes * out * adders, op.lanes * (out + staged) + 2)


def _window(op: hw.Window, inputs: Types, outputs: Types, family: str) -> Cost:
    (x,), (y,) = inputs, outputs
    _, h, w = y.shape
    row = w * x.words
    order = y.order
    assert order is not None
    address = (op.rows * row - 1).bit_length()
    loops = (
        x.words // op.groups, *op.kernel, op.repeat, op.groups,
        (w - (op.kernel[1] - 1) * op.dilation[1] - 1) // op.stride[1] + 1,
        (h - (op.kernel[0] - 1) * op.dilation[0] - 1) // op.stride[0] + 1,
    )  # fmt: skip
    cost = Cost.sum(_counter(n, family) for n in (*loops, row, op.rows * row))
    step = Cost(address * (5 if family == "xc7" else 7) + 20, address + 12)
    return cost + step + Cost(ff=x.width + 4) + ram_cost(x.width, op.rows * row, family)


def _array(op: hw.BitSerialArray, inputs: Types, outputs: Types, family: str) -> Cost:
    (x,) = inputs
    _, per_group, kh, kw = op.weight.shape
    act, acc = x.elem.bits, op.acc.bits
    lut = array_lut(op.pe, op.simd, op.planes, act, acc, family)
    depth = op.groups * op.repeat * kh * kw * (per_group // op.simd)
    levels = max((op.simd - 1).bit_length(), 1)
    tree = sum(-(-op.simd // (2 << k)) * (act + k + 1) for k in range(levels))
    ff = op.simd * act * 2 + op.simd // 2 * (act + 1) + op.pe * (op.planes * tree + 2 * acc) + 40
    return Cost(lut, ff) + rom_cost(op.pe * op.simd * op.planes, depth, family)


def _threshold(op: hw.Threshold, inputs: Types, outputs: Types, family: str) -> Cost:
    (x,) = inputs
    bits, words = x.elem.bits, x.words
    stages = max(op.thresholds.shape[1], 1).bit_length()
    compare = bits * (0.5 if family == "xc7" else 1.0) + 1
    cost = Cost(10, 3)
    for stage in range(stages):
        rom = rom_cost(bits, words << stage, family)
        one = Cost(compare, bits + stage + 1) + rom
        cost += Cost.sum([one] * op.lanes) + _counter(words, family)
    return cost


def _scale(op: hw.Scale, inputs: Types, outputs: Types, family: str) -> Cost:
    (x,), (y,) = inputs, outputs
    m = max(int(abs(op.m).max()).bit_length() + 1, 1)
    r = max(int(abs(op.r).max()).bit_length() + 1, 1)
    product = x.elem.bits + m
    dsp = -(-x.elem.bits // 18) * -(-m // 18) if family in ("ecp5", "xc7") else 0
    soft = 0 if dsp else x.elem.bits * m * 1.5
    lane = Cost(product * 1.5 + y.elem.bits * 2 + soft, 2 * product + y.elem.bits, dsp=dsp)
    rom = rom_cost(op.lanes * (m + r), x.words, family)
    return Cost.sum([lane] * op.lanes) + rom + _counter(x.words, family) + Cost(10, 6)


def _max_pool(op: hw.MaxPool, inputs: Types, outputs: Types, family: str) -> Cost:
    (x,) = inputs
    assert x.order is not None
    lane = x.elem.bits * (1.5 if family == "xc7" else 2.2)
    count = x.order.kernel[0] * x.order.kernel[1]
    return Cost(op.lanes * lane + 5, x.width + 2) + _counter(count, family)


def _sum_pool(op: hw.SumPool, inputs: Types, outputs: Types, family: str) -> Cost:
    (x,), (y,) = inputs, outputs
    assert x.order is not None
    count = x.order.kernel[0] * x.order.kernel[1]
    lane = y.elem.bits * (1.0 if family == "xc7" else 1.5)
    return Cost(op.lanes * lane + 5, y.width + 2) + _counter(count, family)


def _global_sum(op: hw.GlobalSum, inputs: Types, outputs: Types, family: str) -> Cost:
    (x,), (y,) = inputs, outputs
    cost = _counter(x.words, family) + _counter(x.pixels, family)
    lanes = Cost(y.width * (1.0 if family == "xc7" else 2.0) + 6, y.width + 2)
    held = ram_cost(y.width, x.words, family, registered=False) if x.words > 1 else Cost(ff=y.width)
    return cost + lanes + held


_RULES: dict[type, Callable[[Any, Types, Types, str], Cost]] = {
    hw.Source: _free,
    hw.Sink: _free,
    hw.Fifo: _fifo,
    hw.Fork: _fork,
    hw.Adapter: _adapter,
    hw.Pad: _pad,
    hw.Slice: _slice,
    hw.ChannelPad: _channel_pad,
    hw.Concat: _concat,
    hw.Add: _add,
    hw.Window: _window,
    hw.BitSerialArray: _array,
    hw.Threshold: _threshold,
    hw.Scale: _scale,
    hw.MaxPool: _max_pool,
    hw.SumPool: _sum_pool,
    hw.GlobalSum: _global_sum,
}
