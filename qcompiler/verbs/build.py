"""A folder that ``compile`` wrote, read back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qcompiler.errors import QCompilerError
from qcompiler.estimate.devices import Device
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.hardware import StreamType
from qcompiler.ir.store import read_graph

FIELDS = {
    "top": str,
    "target": dict,
    "sources": list,
    "memories": list,
    "streams": list,
    "ports": dict,
}


def _check(manifest: Any) -> None:
    """Raise ValueError unless a manifest has the fields that are read from it."""
    if not isinstance(manifest, dict):
        raise ValueError("a table was expected")
    for name, kind in FIELDS.items():
        if not isinstance(manifest.get(name), kind):
            raise ValueError(f"the field {name} is missing or no {kind.__name__}")
    for name in (*manifest["sources"], *manifest["memories"]):
        if not isinstance(name, str):
            raise ValueError(f"{name} is no file name")
    if not isinstance(manifest["target"].get("device"), str):
        raise ValueError("the field target.device is missing or no str")
    clock = manifest["target"].get("clock_mhz")
    if not isinstance(clock, int | float) or not 0 < clock < float("inf"):
        raise ValueError("the field target.clock_mhz is missing or no number above 0")
    for port in ("s_axis", "m_axis"):
        for name in ("lanes", "padded_bits", "beats_per_frame"):
            facts = manifest["ports"].get(port)
            if not isinstance(facts, dict) or not isinstance(facts.get(name), int):
                raise ValueError(f"the field ports.{port}.{name} is missing or no int")


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
            what = "not a build folder (no manifest.json)"
            raise QCompilerError(what, where=str(folder), hint=hint)
        try:
            manifest = json.loads(path.read_text())
            _check(manifest)
        except ValueError as error:
            raise QCompilerError(f"damaged: {error}", where=str(path), hint=hint) from error
        files = [*manifest["sources"], *manifest["memories"]]
        if missing := [name for name in files if not (folder / name).is_file()]:
            raise QCompilerError(f"{missing[0]} is missing", where=str(folder), hint=hint)
        graphs = []
        for dialect in ("integer", "hardware"):
            try:
                graph = read_graph(folder / dialect)
            except QCompilerError as error:
                raise QCompilerError(error.what, where=error.where, hint=hint) from error
            if graph.dialect != dialect:
                what = f"holds a graph of {graph.dialect}"
                raise QCompilerError(what, where=str(folder / dialect), hint=hint)
            graphs.append(graph)
        build = cls(folder, manifest, *graphs)
        if len(manifest["streams"]) != len(build.values()):
            what = f"damaged: {len(manifest['streams'])} streams, the graph has another number"
            raise QCompilerError(what, where=str(path), hint=hint)
        return build

    def clock_on(self, chip: Device) -> float:
        """MHz: the clock of the build, on another device its usual one if none was asked for."""
        target = self.manifest["target"]
        if chip.reference == target["device"] or target.get("clock_given", True):
            return float(target["clock_mhz"])
        return chip.clock_mhz

    def values(self) -> list[Value]:
        """What the streams of the core carry, in the order of the data."""
        return [
            Value(name, port)
            for name in self.hardware
            if not isinstance(self.hardware.op(name), hw.Sink)
            for port in range(len(self.hardware.types(name)))
        ]

    def nodes(self) -> dict[str, str]:
        """The node that makes each stream of the core, by its wire."""
        wires = (fact["wire"] for fact in self.manifest["streams"])
        return {wire: value.node for wire, value in zip(wires, self.values(), strict=True)}

    def streams(self) -> dict[str, StreamType]:
        """Every stream of the core by its wire, in the order of the data."""
        found: dict[str, StreamType] = {}
        for fact, value in zip(self.manifest["streams"], self.values(), strict=True):
            found[fact["wire"]] = self.hardware.type(value)
        return found
