"""From one hardware node to its module instances, generated modules and memories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from qcompiler.errors import GraphError
from qcompiler.hardware import movement
from qcompiler.hardware.array import ArrayUnit
from qcompiler.hardware.depthwise import DepthwiseUnit
from qcompiler.hardware.hardwired import HardwiredUnit
from qcompiler.hardware.instance import Context, Rendered
from qcompiler.hardware.lookup import LookupUnit
from qcompiler.hardware.multiplier import MultiplierUnit
from qcompiler.hardware.scale_shift import ScaleShiftUnit
from qcompiler.hardware.threshold import ThresholdUnit
from qcompiler.hardware.threshold_serial import SerialThresholdUnit
from qcompiler.hardware.winograd import WinogradUnit
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.planes import encode, encode_folds


def render_node(graph: Graph, name: str, prefix: str) -> Rendered:
    """Instances of a node; Source and Sink have none (the top connects them).

    Generated modules are called after the prefix, so that several designs fit in one project.
    """
    context = Context(graph, name, prefix)
    _RULES[type(graph.op(name))](context)
    return context.out


def _add(c: Context) -> None:
    a, b = c.x
    c.add(
        "qc_add",
        {
            "LANES": c.op.lanes,
            "A_BITS": a.elem.bits,
            "A_SIGNED": int(a.elem.signed),
            "B_BITS": b.elem.bits,
            "B_SIGNED": int(b.elem.signed),
            "A_MUL": c.op.a_mul,
            "B_MUL": c.op.b_mul,
            "OUT_BITS": c.y[0].elem.bits,
        },
        ports=c.joined,
    )


def _array(c: Context) -> None:
    op, x = c.op, c.x[0]
    planes = [encode(op.weight)]
    if (planes[0].signs, planes[0].exps) != (op.signs, op.exps):
        raise GraphError("the plane list does not belong to the weights", where=c.name)
    if op.per_fold:
        planes = list(encode_folds(op.weight, op.groups, op.pe))
    unit = ArrayUnit.build(
        c.module,
        planes=[replace(p, bits=p.bits.transpose(0, 1, 3, 4, 2)) for p in planes],
        groups=op.groups,
        pe=op.pe,
        simd=op.simd,
        planes_per_cycle=op.planes,
        act_bits=x.elem.bits,
        act_signed=x.elem.signed,
        acc_bits=op.acc.bits,
        ahead=op.ahead,
        lut_rom=op.lut_rom,
    )
    _generated(c, unit)


def _depthwise(c: Context) -> None:
    _generated(c, DepthwiseUnit.of(c.module, c.op, c.x[0].elem))


def _multipliers(c: Context) -> None:
    op = c.op
    unit = MultiplierUnit.of_convolution(
        c.module,
        weight=op.weight,
        groups=op.groups,
        pe=op.pe,
        simd=op.simd,
        act=c.x[0].elem,
        acc_bits=op.acc.bits,
        partial_bits=op.partial_bits,
    )
    _generated(c, unit)


def _hardwired(c: Context) -> None:
    _generated(c, HardwiredUnit.of(c.module, c.op, c.x[0].elem))


def _winograd(c: Context) -> None:
    op = c.op
    unit = WinogradUnit.build(
        c.module,
        weight=op.weight,
        m=op.m,
        x=c.x[0].elem,
        acc=op.acc,
        size=op.out_shape[1:],
        pe=op.pe,
        simd=op.simd,
        partial_bits=op.partial_bits,
    )
    c.out.modules.update(unit.modules())
    c.out.memories.update(unit.memories())
    c.add(unit.name, {})


def _threshold(c: Context) -> None:
    op, x = c.op, c.x[0]
    kind = SerialThresholdUnit if op.serial else ThresholdUnit
    unit = kind.build(
        c.module,
        thresholds=op.thresholds,
        table=op.table,
        in_bits=x.elem.bits,
        in_signed=x.elem.signed,
        in_hi=x.elem.hi,
        out_bits=op.out.bits,
        lanes=op.lanes,
    )
    _generated(c, unit)


def _generated(c: Context, unit: Any) -> None:
    c.out.modules[f"{unit.name}.v"] = unit.verilog()
    c.out.memories.update(unit.memories())
    c.add(unit.name, {})


def _scale(c: Context) -> None:
    op, x = c.op, c.x[0]
    unit = ScaleShiftUnit.build(
        c.module,
        m=op.m,
        r=op.r,
        n=op.n,
        lo=op.clamp.lo,
        hi=op.clamp.hi,
        in_bits=x.elem.bits,
        in_signed=x.elem.signed,
        out_bits=op.out.bits,
        lanes=op.lanes,
    )
    c.out.memories.update(unit.memories())
    c.add("qc_scale_shift", unit.parameters())


def _lookup(c: Context) -> None:
    unit = LookupUnit(c.module, c.op, c.x[0].elem)
    c.out.memories.update(unit.memories())
    c.add("qc_lookup", unit.parameters())


def _multiply(c: Context) -> None:
    x, gate = c.x
    p, q = c.op.operands(x.elem, gate.elem)
    c.add(
        "qc_multiply",
        {
            "LANES": c.op.lanes,
            "A_BITS": x.elem.bits,
            "A_SIGNED": int(x.elem.signed),
            "A_ZERO": c.op.x_zero,
            "P_BITS": p.bits,
            "P_SIGNED": int(p.signed),
            "B_BITS": gate.elem.bits,
            "B_SIGNED": int(gate.elem.signed),
            "B_ZERO": c.op.gate_zero,
            "Q_BITS": q.bits,
            "Q_SIGNED": int(q.signed),
            "OUT_BITS": c.y[0].elem.bits,
            "WORDS": x.words,
            "PIXELS": x.pixels,
        },
        ports=c.joined,
    )


def _max_pool(c: Context) -> None:
    x = c.x[0]
    c.add(
        "qc_max_pool",
        {
            "LANES": x.lanes,
            "BITS": x.elem.bits,
            "SIGNED": int(x.elem.signed),
            "COUNT": _window_size(x),
        },
    )


def _window_size(x: hw.StreamType) -> int:
    assert x.order is not None
    return x.order.kernel[0] * x.order.kernel[1]


def _sum_pool(c: Context) -> None:
    x = c.x[0]
    c.add(
        "qc_sum_pool",
        {
            "LANES": x.lanes,
            "IN_BITS": x.elem.bits,
            "SIGNED": int(x.elem.signed),
            "COUNT": _window_size(x),
            "OUT_BITS": c.y[0].elem.bits,
        },
    )


def _global_sum(c: Context) -> None:
    x = c.x[0]
    c.add(
        "qc_global_sum",
        {
            "LANES": x.lanes,
            "IN_BITS": x.elem.bits,
            "SIGNED": int(x.elem.signed),
            "WORDS": x.words,
            "PIXELS": x.pixels,
            "OUT_BITS": c.y[0].elem.bits,
        },
    )


_RULES: dict[type, Callable[[Context], None]] = {
    **movement.RULES,
    hw.Add: _add,
    hw.BitSerialArray: _array,
    hw.DepthwiseArray: _depthwise,
    hw.MultiplierArray: _multipliers,
    hw.Hardwired: _hardwired,
    hw.Winograd: _winograd,
    hw.Threshold: _threshold,
    hw.Scale: _scale,
    hw.Lookup: _lookup,
    hw.Multiply: _multiply,
    hw.MaxPool: _max_pool,
    hw.SumPool: _sum_pool,
    hw.GlobalSum: _global_sum,
}
