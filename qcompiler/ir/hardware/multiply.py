"""The multiplier array: the plain counterpart of the bit-serial array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from qcompiler.errors import GraphError
from qcompiler.ir.hardware.engine import Engine
from qcompiler.ir.hardware.streams import Array, StreamType
from qcompiler.ir.products import ProductPlan
from qcompiler.ir.types import IntType, Shape


@dataclass(frozen=True, eq=False)
class MultiplierArray(Engine):
    """``pe`` output channels × ``simd`` inputs a cycle, a multiplier each.

    weight (O, I/groups, KH, KW) int64, in the order of the integer graph. ``partial_bits`` is the
    width of partial sums, None for none.
    """

    tensor: str
    weight: Array
    out_shape: Shape
    acc: IntType
    groups: int = 1
    pe: int = 1
    simd: int = 1
    partial_bits: int | None = None

    folds: ClassVar[int] = 1
    """Whole weights are taken at a time; a bit-serial array takes so many folds of planes."""

    title = "direct"

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        (x,) = inputs
        if x.order is None or x.order.repeat != self.repeat or x.lanes != self.simd:
            raise GraphError(
                f"fed {x}, takes a window stream of {self.simd} lanes repeated {self.repeat}x"
            )
        out, per_group = self.weight.shape[:2]
        if (out // self.groups) % self.pe or per_group % self.simd:
            raise GraphError(f"{self.pe} PE and {self.simd} SIMD do not divide {self.weight.shape}")
        self.plan(x.elem)
        return [StreamType(self.tensor, self.out_shape, self.acc, self.pe)]

    def plan(self, act: IntType) -> ProductPlan:
        """How one PE sums its products.

        Raises:
            GraphError: Operands too wide for a multiplier, or for the partial sum.
        """
        weight = IntType(int(self.weight.min()), int(self.weight.max()))
        return ProductPlan.build(act, weight, self.simd, self.beats, self.partial_bits)

    @property
    def beats(self) -> int:
        """Input beats of one result."""
        kernel: tuple[int, ...] = self.weight.shape[1:]
        return kernel[0] // self.simd * kernel[1] * kernel[2]

    @property
    def repeat(self) -> int:
        """Times that each window is read: output channel folds."""
        return len(self.weight) // self.groups // self.pe

    @property
    def rate(self) -> int:
        """Cycles per frame."""
        return self.out_shape[1] * self.out_shape[2] * self.groups * self.repeat * self.beats

    @property
    def latency(self) -> int:
        """With chunks of lanes for partial sums the adder tree may be a level deeper."""
        return 5 + (self.simd - 1).bit_length() + (self.partial_bits is not None)
