"""Which step tables are searched a bit a cycle, by one comparator a lane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.passes.fold import bottleneck

SearchPrice = Callable[[hw.Threshold, Sequence[hw.StreamType], Sequence[hw.StreamType]], float]
"""Price of a search with the types of its inputs and outputs, in LUT."""


@dataclass(frozen=True)
class ChooseSearch:
    """Search serially where that is in time for the frame, and cheaper.

    The slowest module decides the time, and stays the slowest. Results come evenly, or wait in a
    line buffer or a FIFO that `SizeFifos` puts in place, so a search needs no more than its average
    rate; but not behind a `Slice`, which lets whole rows through and drops others. Foldings and
    lanes must be final.

    Args:
        price: Of a search.
    """

    price: SearchPrice
    name: ClassVar[str] = "choose-search"

    def run(self, graph: Graph) -> Graph:
        _, frame = bottleneck(graph)
        for name in graph.find(hw.Threshold):
            op: hw.Threshold = graph.op(name)
            if op.serial or not op.stages or _behind_slice(graph, name):
                continue
            inputs, outputs = [graph.type(v) for v in graph.inputs(name)], graph.types(name)
            serial = replace(op, serial=True)
            if serial.cycles(inputs, outputs) <= frame and self.price(
                serial, inputs, outputs
            ) < self.price(op, inputs, outputs):
                graph.replace(name, serial)
        return graph


def _behind_slice(graph: Graph, name: str) -> bool:
    """Whether a node's stream comes from a slice with no line buffer in between."""
    for value in graph.inputs(name):
        op = graph.op(value.node)
        if isinstance(op, hw.Slice):
            return True
        if not isinstance(op, hw.Window) and _behind_slice(graph, value.node):
            return True
    return False
