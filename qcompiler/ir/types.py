"""Element types as integer intervals (docs/numerics.md §1) and tensor types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from qcompiler.errors import GraphError

Shape = tuple[int, ...]


@dataclass(frozen=True, order=True)
class IntType:
    """The integers ``lo … hi``; width and signedness follow from the two ends.

    >>> str(IntType(-7, 7)), IntType(0, 15).bits, IntType(-7, 7).bits
    ('[-7..7]', 4, 4)
    """

    lo: int
    hi: int

    def __post_init__(self) -> None:
        if self.lo > self.hi:
            raise GraphError(f"empty integer type: lo {self.lo} is above hi {self.hi}")

    @property
    def signed(self) -> bool:
        return self.lo < 0

    @property
    def bits(self) -> int:
        """Least two's-complement (signed) or plain binary (unsigned) width, at least 1."""
        if self.lo >= 0:
            return max(self.hi.bit_length(), 1)
        return max((-self.lo - 1).bit_length(), max(self.hi, 0).bit_length()) + 1

    def __contains__(self, value: int) -> bool:
        return self.lo <= value <= self.hi

    def union(self, other: IntType) -> IntType:
        return IntType(min(self.lo, other.lo), max(self.hi, other.hi))

    def scaled(self, factor: int) -> IntType:
        ends = (self.lo * factor, self.hi * factor)
        return IntType(min(ends), max(ends))

    def __add__(self, other: IntType) -> IntType:
        return IntType(self.lo + other.lo, self.hi + other.hi)

    def __mul__(self, other: IntType) -> IntType:
        return self.scaled(other.lo).union(self.scaled(other.hi))

    def less(self, zero: int) -> IntType:
        """The integers minus a zero point."""
        return IntType(self.lo - zero, self.hi - zero)

    def holds(self, values: np.ndarray[Any, Any]) -> bool:
        return values.size == 0 or (int(values.min()) >= self.lo and int(values.max()) <= self.hi)

    def __str__(self) -> str:
        return f"[{self.lo}..{self.hi}]"

    @classmethod
    def parse(cls, text: str) -> IntType:
        if not (match := re.fullmatch(r"\[(-?\d+)\.\.(-?\d+)\]", text)):
            raise GraphError(
                f"{text!r} is not an integer type", hint="write [lo..hi], e.g. [-7..7]"
            )
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class TensorType:
    """Shape of one sample (C, H, W) or (F,), and its integers; ``elem`` None means real-valued."""

    shape: Shape
    elem: IntType | None = None

    def __str__(self) -> str:
        dims = "x".join(map(str, self.shape))
        return f"{dims} {self.elem if self.elem is not None else 'real'}"

    @property
    def integers(self) -> IntType:
        if self.elem is None:
            raise GraphError("an integer tensor was expected, this one is real-valued")
        return self.elem
