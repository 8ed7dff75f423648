"""Merge padding of rows and columns into the convolutions behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from qcompiler.ir import nn
from qcompiler.ir.graph import Graph


@dataclass(frozen=True)
class MergePadding:
    """``Conv(Pad(x))`` becomes a convolution with (asymmetric) padding of its own.

    A Pad stays where the convolution pads already, with another value.
    """

    name: ClassVar[str] = "merge-padding"

    def run(self, graph: Graph) -> Graph:
        for name in graph.find(nn.Conv):
            while self._merge(graph, name):
                pass
        return graph

    def _merge(self, graph: Graph, name: str) -> bool:
        """Merge the one Pad before a convolution, if there is one."""
        conv = graph.op(name)
        (source,) = graph.inputs(name)
        pad = graph.op(source.node)
        if not isinstance(pad, nn.Pad) or pad.pads[0] != (0, 0):
            return False
        if any(conv.padding) and conv.pad_value != pad.value:
            return False
        (top, bottom), (left, right) = pad.pads[1:]
        t, l, b, r = conv.padding  # noqa: E741
        graph.reconnect(name, 0, graph.inputs(source.node)[0])
        padding = (t + top, l + left, b + bottom, r + right)
        graph.replace(name, replace(conv, padding=padding, pad_value=pad.value))
        if not graph.users(source.node):
            graph.remove(source.node)
        return True
