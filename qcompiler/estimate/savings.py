"""What fewer weight bits would save, layer by layer, by the cost model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qcompiler.estimate.model import module_cost
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType

SHOWN = 3
LEAST_BITS = 2


@dataclass(frozen=True)
class Saving:
    """One layer with half of its weight bits, folded as it is.

    Args:
        node: The layer's engine.
        bits: Bits of its weights.
        fewer: Bits that they would have.
        amount: What that saves of the resource asked for.
    """

    node: str
    bits: int
    fewer: int
    amount: float


def savings(graph: Graph, family: str, resource: str) -> list[Saving]:
    """What halving the weight bits of each layer saves, the most first; none that saves nothing.

    Args:
        graph: Folded hardware graph.
        family: Family of the device.
        resource: ``lut``, ``ff``, ``bram`` or ``dsp``.
    """
    found = []
    for name in graph:
        op: Any = graph.op(name)
        if isinstance(op, hw.BitSerialArray | hw.MultiplierArray):
            bits = _bits(op.weight)
            fewer = max(bits // 2, LEAST_BITS)
            if fewer < bits:
                inputs, outputs = [graph.type(v) for v in graph.inputs(name)], graph.types(name)
                smaller = _shifted(op, bits - fewer)
                small_outputs = [replace(t, elem=smaller.acc) for t in outputs]
                before = getattr(module_cost(op, inputs, outputs, family), resource)
                after = getattr(module_cost(smaller, inputs, small_outputs, family), resource)
                if before - after >= 1:
                    found.append(Saving(name, bits, fewer, before - after))
    return sorted(found, key=lambda saving: (-saving.amount, saving.node))


def advice(graph: Graph, family: str, resource: str, missing: float) -> str:
    """``quantize to fewer bits: conv3 at 4 instead of 8 bits saves 14 BRAM, …``, so far as needed.

    Args:
        graph: Folded hardware graph.
        family: Family of the device.
        resource: ``lut``, ``ff``, ``bram`` or ``dsp``.
        missing: How much of it is short.
    """
    every = savings(graph, family, resource)
    if not every:
        return "quantize to fewer bits"
    named: list[Saving] = []
    for saving in every[:SHOWN]:
        if sum(s.amount for s in named) < missing:
            named.append(saving)
    what = resource.upper()
    texts = [
        f"{s.node} at {s.fewer} instead of {s.bits} bits saves {s.amount:.0f} {what}" for s in named
    ]
    total = sum(s.amount for s in every)
    if total < missing:
        texts.append(
            f"all layers at half of their bits save {total:.0f}, {missing:.0f} are missing"
        )
    return f"quantize to fewer bits: {', '.join(texts)}"


def _bits(weight: Any) -> int:
    """Bits of two's complement that hold all weights."""
    low, high = int(weight.min()), int(weight.max())
    return max((-low - 1 if low < 0 else 0).bit_length(), high.bit_length()) + (low < 0)


def _shifted(op: Any, shift: int) -> Any:
    """An engine whose weights have lost their lowest bits, in the same folding."""
    acc = IntType(op.acc.lo >> shift, max(op.acc.hi >> shift, 1))
    weight = (op.weight >> shift).astype(np.int64)
    if isinstance(op, hw.MultiplierArray):
        return replace(op, weight=weight, acc=acc)
    plan = encode(weight)
    planes = min(op.planes, max(len(plan.signs), 1))
    return replace(op, weight=weight, signs=plan.signs, exps=plan.exps, acc=acc, planes=planes)
