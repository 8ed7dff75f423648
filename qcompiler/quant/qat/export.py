"""From a trained torch model with weight forms to a quantized nn graph of exact codes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.frontend.names import safe_name
from qcompiler.frontend.torch_export import import_module
from qcompiler.ir import nn as ir
from qcompiler.ir.graph import Graph
from qcompiler.ir.planes import encode
from qcompiler.passes.base import run_passes
from qcompiler.passes.integer_weights import integer_weights
from qcompiler.passes.pipeline import KEEP_WEIGHTS
from qcompiler.quant.align import AlignResiduals
from qcompiler.quant.config import QuantConfig
from qcompiler.quant.insert import InsertQuantizers
from qcompiler.quant.observe import observer
from qcompiler.quant.qat.activation import freeze
from qcompiler.quant.qat.method import Finalized, LayerScheme
from qcompiler.quant.qat.weights import FormedLayer, formed_layers, harden

Array = np.ndarray[Any, Any]


def finalize(model: nn.Module, samples: Array, config: QuantConfig | None = None) -> Finalized:
    """Harden a copy of the model and take it to the nn dialect; the model is left alone.

    Args:
        samples: Inputs (N, …), float32, for the ranges of values that have no trained quantizer.
        config: Widths of those; 8 bits by default.

    Raises:
        QCompilerError: The codes that the graph would compute with are not the trained ones.
    """
    layers = list(formed_layers(model))
    codes = {layer.name: layer.integers() for layer in layers}
    hard = copy.deepcopy(model).cpu().eval()
    harden(hard)
    freeze(hard)
    graph = run_passes(import_module(hard, (torch.from_numpy(samples[:2]),)), KEEP_WEIGHTS)
    _attach(graph, layers, codes)
    config = replace(config or QuantConfig(), method="mse")
    graph = run_passes(graph, [InsertQuantizers(config, observer(samples)), AlignResiduals()])
    schemes = tuple(_scheme(layer, codes[layer.name][0]) for layer in layers)
    return Finalized(graph, schemes, max(soft_gap(layer) for layer in layers))


def soft_gap(layer: FormedLayer) -> float:
    """Largest difference of the weight in training and the hard one, in steps."""
    codes, step = layer.integers()
    with torch.no_grad():
        soft = layer.form(*layer.originals).double()
    shape = (-1,) + (1,) * (codes.dim() - 1)
    return float((soft / step.reshape(shape) - codes).abs().max())


def _attach(
    graph: Graph, layers: Sequence[FormedLayer], codes: dict[str, tuple[Tensor, Tensor]]
) -> None:
    """Give each layer of the graph the quantizer that its weight was trained with."""
    nodes = [*graph.find(ir.Conv), *graph.find(ir.Linear)]
    if len(nodes) != len(layers):
        raise QCompilerError(
            f"the exported model has {len(nodes)} layers, {len(layers)} were trained",
            hint="each Conv2d and Linear must be used exactly once in forward",
        )
    by_name = {_node_name(layer): layer.name for layer in layers}
    for node in nodes:
        name = by_name.get(node)
        if name is None:
            raise QCompilerError(f"no trained layer is called {node}", hint=f"{sorted(by_name)}")
        integers, step = codes[name]
        top = max(1, int(integers.abs().max()))
        op = graph.op(node)
        spec = ir.QuantSpec.uniform(step.cpu().numpy(), -top, top)
        graph.replace(node, replace(op, weight_quant=spec))
        got, _ = integer_weights(node, graph.op(node))
        if not (got.reshape(-1) == integers.cpu().numpy().reshape(-1)).all():
            raise QCompilerError("its codes did not survive the export", where=node)


def _node_name(layer: FormedLayer) -> str:
    return safe_name(layer.name, "linear" if isinstance(layer.module, nn.Linear) else "conv")


def _scheme(layer: FormedLayer, codes: Tensor) -> LayerScheme:
    live = layer.live()
    places = live.any(dim=0).nonzero().flatten().tolist()
    scheme = tuple(place - places[0] for place in places)
    planes = encode(codes.cpu().numpy())
    return LayerScheme(
        layer.name,
        layer.parameters,
        float(live.sum()) / len(live),
        places[-1] - places[0] + 1,
        min(max(len(planes), 1), places[-1] - places[0] + 2),
        scheme,
    )
