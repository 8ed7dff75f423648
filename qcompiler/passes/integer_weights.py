"""Weight codes as integers on a grid through zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from qcompiler.errors import GraphError
from qcompiler.ir.nn import QuantSpec
from qcompiler.ir.rounding import round_half_even

Array = np.ndarray[Any, Any]


def integer_weights(name: str, op: Any) -> tuple[Array, Array]:
    """Integers w (O, …) int64 and steps t (O,) with value(weight) = t · w.

    An offset of half a step, as one-bit weights have, makes odd integers on half the step; an
    offset of whole steps shifts the codes.
    """
    spec: QuantSpec | None = op.weight_quant
    if spec is None:
        raise GraphError("its weights are not quantized", where=name)
    weight = np.asarray(op.weight, np.float64)
    shape = (-1,) + (1,) * (weight.ndim - 1)

    def column(value: Array) -> Array:
        return np.broadcast_to(value, (len(weight),)).reshape(shape)

    scaled = (weight - column(spec.offset)) / column(spec.step_in)
    codes = np.clip(round_half_even(scaled), spec.lo, spec.hi).astype(np.int64)
    doubled = 2 * np.broadcast_to(spec.offset / spec.step_out, (len(weight),))
    whole = np.rint(doubled)
    if np.abs(doubled - whole).max() > 1e-9:
        raise GraphError("a weight offset must be a multiple of half a step", where=name)
    step = np.broadcast_to(spec.step_out, (len(weight),)).astype(np.float64)
    halves = whole.astype(np.int64)
    if (halves % 2 == 0).all():
        return codes + (halves // 2).reshape(shape), step
    return 2 * codes + halves.reshape(shape), step / 2
