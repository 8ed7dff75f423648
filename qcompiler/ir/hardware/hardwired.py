"""A convolution whose weights are wired: additions of digits, no weight memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from qcompiler.errors import GraphError
from qcompiler.ir.adder_graph import AdderGraph, pair_count
from qcompiler.ir.hardware.engine import Engine, PlaneFolding
from qcompiler.ir.hardware.movement import Window
from qcompiler.ir.hardware.streams import Array, StreamType
from qcompiler.ir.serial_plan import SerialPlan, digit_widths
from qcompiler.ir.types import IntType, Shape

MOST_DIGIT = 8
"""Bits a cycle: wider ones would be adders with carries, which this engine has not."""
MOST_PAIRS = 400_000
"""Pairs of digits in all outputs that are searched for common ones: a few seconds."""


@dataclass(frozen=True)
class Straight(Window):
    """A window that is the raster itself: each beat is read once, as it comes. It is only wires."""

    def tail(self, x: StreamType, y: StreamType) -> float:
        return 0.0

    latency: ClassVar[int] = 0


@dataclass(frozen=True, eq=False)
class Hardwired(Engine):
    """All outputs of a window at once, ``digit`` bits of every input a cycle.

    ``simd`` channels come a beat and are gathered, ``pe`` results leave a beat. weight
    (O, I, KH, KW) int64, in the order of the integer graph.
    """

    tensor: str
    weight: Array
    out_shape: Shape
    acc: IntType
    pe: int = 1
    simd: int = 1
    digit: int = 1

    title = "hardwired"

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        (x,) = inputs
        order = x.order
        if order is None or (order.repeat, order.groups, x.lanes) != (1, 1, self.simd):
            raise GraphError(f"fed {x}, takes a window stream of {self.simd} lanes, read once")
        out, channels = self.weight.shape[:2]
        if out % self.pe or channels % self.simd:
            raise GraphError(f"{self.pe} PE and {self.simd} SIMD do not divide {self.weight.shape}")
        return [StreamType(self.tensor, self.out_shape, self.acc, self.pe)]

    @cached_property
    def graph(self) -> AdderGraph:
        """The additions; inputs in the order of a window's beats: kh, kw, channel."""
        return AdderGraph.build(self.weight.transpose(0, 2, 3, 1).reshape(len(self.weight), -1))

    def plan(self, act: IntType) -> SerialPlan:
        """The schedule for codes of type ``act``."""
        return SerialPlan(self.graph, act, self.acc.bits, self.digit)

    def plane_foldings(self, pe: int) -> list[PlaneFolding]:
        """Every useful number of bits a cycle, which takes the place of planes."""
        return [PlaneFolding(digit) for digit in digit_widths(self._plan.bits, MOST_DIGIT)]

    def folded(self, pe: int, simd: int, planes: int = 1, per_fold: bool = False) -> Hardwired:
        return replace(self, pe=pe, simd=simd, digit=planes)

    @property
    def _plan(self) -> SerialPlan:
        """For codes of any type: times do not depend on it."""
        return self.plan(IntType(0, 1))

    @property
    def beats(self) -> int:
        """Input beats of a window."""
        kernel: tuple[int, ...] = self.weight.shape[1:]
        return kernel[0] // self.simd * kernel[1] * kernel[2]

    @property
    def words(self) -> int:
        """Output beats of a pixel."""
        return len(self.weight) // self.pe

    @property
    def pace(self) -> int:
        """Cycles from one window to the next."""
        return max(self._plan.period, self.beats, self.words)

    @property
    def rate(self) -> int:
        """Cycles per frame."""
        return self.out_shape[1] * self.out_shape[2] * self.pace

    def cycles(self, inputs: Sequence[StreamType], outputs: Sequence[StreamType]) -> int:
        return self.rate

    @property
    def latency(self) -> int:
        """From the last beat of a window to its first result."""
        return self._plan.done + 2

    def tail(self, x: StreamType, y: StreamType) -> float:
        """Results leave one after another when all are whole."""
        return float(self.words - 1)

    def fed_by(self, window: Window) -> Window:
        fed = replace(window, lanes=self.simd, repeat=1)
        whole = window.reshape is not None and window.kernel in ((1, 1), window.reshape[1:])
        return Straight(**vars(fed)) if whole else fed


def unwirable(weight: Array, groups: int) -> str | None:
    """Why a convolution cannot be hard-wired, None if it can.

    Args:
        weight: (O, I/groups, KH, KW).
        groups: Conv groups.
    """
    if groups > 1:
        return f"it has {groups} groups"
    pairs = pair_count(weight.reshape(len(weight), -1))
    if pairs > MOST_PAIRS:
        return f"its weights have {pairs:,} pairs of digits, more than {MOST_PAIRS:,}"
    return None
