"""How many cycles a frame the modules of a folded graph take."""

from __future__ import annotations

from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph


def node_cycles(graph: Graph, name: str) -> int:
    """Cycles per frame that a module is busy."""
    inputs = [graph.type(v) for v in graph.inputs(name)]
    cycles: int = graph.op(name).cycles(inputs, graph.types(name))
    return cycles


def bottleneck(graph: Graph) -> tuple[str, int]:
    """The slowest module of a folded graph and its cycles per frame; engines before windows."""
    ranked = [
        (node_cycles(graph, name), isinstance(graph.op(name), hw.Engine), name) for name in graph
    ]
    cycles, _, name = max(ranked, key=lambda entry: entry[:2])
    return name, cycles
