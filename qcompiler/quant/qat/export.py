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
from qcompiler.passes.base import Pass, run_passes
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
UNSETTLED = 1e-3  # share of a layer that may change when it is made hard


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
    trained = frozenset(graph.find(ir.Quantizer))
    passes: list[Pass] = [InsertQuantizers(config, observer(samples)), AlignResiduals(trained)]
    graph = run_passes(graph, passes)
    schemes = tuple(_scheme(layer, codes[layer.name][0]) for layer in layers)
    return Finalized(graph, schemes, _check_settled(layers))


def _check_settled(layers: Sequence[FormedLayer]) -> float:
    """The largest gap; raise if more than a few weights are nearer to another code than theirs."""
    gaps = {layer.name: soft_gaps(layer) for layer in layers}
    for name, gap in gaps.items():
        if (share := float((gap > 0.5).double().mean())) > UNSETTLED:
            raise QCompilerError(
                f"{100 * share:.1f} % of its weights are not yet the digits they would get, by up "
                f"to {float(gap.max()):.2f} steps",
                where=name,
                hint="train longer, or to a higher last temperature",
            )
    return max(float(gap.max()) for gap in gaps.values())


def soft_gaps(layer: FormedLayer) -> Tensor:
    """Difference of the weight in training and the hard one, in steps, of the weight's shape."""
    codes, step = layer.integers()
    with torch.no_grad():
        soft = layer.form(*layer.originals).double()
    shape = (-1,) + (1,) * (codes.dim() - 1)
    gaps: Tensor = (soft / step.reshape(shape) - codes).abs()
    return gaps


def match_layers(graph: Graph, layers: Sequence[FormedLayer]) -> dict[str, FormedLayer]:
    """The layer of the torch model behind each layer of its graph.

    Raises:
        QCompilerError: They are not the same layers, each used once.
    """
    nodes = [*graph.find(ir.Conv), *graph.find(ir.Linear)]
    by_name: dict[str, FormedLayer] = {}
    for layer in layers:
        if (other := by_name.setdefault(_node_name(layer), layer)) is not layer:
            raise QCompilerError(
                f"has the same name as {other.name} in hardware, {_node_name(layer)}",
                where=layer.name,
                hint="rename one of the two",
            )
    missing = sorted(layer.name for name, layer in by_name.items() if name not in nodes)
    extra = sorted(set(nodes) - set(by_name))
    if missing or extra:
        text = [f"{', '.join(missing)} not used"] if missing else []
        text += [f"{', '.join(extra)} no Conv2d or Linear module of its own"] if extra else []
        raise QCompilerError(
            f"layers of forward and of the model differ: {'; '.join(text)}",
            hint="use each Conv2d and Linear exactly once in forward, under a name that no input "
            "has",
        )
    return {node: by_name[node] for node in nodes}


def _attach(
    graph: Graph, layers: Sequence[FormedLayer], codes: dict[str, tuple[Tensor, Tensor]]
) -> None:
    """Give each layer of the graph the quantizer that its weight was trained with."""
    for node, layer in match_layers(graph, layers).items():
        integers, step = codes[layer.name]
        top = max(1, int(integers.abs().max()))
        op = graph.op(node)
        spec = ir.QuantSpec.uniform(step.cpu().numpy(), -top, top)
        graph.replace(node, replace(op, weight_quant=spec))
        got, _ = integer_weights(node, graph.op(node))
        if not np.array_equal(got.reshape(-1), integers.cpu().numpy().reshape(-1)):
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
