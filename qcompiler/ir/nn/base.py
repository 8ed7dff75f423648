"""The quantizer of every method, and the base of all nn ops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from qcompiler.errors import GraphError
from qcompiler.ir.types import TensorType

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class QuantSpec:
    """The one quantizer of every method (docs/numerics.md §2).

    ``code(x) = clamp(round_half_even((x - offset) / step_in), lo, hi)`` and
    ``value(q) = step_out * q + offset``; steps are positive float64 arrays, shape () per tensor
    or (C,) per channel; ``offset`` has the same shape.
    """

    step_in: Array
    step_out: Array
    offset: Array
    lo: int
    hi: int

    @classmethod
    def uniform(cls, step: Any, lo: int, hi: int, offset: Any = 0.0) -> QuantSpec:
        step = np.asarray(step, np.float64)
        shift = np.broadcast_to(np.asarray(offset, np.float64), step.shape).copy()
        return cls(step, step, shift, lo, hi)

    def __post_init__(self) -> None:
        for name in ("step_in", "step_out", "offset"):  # arithmetic makes scalars of () arrays
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float64))
        for name in ("step_in", "step_out"):
            step = getattr(self, name)
            if not (np.isfinite(step).all() and (step > 0).all()):
                raise GraphError(f"quantizer {name} must be positive and finite")


@dataclass(frozen=True, eq=False)
class NNOp:
    """Base: elementwise, shape kept, one input."""

    dialect: ClassVar[str] = "nn"

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        (x,) = inputs
        return [TensorType(x.shape)]
