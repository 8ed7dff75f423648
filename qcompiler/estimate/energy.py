"""Energy in relative units: switched bits times constants of a table."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from qcompiler.errors import QCompilerError

TABLE = Path(__file__).with_name("energy.toml")


@dataclass(frozen=True)
class Switched:
    """Bits that switch, by kind; per frame where nothing else is said.

    Args:
        stream: Data of streams between modules, from beat to beat.
        logic: Registers and nets inside modules.
        table: Bits read or written in memories of LUTs or registers.
        ram_read: Bits read from block RAM.
        ram_write: Bits written to block RAM.
        product: Bit products: for each multiplication the product of its operands' widths.
    """

    stream: float = 0.0
    logic: float = 0.0
    table: float = 0.0
    ram_read: float = 0.0
    ram_write: float = 0.0
    product: float = 0.0

    def __add__(self, other: Switched) -> Switched:
        return Switched(*(getattr(self, kind) + getattr(other, kind) for kind in KINDS))

    @classmethod
    def sum(cls, parts: Iterable[Switched]) -> Switched:
        total = cls()
        for part in parts:
            total += part
        return total


KINDS = tuple(field.name for field in fields(Switched))


@dataclass(frozen=True)
class Constants:
    """Energy of each kind of switching.

    Args:
        unit: What the figures are.
        each: Energy by kind, relative units.
        source: Where each comes from.
    """

    unit: str
    each: Mapping[str, float]
    source: Mapping[str, str]

    def energy(self, switched: Switched) -> float:
        """Relative units."""
        return sum(self.each[kind] * float(getattr(switched, kind)) for kind in KINDS)


def read_constants(path: Path = TABLE) -> Constants:
    """The constants of a TOML file of the form of ``energy.toml``.

    Raises:
        QCompilerError: The file cannot be read, or lacks a kind, or an energy is no number.
    """
    where, hint = str(path), f"write it as {TABLE}"
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text())
    except OSError as error:
        raise QCompilerError(f"cannot be read: {error.strerror}", where=where) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QCompilerError(f"is no TOML: {error}", where=where, hint=hint) from None
    unit = tables.pop("unit", None)
    if not isinstance(unit, str):
        raise QCompilerError("lacks the text `unit`", where=where, hint=hint)
    if tables.keys() != set(KINDS):
        wrong = ", ".join(sorted(tables.keys() ^ set(KINDS)))
        raise QCompilerError(
            f"has other tables than [{'], ['.join(KINDS)}]: {wrong}", where=where, hint=hint
        )
    each = {kind: _number(table, f"{path}: [{kind}]", hint) for kind, table in tables.items()}
    return Constants(unit, each, {kind: str(t.get("source", "")) for kind, t in tables.items()})


def _number(table: Any, where: str, hint: str) -> float:
    value = table.get("each") if isinstance(table, dict) else None
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or not fits or not 0 <= value < float("inf"):
        raise QCompilerError(
            f"`each` is {value!r}, a number of at least 0 was expected", where=where, hint=hint
        )
    return float(value)
