"""Remove what the result does not depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from qcompiler.ir import nn
from qcompiler.ir.graph import Graph


@dataclass(frozen=True)
class RemoveDead:
    """A node that nothing on the way to the output reads is removed; the input stays."""

    name: ClassVar[str] = "remove-dead"

    def run(self, graph: Graph) -> Graph:
        for name in reversed(list(graph)):
            if not graph.users(name) and not isinstance(graph.op(name), nn.Output | nn.Input):
                graph.discard(name)
        return graph
