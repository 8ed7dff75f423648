"""Modules that compute: arrays, sums, pools and the two requantizers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

from qcompiler.errors import GraphError
from qcompiler.ir.add_terms import AddTerms
from qcompiler.ir.hardware.engine import Engine, PlaneFolding
from qcompiler.ir.hardware.streams import Array, HardwareOp, Laned, StreamType
from qcompiler.ir.plane_steps import Schedule, step_count
from qcompiler.ir.planes import FoldPlanes, PlaneList
from qcompiler.ir.search import StepSearch
from qcompiler.ir.types import IntType, Shape


@dataclass(frozen=True, eq=False)
class BitSerialArray(Engine):
    """``pe`` output channels × ``simd`` inputs × ``planes`` weight planes a cycle, bit-serial.

    weight (O, I/groups, KH, KW) int64, in the order of the integer graph. ``signs`` and ``exps``
    are the planes of all of it; with ``per_fold`` each fold of ``pe`` output channels takes those
    that it has. With ``ahead`` a weight ROM in block RAM is read a beat ahead, into a register.
    With ``lut_rom`` it is in LUTs, however large.
    """

    tensor: str
    weight: Array
    signs: tuple[int, ...]
    exps: tuple[int, ...]
    out_shape: Shape
    acc: IntType
    groups: int = 1
    pe: int = 1
    simd: int = 1
    planes: int = 1
    per_fold: bool = False
    ahead: bool = field(default=True, kw_only=True)
    lut_rom: bool = field(default=False, kw_only=True)

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        (x,) = inputs
        if x.order is None or x.order.repeat != self.repeat or x.lanes != self.simd:
            raise GraphError(
                f"fed {x}, takes a window stream of {self.simd} lanes repeated {self.repeat}x"
            )
        out, per_group = self.weight.shape[:2]
        if (out // self.groups) % self.pe or per_group % self.simd:
            raise GraphError(f"{self.pe} PE and {self.simd} SIMD do not divide {self.weight.shape}")
        return [StreamType(self.tensor, self.out_shape, self.acc, self.pe)]

    title = "bitserial"

    @property
    def plane_count(self) -> int:
        return max(len(self.signs), 1)

    @cached_property
    def fold_planes(self) -> FoldPlanes:
        return FoldPlanes(self.weight, self.groups)

    def folded(self, pe: int, simd: int, planes: int = 1, per_fold: bool = False) -> BitSerialArray:
        return self._changed(pe=pe, simd=simd, planes=planes, per_fold=per_fold)

    def in_luts(self) -> BitSerialArray:
        """The same with its weights in LUTs."""
        return self._changed(lut_rom=True)

    def _changed(self, **fields: Any) -> BitSerialArray:
        other = replace(self, **fields)
        vars(other)["fold_planes"] = self.fold_planes  # the weights are the same
        return other

    def plane_foldings(self, pe: int) -> list[PlaneFolding]:
        """Every useful number of planes a cycle, and with planes per fold where that is faster."""
        lists = self.fold_planes.lists(pe)
        found = [PlaneFolding(slots) for slots in useful_slots({self.plane_count})]
        for slots in useful_slots({max(len(planes), 1) for planes in lists}):
            steps = sum(step_count(len(planes), slots) for planes in lists)
            if steps < len(lists) * step_count(self.plane_count, slots):
                found.append(PlaneFolding(slots, per_fold=True))
        return found

    @property
    def lists(self) -> tuple[PlaneList, ...]:
        """One plane list that all output folds take, or one for each of them."""
        if self.per_fold:
            return self.fold_planes.lists(self.pe)
        return (tuple(zip(self.signs, self.exps, strict=True)),)

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.lists, self.planes)

    @property
    def beats(self) -> int:
        """Input beats of one plane step."""
        kernel: tuple[int, ...] = self.weight.shape[1:]
        return kernel[0] // self.simd * kernel[1] * kernel[2]

    @property
    def pace(self) -> int:
        """Fewest cycles from one result to the next."""
        return min(step_count(len(planes), self.planes) for planes in self.lists) * self.beats

    @property
    def repeat(self) -> int:
        """Times that each window is read: the plane steps of all output channel folds."""
        lists, folds = self.lists, len(self.weight) // self.groups // self.pe
        steps = sum(step_count(len(planes), self.planes) for planes in lists)
        return steps * (folds if len(lists) == 1 else 1)

    @property
    def weight_words(self) -> int:
        """Words of the weight ROM: one for each input beat of a pixel."""
        return self.groups * self.repeat * self.beats

    @property
    def rate(self) -> int:
        """Cycles per frame."""
        return self.out_shape[1] * self.out_shape[2] * self.weight_words

    latency: ClassVar[int] = 8


def useful_slots(counts: set[int]) -> list[int]:
    """Planes a cycle such that fewer would take more steps for one of these plane counts."""
    return sorted({-(-count // steps) for count in counts for steps in range(1, count + 1)})


@dataclass(frozen=True, eq=False)
class Threshold(StepSearch, Laned):
    """StepTable by binary search: thresholds (C, K), table (C, K+1).

    Pipelined, a beat a cycle; ``serial``, a bit of the count a cycle.
    """

    tensor: str
    thresholds: Array
    table: Array
    out: IntType
    serial: bool = field(default=False, kw_only=True)

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        x = self._take(inputs)
        if self.serial and not self.stages:
            raise GraphError("a serial search needs a threshold")
        return [StreamType(self.tensor, x.shape, self.out, self.lanes)]

    def cycles(self, inputs: Sequence[StreamType], outputs: Sequence[StreamType]) -> int:
        return super().cycles(inputs, outputs) * self.interval

    def tail(self, x: StreamType, y: StreamType) -> float:
        """As if the words of a pixel came at once, which they need not."""
        return float((self.interval - 1) * y.words)


@dataclass(frozen=True, eq=False)
class Scale(Laned):
    """ScaleShift: m, r of shape (C,), clamped to ``clamp``, typed ``out``."""

    tensor: str
    m: Array
    r: Array
    n: int
    clamp: IntType
    out: IntType

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        x = self._take(inputs)
        return [StreamType(self.tensor, x.shape, self.out, self.lanes)]

    latency: ClassVar[int] = 5


@dataclass(frozen=True, eq=False)
class Add(Laned):
    """``a_mul`` times input a plus ``b_mul`` times input b."""

    tensor: str
    a_mul: int
    b_mul: int

    @property
    def terms(self) -> AddTerms:
        """What the module adds two by two."""
        return AddTerms.of(self.a_mul, self.b_mul)

    @property
    def latency(self) -> int:
        return self.terms.stages

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        a = self._take(inputs)
        b = inputs[1]
        elem = a.elem.scaled(self.a_mul) + b.elem.scaled(self.b_mul)
        return [StreamType(self.tensor, a.shape, elem, self.lanes)]


@dataclass(frozen=True, eq=False)
class Reduce(HardwareOp):
    """Reduces each window of a window stream (one channel group a word) to one beat."""

    tensor: str
    out_shape: Shape
    lanes: int = field(default=1, kw_only=True)

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        (x,) = inputs
        if (
            x.order is None
            or x.order.repeat != 1
            or x.order.groups != x.words
            or x.lanes != self.lanes
        ):
            raise GraphError(f"fed {x}, takes windows word by word with {self.lanes} lanes")
        return [StreamType(self.tensor, self.out_shape, self.result(x), self.lanes)]

    def result(self, x: StreamType) -> IntType:
        return x.elem


@dataclass(frozen=True, eq=False)
class MaxPool(Reduce):
    """Maximum of each window."""


@dataclass(frozen=True, eq=False)
class SumPool(Reduce):
    """Exact sum of each window."""

    def result(self, x: StreamType) -> IntType:
        assert x.order is not None
        return x.elem.scaled(x.order.kernel[0] * x.order.kernel[1])


@dataclass(frozen=True, eq=False)
class GlobalSum(Laned):
    """Sum over a whole frame, one output pixel."""

    tensor: str

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        x = self._take(inputs)
        return [StreamType(self.tensor, (x.shape[0], 1, 1), x.elem.scaled(x.pixels), self.lanes)]

    def need(self, pixels: Array, x: StreamType) -> Array:
        return pixels * x.pixels
