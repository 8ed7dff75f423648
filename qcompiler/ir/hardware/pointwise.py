"""Modules that work value by value: a table of codes, and the gate of squeeze-and-excite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qcompiler.errors import GraphError
from qcompiler.ir.geometry import gated
from qcompiler.ir.hardware.streams import Array, Laned, StreamType
from qcompiler.ir.types import IntType


@dataclass(frozen=True, eq=False)
class Lookup(Laned):
    """``table[x - lo]``, ``lo`` being the input type's least; one table (K,) for all channels."""

    tensor: str
    table: Array
    out: IntType

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        x = self._take(inputs)
        if len(self.table) != x.elem.hi - x.elem.lo + 1:
            raise GraphError(f"a table of {len(self.table)} entries for codes {x.elem}")
        return [StreamType(self.tensor, x.shape, self.out, self.lanes)]

    def rom(self, x: IntType) -> Array:
        """Entry k: the code of the ``x`` whose bits are k; of the nearest where there is none."""
        codes = np.arange(1 << x.bits)
        if x.signed:
            codes = np.where(codes >> (x.bits - 1), codes - len(codes), codes)
        words: Array = self.table[np.clip(codes, x.lo, x.hi) - x.lo]
        return words


@dataclass(frozen=True, eq=False)
class Multiply(Laned):
    """``(x - x_zero) * (gate - gate_zero)``: a frame of the gate is one pixel for all those of x.

    Inputs x (C, H, W) and gate (C, 1, 1). The module holds the gate of one frame.
    """

    tensor: str
    x_zero: int = 0
    gate_zero: int = 0

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        x, gate = self._take(inputs), inputs[1]
        elem = self.product(x.elem, gate.elem)
        return [StreamType(self.tensor, gated(x.shape, gate.shape), elem, self.lanes)]

    def operands(self, x: IntType, gate: IntType) -> tuple[IntType, IntType]:
        """What is multiplied: both without their zeros."""
        return x.less(self.x_zero), gate.less(self.gate_zero)

    def product(self, x: IntType, gate: IntType) -> IntType:
        p, q = self.operands(x, gate)
        return p * q

    def need(self, pixels: Array, x: StreamType) -> Array:
        """The gate is whole before the first product."""
        return np.minimum(pixels, x.pixels)

    latency: ClassVar[int] = 2
