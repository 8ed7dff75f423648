"""The depthwise array: pairs with ``templates/depthwise_array.v.j2``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from qcompiler.errors import GraphError
from qcompiler.hardware.array import ArrayUnit
from qcompiler.ir.hardware import DepthwiseArray
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType


@dataclass(frozen=True, eq=False)
class DepthwiseUnit(ArrayUnit):
    """``pe`` channels × ``slots`` weight planes a cycle, an input lane for each channel.

    To the plan of the array a word of ``pe`` channels is a conv group of one input: ``groups`` is
    the words of a pixel, ``simd`` 1.
    """

    template: ClassVar[str] = "depthwise_array.v.j2"

    @property
    def lanes(self) -> int:
        return self.pe

    @classmethod
    def of(cls, name: str, op: DepthwiseArray, x: IntType) -> DepthwiseUnit:
        """The unit of an op whose codes are of type ``x``.

        Raises:
            GraphError: The op's plane list is not that of its weights.
        """
        planes = encode(op.weight)
        if (planes.signs, planes.exps) != (op.signs, op.exps):
            raise GraphError("the plane list does not belong to the weights", where=name)
        return cls.build(
            name,
            planes=[replace(planes, bits=planes.bits.transpose(0, 1, 3, 4, 2))],
            groups=op.words,
            pe=op.pe,
            simd=1,
            planes_per_cycle=op.planes,
            act_bits=x.bits,
            act_signed=x.signed,
            acc_bits=op.acc.bits,
            ahead=op.ahead,
            lut_rom=op.lut_rom,
        )
