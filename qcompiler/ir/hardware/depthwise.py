"""The depthwise array: bit-serial, several channels at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qcompiler.errors import GraphError
from qcompiler.ir.hardware.compute import BitSerialArray, useful_slots
from qcompiler.ir.hardware.engine import PlaneFolding
from qcompiler.ir.hardware.movement import Window
from qcompiler.ir.hardware.streams import Array, StreamType, split
from qcompiler.ir.plane_steps import step_count


@dataclass(frozen=True, eq=False)
class DepthwiseArray(BitSerialArray):
    """A bit-serial array of ``pe`` channels, each with an input lane of its own: ``simd`` is 1.

    Takes windows word by word, a word of ``pe`` channels. weight (C, 1, KH, KW) int64, ``groups``
    is C. All channels share one plane list, since a word has to be read equally often.
    """

    title = "depthwise"

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        (x,) = inputs
        if not is_depthwise(self.weight, self.groups) or x.shape[0] != self.groups:
            raise GraphError(
                f"weights {self.weight.shape} in {self.groups} groups are no depthwise convolution",
                hint="the depthwise array filters each of several channels by itself: choose the"
                " engine bitserial",
            )
        split(x, self.pe)
        found = None if x.order is None else (x.lanes, x.order.groups, x.order.repeat)
        if found != (self.pe, self.words, self.repeat):
            raise GraphError(
                f"fed {x}, takes {self.words} words of {self.pe} lanes, each repeated"
                f" {self.repeat}x"
            )
        return [StreamType(self.tensor, self.out_shape, self.acc, self.pe)]

    @property
    def channels(self) -> tuple[int, int]:
        return self.groups, 1

    @property
    def input_lanes(self) -> int:
        return self.pe

    @property
    def words(self) -> int:
        """Beats of a pixel."""
        return self.groups // self.pe

    def plane_foldings(self, pe: int) -> list[PlaneFolding]:
        return [PlaneFolding(slots) for slots in useful_slots({self.plane_count})]

    @property
    def repeat(self) -> int:
        """Times that each word of a window is read: the plane steps."""
        return step_count(self.plane_count, self.planes)

    @property
    def weight_words(self) -> int:
        return self.words * self.repeat * self.beats

    def fed_by(self, window: Window) -> Window:
        return replace(window, lanes=self.pe, groups=self.words, repeat=self.repeat)


def is_depthwise(weight: Array, groups: int) -> bool:
    """Each channel is filtered by itself, and there are several.

    Args:
        weight: (O, I/groups, KH, KW).
        groups: Conv groups.
    """
    return groups > 1 and weight.shape[:2] == (groups, 1)
