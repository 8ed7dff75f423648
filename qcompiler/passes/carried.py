"""How integers stand for real values while a network is lowered, and which code a value has."""

from __future__ import annotations

from dataclasses import dataclass

from qcompiler.errors import GraphError, QCompilerError
from qcompiler.ir.graph import Value
from qcompiler.ir.types import IntType, Shape
from qcompiler.passes.clipped_affine import ClippedAffine

WHOLE = 1e-9  # codes: float64 noise of one that was meant to be whole


@dataclass(frozen=True, eq=False)
class Carried:
    """How an integer value stands for a real one: real = function(integer).

    ``shape`` is as the user sees it; ``codes`` says that a quantizer made the integers.
    """

    value: Value
    function: ClippedAffine
    shape: Shape
    codes: bool = False

    def uniform(self) -> tuple[float, float] | None:
        """(step, offset) if the value is plain codes with one positive step, else None."""
        one = self.function.one() if self.function.plain() else None
        if one is None or one.scale[0] <= 0:
            return None
        return float(one.scale[0]), float(one.shift[0])

    def grid(self, name: str) -> tuple[float, float]:
        """(step, offset) of what must be codes for the node ``name`` to read."""
        if (plain := self.uniform()) is None:
            raise GraphError(
                "its input is not quantized", where=name, hint="put a quantizer before this layer"
            )
        return plain


def pad_code(name: str, x: Carried, elem: IntType, value: float) -> int:
    """The code of a border's value, or an error with both ways out (docs/numerics.md §3)."""
    step, offset = x.grid(name)
    exact = (value - offset) / step
    code = round(exact)
    if abs(exact - code) > WHOLE or code not in elem:
        border = f"padding with {value:g}" if value else "zero padding"
        what = f"{value:g}" if value else "zero"
        raise QCompilerError(
            f"its {border} has no code: {what} would be code {exact:g} of {elem}",
            where=name,
            hint=f"choose a quantizer of the input with a code for {what} (more activation bits, "
            "or a zero point), or train with negative padding so that the border holds code 0",
        )
    return code


def zero_point(name: str, x: Carried, what: str) -> int:
    """What to take from codes so that products of them are products of their values."""
    step, offset = x.grid(name)
    exact = -offset / step
    if abs(exact - round(exact)) > WHOLE:
        raise QCompilerError(
            f"its {what} has no integer zero: zero would be code {exact:g}",
            where=name,
            hint="give that input a quantizer without offset, or with one of whole steps",
        )
    return round(exact)
