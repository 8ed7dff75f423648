"""Cuts a quantized network into blocks between the points where a single tensor passes."""

from __future__ import annotations

from dataclasses import dataclass

from qcompiler.ir import nn
from qcompiler.ir.graph import Graph


@dataclass(frozen=True)
class Block:
    """Nodes that are reconstructed together.

    ``start`` is the quantizer through which all that the block reads comes in (it belongs to the
    block), ``nodes`` what follows it, in order, and ``end`` the last of them: the value before the
    next quantizer that everything passes.
    """

    start: str
    nodes: tuple[str, ...]
    end: str


def find_blocks(graph: Graph) -> list[Block]:
    """Blocks with at least one layer, in the order of the data.

    A chain gives a block for each layer, a residual network one for each residual block
    (Li et al., "BRECQ", arXiv 2102.05426, §3.2).
    """
    cuts = _cuts(graph)
    order = list(graph)
    blocks = []
    for start, stop in zip(cuts, [*cuts[1:], graph.only(nn.Output)], strict=True):
        nodes = tuple(order[order.index(start) + 1 : order.index(stop)])
        if any(isinstance(graph.op(n), nn.Conv | nn.Linear) for n in nodes):
            blocks.append(Block(start, nodes, graph.inputs(stop)[0].node))
    return blocks


def _cuts(graph: Graph) -> list[str]:
    """Quantizers whose input is all that is alive when they are reached."""
    left = {name: len(graph.users(name)) for name in graph}
    live: set[str] = set()
    cuts = []
    for name in graph:
        sources = {v.node for v in graph.inputs(name)}
        alone = live == sources and all(left[s] == 1 for s in sources)
        if alone and isinstance(graph.op(name), nn.Quantizer):
            cuts.append(name)
        for value in graph.inputs(name):
            left[value.node] -= 1
            if not left[value.node]:
                live.discard(value.node)
        live.add(name)
    return cuts
