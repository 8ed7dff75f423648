"""Parts of the hard-wired engine, counted in its schedule: ``templates/hardwired.v.j2``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from qcompiler.estimate.carry import counter_cells
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.parts import (
    LEAST_RUN,
    SHIFT_BITS,
    Parts,
    counter_bits,
    counter_features,
)
from qcompiler.ir import hardware as hw
from qcompiler.ir.adder_graph import AdderGraph
from qcompiler.ir.hardware import StreamType
from qcompiler.ir.serial_plan import SerialPlan
from qcompiler.ir.types import IntType

Types = Sequence[StreamType]


def hardwired(op: hw.Hardwired, inputs: Types, outputs: Types, family: str) -> list[Parts]:
    """Digits of the inputs, sums, results; the beats in and out."""
    act = inputs[0].elem
    sums, fixed = _serial(op.graph, act, op.acc.bits, op.digit, family)
    plan = op.plan(act)
    ends = {
        "one": 1.0,
        "out": op.pe * op.acc.bits * _choose(op.words, family),
        **counter_features(family, op.beats, plan.period, plan.entries, op.words),
    }
    ff = (op.beats - 1) * op.simd * act.bits
    ff += counter_bits(op.beats, plan.period, plan.entries, op.words) + plan.zeros_follow + 4
    carry = counter_cells(family, op.beats, plan.period, plan.entries, op.words)
    return [Parts("hardwired", ends | sums, fixed + Cost(ff=ff, carry=carry))]


@lru_cache(maxsize=1024)
def _serial(
    graph: AdderGraph, act: IntType, acc_bits: int, digit: int, family: str
) -> tuple[dict[str, float], Cost]:
    """What does not depend on the beats: LUTs of sums by operands, of inputs; registers."""
    plan = SerialPlan(graph, act, acc_bits, digit)
    operands = [max(len(terms), 2) for terms in graph.sums]
    read = len(plan.inputs)
    sizes = {f"sum{k}": float(operands.count(k) * _sum_lut(k, digit, family)) for k in (2, 3, 4)}
    sizes["in"] = read * digit * _choose(plan.entries, family)
    kept = [acc_bits - t.shift for t in graph.outputs if t is not None]
    ff = sum(digit + (1 if k == 2 else 2) for k in operands)  # sum and carry
    ff += read * (act.bits + digit)  # held and chosen
    ff += digit * sum(t - plan.starts[n] for n, t in plan.delays.items())
    ff += sum(plan.histories.values()) + 2 * plan.done
    ff += (plan.period - 1) * digit * len(plan.roots) + sum(max(k, 0) for k in kept)
    runs = []
    if family == "xc7":  # whose LUTs hold up to 32 registers in a row, also those of tlast
        runs = [*plan.runs(LEAST_RUN), *([plan.done] if plan.done >= LEAST_RUN else [])]
    return sizes, Cost(lut=sum(-(-length // SHIFT_BITS) for length in runs), ff=ff - sum(runs))


def _sum_lut(operands: int, digit: int, family: str) -> int:
    """LUTs of one `qc_serial_sum`: with six inputs two operands have two places in three."""
    if family == "xc7":
        return digit + -(-digit // 2) if operands == 2 and digit > 1 else digit * min(operands, 3)
    return 2 * (operands - 1) * digit


def _choose(words: int, family: str) -> int:
    """LUTs of a bit that is chosen from so many words."""
    if words < 2:
        return 0
    if family == "xc7":
        return -(-(words - 1) // 3)
    return words - 1 - words // 4 if words > 3 else words - 1
