"""FPGAs that estimates are made for: ``devices.toml``, and files of the user's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any

from qcompiler.errors import QCompilerError

TABLE = Path(__file__).with_name("devices.toml")
Shape = tuple[int, int]
"""(width in bits, depth in words) that one block RAM can take."""


@dataclass(frozen=True)
class Family:
    """What is alike on all devices of a family.

    Args:
        name: ``ecp5``, ``ice40``, ``xc7`` or ``gowin``.
        bram_kbit: Size of one block RAM, kbit (1024 bit).
        bram_shapes: Shapes of one block RAM as Yosys uses it.
        lut_inputs: Inputs of a LUT.
        clock_mhz: Clock assumed where neither user nor device names one, MHz.
        cost_model: There are fitted coefficients.
        speeds: Speed grades of nextpnr's timing, slowest first; empty where it has one timing.
    """

    name: str
    bram_kbit: int
    bram_shapes: tuple[Shape, ...]
    lut_inputs: int
    clock_mhz: float
    cost_model: bool
    speeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Device:
    """One FPGA.

    Args:
        name: Name that users give.
        family: Key of the cost model, one of `FAMILY`.
        luts: LUTs.
        ffs: Flip-flops.
        brams: Block RAMs of ``bram_kbit``.
        bram_kbit: Size of one block RAM, kbit (1024 bit).
        dsps: Multiplier blocks.
        lut_inputs: Inputs of a LUT.
        clock_mhz: Clock assumed where the user names none, MHz.
        nextpnr: Options that name device and package to nextpnr; empty where it does not know it.
        pads: Input and output pads of the package; 0 where ``nextpnr`` is empty.
        source: Where the figures are from.
        file: File that describes it, if it is not of the table.
    """

    name: str
    family: str
    luts: int
    ffs: int
    brams: int
    bram_kbit: int
    dsps: int
    lut_inputs: int
    clock_mhz: float
    nextpnr: tuple[str, ...] = ()
    pads: int = 0
    source: str = ""
    file: str = ""

    @property
    def bram_shapes(self) -> tuple[Shape, ...]:
        """(width, depth) shapes of one block RAM."""
        return FAMILY[self.family].bram_shapes

    @property
    def reference(self) -> str:
        """What `device` finds it by, from any working folder."""
        return f"{self.file}:{self.name}" if self.file else self.name


# ---- reading -----------------------------------------------------------------------------------

_REQUIRED: dict[str, type] = {"family": str, "luts": int, "ffs": int, "brams": int, "dsps": int}
_OPTIONAL: dict[str, type] = {"clock_mhz": float, "nextpnr": list, "pads": int, "source": str}
_WORDS = {str: "a text", int: "a whole number", float: "a number", list: "a list of texts"}


def read_devices(path: Path, families: Mapping[str, Family]) -> dict[str, Device]:
    """The devices of a TOML file, by name.

    Raises:
        QCompilerError: The file is missing or no TOML, or a field is missing, unknown or of another
            type than expected; says which field of which device.
    """
    tables = _tables(path)
    found = tables.get("devices")
    if not isinstance(found, dict) or not all(isinstance(v, dict) for v in found.values()):
        raise QCompilerError(
            "no [devices.NAME] tables were found", where=str(path), hint=f"write them as in {TABLE}"
        )
    own = "" if path == TABLE else str(path.resolve())
    return {name: _device(name, table, path, families, own) for name, table in found.items()}


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise QCompilerError(
            f"cannot be read: {error.strerror}", where=str(path), hint="name a file of devices"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QCompilerError(f"is no TOML: {error}", where=str(path)) from None


def _device(
    name: str, table: dict[str, Any], path: Path, families: Mapping[str, Family], own: str
) -> Device:
    where = f"{path}: [devices.{name}]"
    if missing := [field for field in _REQUIRED if field not in table]:
        needs = ", ".join(f"{field} ({_WORDS[_REQUIRED[field]]})" for field in missing)
        raise QCompilerError(f"lacks {needs}", where=where)
    kinds = _REQUIRED | _OPTIONAL
    for field, value in table.items():
        if field not in kinds:
            hint = f"the fields are {', '.join(kinds)}"
            raise QCompilerError(f"has an unknown field {field}", where=where, hint=hint)
        _check(field, value, kinds[field], where)
    if table["family"] not in families:
        raise QCompilerError(
            f"the family {table['family']!r} is not known",
            where=where,
            hint=f"choose one of {', '.join(families)}",
        )
    family = families[table["family"]]
    return Device(
        name=name,
        family=family.name,
        luts=table["luts"],
        ffs=table["ffs"],
        brams=table["brams"],
        bram_kbit=family.bram_kbit,
        dsps=table["dsps"],
        lut_inputs=family.lut_inputs,
        clock_mhz=float(table.get("clock_mhz", family.clock_mhz)),
        nextpnr=tuple(table.get("nextpnr", ())),
        pads=table.get("pads", 0),
        source=table.get("source", ""),
        file=own,
    )


def _check(field: str, value: Any, kind: type, where: str) -> None:
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or isinstance(value, bool):
        raise QCompilerError(f"{field} is {value!r}, {_WORDS[kind]} was expected", where=where)
    if kind is list and not all(isinstance(item, str) for item in value):
        raise QCompilerError(f"{field} is {value!r}, {_WORDS[kind]} was expected", where=where)
    least = 1 if field in ("luts", "ffs") else 0
    if kind in (int, float) and not (value >= least and (field != "clock_mhz" or value > 0)):
        raise QCompilerError(f"{field} is {value}, a larger number was expected", where=where)
    if kind is float and not isfinite(value):
        raise QCompilerError(f"{field} is {value}, a finite number was expected", where=where)


def _families() -> dict[str, Family]:
    found = {}
    for name, table in _tables(TABLE)["families"].items():
        shapes = tuple((width, depth) for width, depth in table.pop("bram_shapes"))
        speeds = tuple(table.pop("speeds", ()))
        found[name] = Family(name, bram_shapes=shapes, speeds=speeds, **table)
    return found


FAMILY: Mapping[str, Family] = MappingProxyType(_families())
"""All families by name, also those without a cost model."""
FAMILIES = tuple(name for name, family in FAMILY.items() if family.cost_model)
"""Families with a cost model."""


def check_cost_model(family: str) -> None:
    """Raise QCompilerError where there is none."""
    if family not in FAMILIES:
        raise QCompilerError(
            f"no cost model for family {family!r} yet",
            hint=f"there are those of {', '.join(FAMILIES)}; `qcompiler synth --target` counts the "
            "cells of a build for others, too",
        )


BRAM_SHAPES: Mapping[str, tuple[Shape, ...]] = {n: f.bram_shapes for n, f in FAMILY.items()}
"""Shapes of one block as Yosys uses it. A RAMB36 of xc7 counts as two blocks of 18 kbit."""
DEVICES: dict[str, Device] = read_devices(TABLE, FAMILY)


def device(name: str) -> Device:
    """The device called ``name``, or ``FILE.toml:NAME`` of a file of the user's own.

    Raises:
        QCompilerError: No such device; lists those there are. Or the file has a mistake.
    """
    file, colon, inside = name.rpartition(":")
    if colon and file.endswith(".toml"):
        own = read_devices(Path(file), FAMILY)
        if inside not in own:
            raise QCompilerError(
                f"no device is called {inside!r}", where=file, hint=f"it has {', '.join(own)}"
            )
        return own[inside]
    if name == "asic":
        raise QCompilerError(
            "asic is no device to compile for",
            hint="compile for an FPGA, then count gates: qcompiler synth BUILD --target asic",
        )
    if name.endswith(".toml"):
        raise QCompilerError(f"{name} is a file of devices", hint=f"name one: {name}:NAME")
    try:
        return DEVICES[name.lower()]
    except KeyError:
        raise QCompilerError(
            f"{name!r} is not a known device",
            hint=f"choose one of {', '.join(DEVICES)}, or FILE.toml:NAME with one of your own",
        ) from None
