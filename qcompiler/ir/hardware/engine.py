"""What the modules that multiply have in common: how they fold, and what window feeds them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Self

from qcompiler.ir.hardware.movement import Window
from qcompiler.ir.hardware.streams import Array, HardwareOp
from qcompiler.ir.types import Shape


@dataclass(frozen=True)
class PlaneFolding:
    """Weight planes a cycle, and whether each output fold takes its own list of them."""

    planes: int = 1
    per_fold: bool = False


class Engine(HardwareOp, ABC):
    """Base of arrays of ``pe`` output channels × ``simd`` inputs, fed by a window.

    Subclasses have the fields ``weight`` (O, I/groups, KH, KW), ``out_shape``, ``pe`` and ``simd``.
    """

    weight: Array
    out_shape: Shape
    pe: int
    simd: int

    @property
    @abstractmethod
    def title(self) -> str:
        """Its name for users, as ``--engine`` takes it."""

    @property
    def channels(self) -> tuple[int, int]:
        """(outputs, inputs) of a group: what PE and SIMD divide."""
        out, per_group = self.weight.shape[:2]
        return int(out) // int(getattr(self, "groups", 1)), int(per_group)

    @property
    def plane_count(self) -> int:
        """Weight planes that can be taken together or one after another."""
        return 1

    def plane_foldings(self, pe: int) -> list[PlaneFolding]:
        """The ways to take weight planes with ``pe`` output channels at a time."""
        return [PlaneFolding()]

    @property
    def input_lanes(self) -> int:
        """Channels of an input beat."""
        return self.simd

    @property
    @abstractmethod
    def rate(self) -> int:
        """Cycles per frame of the products alone."""

    def folded(self, pe: int, simd: int, planes: int = 1, per_fold: bool = False) -> Self:
        """The same engine in another folding."""
        changes: dict[str, Any] = {"pe": pe, "simd": simd}
        return replace(self, **changes)

    def fed_by(self, window: Window) -> Window:
        """The window as this folding wants it."""
        return replace(window, lanes=self.input_lanes, repeat=getattr(self, "repeat", 1))
