"""Fold a batch norm into the convolution or linear layer that is its only producer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from qcompiler.ir import nn
from qcompiler.ir.graph import Graph


@dataclass(frozen=True)
class FoldBatchNorm:
    """``scale * (w·x + b) + shift`` becomes ``(scale·w)·x + (scale·b + shift)``, in float64.

    Left alone where the layer has other users or has quantized weights already: there the batch
    norm becomes part of the requantizer.
    """

    name: ClassVar[str] = "fold-batch-norm"

    def run(self, graph: Graph) -> Graph:
        for name in graph.find(nn.BatchNorm):
            norm = graph.op(name)
            (source,) = graph.inputs(name)
            layer = graph.op(source.node)
            if not isinstance(layer, nn.Conv | nn.Linear) or len(graph.users(source.node)) != 1:
                continue
            if layer.weight_quant is not None:
                continue
            shape = (-1,) + (1,) * (layer.weight.ndim - 1)
            bias = 0.0 if layer.bias is None else np.asarray(layer.bias, np.float64)
            folded = replace(
                layer,
                weight=layer.weight.astype(np.float64) * norm.scale.reshape(shape),
                bias=norm.scale * bias + norm.shift,
            )
            graph.replace(source.node, folded)
            graph.remove(name)
        return graph
