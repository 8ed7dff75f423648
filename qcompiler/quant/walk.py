"""Runs a quantized network node by node while a method still sets what comes later."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.reference.nn import KERNELS, Weights


class Walk:
    """Values of the network, each computed once, with the ops as they are when it is needed.

    Args:
        graph: nn dialect; its ops may be replaced behind the point that was reached.
        x: (N, …), the network's inputs.
    """

    def __init__(self, graph: Graph, x: Tensor) -> None:
        self.graph = graph
        self.weights = Weights(torch.float32)
        self.order = list(graph)
        self.at = 0
        self.live: dict[str, Tensor] = {}
        self.left = Counter(v.node for name in graph for v in graph.inputs(name))
        self.x = x.float()

    @torch.no_grad()
    def until(self, node: str) -> Tensor:
        """What comes into a node; all nodes before it are final from now on."""
        while self.order[self.at] != node:
            self._run(self.order[self.at])
            self.at += 1
        return self.live[self.graph.inputs(node)[0].node]

    @torch.no_grad()
    def result(self, node: str) -> Tensor:
        """What a node makes of its inputs now."""
        self.until(node)
        return self._value(node)

    def _value(self, name: str) -> Tensor:
        op = self.graph.op(name)
        if isinstance(op, nn.Input):
            return self.x
        values = (self.live[v.node] for v in self.graph.inputs(name))
        return KERNELS[type(op)](op, self.weights, *values)

    def _run(self, name: str) -> None:
        self.live[name] = self._value(name)
        for value in self.graph.inputs(name):
            self.left[value.node] -= 1
            if not self.left[value.node]:
                self.live.pop(value.node)
