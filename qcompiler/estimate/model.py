"""What each hardware op costs: one rule an op, after the structure of its module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qcompiler.estimate import arithmetic, pointwise, streams
from qcompiler.estimate.array import array
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.devices import check_cost_model
from qcompiler.estimate.hardwired import hardwired
from qcompiler.estimate.multiplier import multipliers
from qcompiler.estimate.parts import Parts
from qcompiler.estimate.threshold import threshold
from qcompiler.estimate.winograd import winograd
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
    return Cost.sum(part.cost(family) for part in module_parts(op, inputs, outputs, family))


def module_parts(op: Any, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    """The sizes that `module_cost` prices."""
    check_cost_model(family)
    return _RULES[type(op)](op, inputs, outputs, family)


def _nothing(op: Any, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    return []


_RULES: dict[type, Callable[[Any, Any, Any, str], list[Parts]]] = {
    hw.Source: _nothing,
    hw.Sink: _nothing,
    hw.Fifo: streams.fifo,
    hw.Fork: streams.fork,
    hw.Adapter: streams.adapter,
    hw.Pad: streams.pad,
    hw.Slice: streams.crop,
    hw.ChannelPad: streams.channel_pad,
    hw.Concat: streams.concat,
    hw.Window: streams.window,
    hw.Straight: _nothing,
    hw.BitSerialArray: array,
    hw.DepthwiseArray: array,
    hw.MultiplierArray: multipliers,
    hw.Hardwired: hardwired,
    hw.Winograd: winograd,
    hw.Add: arithmetic.add,
    hw.Threshold: threshold,
    hw.Scale: arithmetic.scale,
    hw.Lookup: pointwise.lookup,
    hw.Multiply: pointwise.multiply,
    hw.MaxPool: arithmetic.max_pool,
    hw.SumPool: arithmetic.sum_pool,
    hw.GlobalSum: arithmetic.global_sum,
}
