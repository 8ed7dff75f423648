"""What a pass is, and how a list of them runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol

from qcompiler.ir.graph import Graph


class Pass(Protocol):
    """One small named rewrite: a frozen dataclass whose fields are its options.

    A pass takes a checked graph and returns a checked graph, its own copy where it changes
    anything. A lowering returns a graph of the next dialect.
    """

    name: ClassVar[str]

    def run(self, graph: Graph) -> Graph: ...


def run_passes(
    graph: Graph, passes: Sequence[Pass], *, after: Callable[[str, Graph], None] | None = None
) -> Graph:
    """Run ``passes`` in order, checking the graph before the first and after every one.

    Args:
        after: Called with each pass's name and result (``--dump-after``).
    """
    graph.check()
    for step in passes:
        graph = step.run(graph.copy())
        graph.check()
        if after is not None:
            after(step.name, graph)
    return graph
