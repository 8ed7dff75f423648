"""Registers for speed: how many of them the paths between two clock edges are cut by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from qcompiler.errors import QCompilerError
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph

LEVELS = {
    "lean": "weight ROMs feed the arrays directly: fewer flip-flops",
    "balanced": "block ROMs are read a beat ahead, into a register",
    "fast": "and a register slice stands between any two modules",
}


def check_level(level: str) -> None:
    """Raises QCompilerError where there is no such level."""
    if level not in LEVELS:
        raise QCompilerError(
            f"there is no pipeline {level!r}",
            hint="; ".join(f"{name}: {what}" for name, what in LEVELS.items()),
        )


@dataclass(frozen=True)
class Pipelining:
    """Choose registers that are not there for function.

    Runs after forks and before FIFOs, whose depth counts the cycles that slices take.

    Args:
        level: A key of ``LEVELS``.
    """

    level: str = "balanced"
    name: ClassVar[str] = "pipelining"

    def __post_init__(self) -> None:
        check_level(self.level)

    def run(self, graph: Graph) -> Graph:
        for name in graph.find(hw.BitSerialArray):
            graph.replace(name, replace(graph.op(name), ahead=self.level != "lean"))
        if self.level == "fast":
            _slices(graph)
        return graph


def _slices(graph: Graph) -> None:
    """A FIFO of two beats on every stream but those that have or get a FIFO anyway."""
    ready = hw.Fifo | hw.Add | hw.Concat | hw.Multiply | hw.Sink
    for name in graph:
        for slot, value in enumerate(graph.inputs(name)):
            if isinstance(graph.op(value.node), hw.Fifo | hw.Source):
                continue
            if not isinstance(graph.op(name), ready):
                suffix = f"_slice{slot}" if slot else "_slice"
                added = graph.add(graph.fresh(f"{name}{suffix}"), hw.Fifo(2), [value])
                graph.reconnect(name, slot, added)
