"""A folder that ``compile`` wrote, read back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qcompiler.errors import QCompilerError
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.hardware import StreamType
from qcompiler.ir.store import read_graph


@dataclass(frozen=True)
class Build:
    """Manifest and graphs of a build folder."""

    folder: Path
    manifest: dict[str, Any]
    integer: Graph
    hardware: Graph

    @classmethod
    def read(cls, folder: Path) -> Build:
        hint = "compile a network with `qcompiler compile NET.qc -o FOLDER`"
        path = folder / "manifest.json"
        if not path.is_file():
            raise QCompilerError("not a build folder (no manifest.json)", where=str(folder), hint=hint)
        try:
            manifest = json.loads(path.read_text())
            manifest["top"], manifest["sources"], manifest["ports"]
        except (ValueError, KeyError, TypeError) as error:
            raise QCompilerError(f"damaged manifest: {error}", where=str(path), hint=hint) from error
        if missing := [s for s in manifest["sources"] if not (folder / s).is_file()]:
            raise QCompilerError(f"{missing[0]} is missing", where=str(folder), hint=hint)
        return cls(folder, manifest, read_graph(folder / "integer"), read_graph(folder / "hardware"))

    def streams(self) -> dict[str, StreamType]:
        """Every stream of the core by its wire, in the order of the data."""
        found: dict[str, StreamType] = {}
        values = [
            Value(name, port)
            for name in self.hardware
            if not isinstance(self.hardware.op(name), hw.Sink)
            for port in range(len(self.hardware.types(name)))
        ]
        for fact, value in zip(self.manifest["streams"], values, strict=True):
            found[fact["wire"]] = self.hardware.type(value)
        return found
