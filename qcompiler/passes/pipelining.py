"""Registers for speed: how many of them the paths between two clock edges are cut by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from qcompiler.errors import QCompilerError
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph

BALANCED = "balanced"
LEVELS = {
    "lean": "weight ROMs feed the arrays directly: fewer flip-flops",
    BALANCED: "block ROMs are read a beat ahead, register slices stand around engines",
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

    level: str = BALANCED
    name: ClassVar[str] = "pipelining"

    def __post_init__(self) -> None:
        check_level(self.level)

    def run(self, graph: Graph) -> Graph:
        for name in graph.find(hw.BitSerialArray):
            graph.replace(name, replace(graph.op(name), ahead=self.level != "lean"))
        if not sliced(self.level):
            return graph
        for name in graph:
            for slot, value in enumerate(graph.inputs(name)):
                if self._wanted(graph.op(value.node), graph.op(name)):
                    suffix = f"_slice{slot}" if slot else "_slice"
                    added = graph.add(graph.fresh(f"{name}{suffix}"), SLICE, [value])
                    graph.reconnect(name, slot, added)
        return graph

    def _wanted(self, before: hw.HardwareOp, behind: hw.HardwareOp) -> bool:
        """Whether to cut a stream, which those that have or get a FIFO anyway need not be.

        An engine that stalls holds its line buffer in the same cycle: with what stands behind it
        that is the longest way of a ready signal, so both of its ends are cut.
        """
        if isinstance(before, hw.Fifo | hw.Source) or isinstance(behind, _BUFFERED):
            return False
        return (
            self.level == "fast" or isinstance(before, hw.Engine) or isinstance(behind, hw.Engine)
        )


SLICE = hw.Fifo(2)
"""Two registers: no path goes through it, neither of the data nor of ready."""

_BUFFERED = hw.Fifo | hw.Add | hw.Concat | hw.Multiply | hw.Sink


def sliced(level: str) -> bool:
    """Whether engines have slices around them."""
    return level != "lean"


def buffered(graph: Graph, name: str) -> bool:
    """Whether all that reads a node has or gets a FIFO anyway."""
    users = graph.users(name)
    return len(users) == 1 and all(isinstance(graph.op(user), _BUFFERED) for user, _ in users)
