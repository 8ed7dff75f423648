"""How far estimates were off where Yosys was asked: what an estimate says beside its figures.

``errors.json`` is written by ``make bench-estimate``: modules and networks that no coefficient was
fitted on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("errors.json")


@dataclass(frozen=True)
class Errors:
    """Relative errors over some modules or networks: (median, worst).

    Args:
        count: How many there were.
        lut: Of LUT.
        ff: Of FF.
        carry: Of carry cells; None where none has been measured.
    """

    count: int
    lut: tuple[float, float]
    ff: tuple[float, float]
    carry: tuple[float, float] | None = None


def module_errors(family: str, kind: str) -> Errors | None:
    """Of modules of a kind, the name of its op; of all modules where that kind was not held out."""
    found = _measured().get(family, {})
    row = found.get("kinds", {}).get(kind) or found.get("modules")
    return _errors(row)


def carry_known(family: str) -> bool:
    """Carry cells of this family have been compared with Yosys."""
    modules = module_errors(family, "")
    return modules is not None and modules.carry is not None


def network_errors(family: str) -> Errors | None:
    """Of whole networks; None for a family that was not measured."""
    return _errors(_measured().get(family, {}).get("networks"))


def clock_error(family: str) -> float | None:
    """Worst relative error of the clock; None where it was not measured."""
    found: float | None = _measured().get(family, {}).get("clock")
    return found


def _errors(row: dict[str, Any] | None) -> Errors | None:
    if not row:
        return None
    carry = tuple(row["carry"]) if "carry" in row else None
    return Errors(row["count"], tuple(row["lut"]), tuple(row["ff"]), carry)


@cache
def _measured() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PATH.read_text()) if PATH.is_file() else {}
    return found
