"""Puts activation quantizers into a torch model that trains, and starts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from qcompiler.errors import QCompilerError
from qcompiler.quant.qat.activation import SWISH_LOW, ActivationQuantizer, TrainedQuantizer
from qcompiler.quant.qat.sites import Sites, Values
from qcompiler.quant.qat.weights import LAYERS
from qcompiler.quant.qat.works import evaluated


def insert_activation_quantizers(
    model: nn.Module, bits: int, kind: str, samples: Tensor
) -> fx.GraphModule:
    """The model with an `ActivationQuantizer` at each site (`Sites.find`), started on the samples.

    An h-swish output is unsigned with -3/8 as code 0, unless zeros are put around it.
    """

    def make(values: Values) -> TrainedQuantizer:
        if values.shifted:
            return ActivationQuantizer(bits, False, kind, SWISH_LOW)
        return ActivationQuantizer(bits, not values.positive, kind)

    traced = insert_quantizers(model, make, samples.device)
    start_quantizers(traced, samples)
    return traced


def insert_quantizers(
    model: nn.Module, make: Callable[[Values], TrainedQuantizer], device: torch.device
) -> fx.GraphModule:
    """The model, traced, with a quantizer at each site (`Sites.find`).

    The network's input and output, and what only meets in additions or products, are left to
    calibration (``qat.export``).

    Raises:
        QCompilerError: The model cannot be traced.
    """
    traced = _traced(model)
    for site in Sites(traced).find():
        name = f"quantize_{site.nodes[0].name}"
        traced.add_submodule(name, make(site.values).to(device))
        for node, users in zip(site.nodes, site.users, strict=True):
            with traced.graph.inserting_after(node):
                quantized = traced.graph.call_module(name, (node,))
            for user in users:
                user.replace_input_with(node, quantized)
    traced.graph.lint()
    traced.recompile()
    return traced


def start_quantizers(traced: nn.Module, samples: Tensor) -> None:
    """Start all quantizers of a model that `insert_quantizers` gave; they all pass values on.

    Args:
        samples: Inputs (N, …).
    """
    assert isinstance(traced, fx.GraphModule)
    _Starter(traced).run(samples)


def _traced(model: nn.Module) -> fx.GraphModule:
    try:
        return _trace(model)
    except QCompilerError:
        raise
    except Exception as error:  # the model's own exceptions come through
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise QCompilerError(
            f"torch.fx cannot trace the model: {text}",
            where=type(model).__name__,
            hint="forward must not branch on tensor values; or train weights alone: "
            "--activations 0, and quantize activations by calibration",
        ) from error


class _Tracer(fx.Tracer):
    """Layers are leaves, subclasses of users too."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, LAYERS) or super().is_leaf_module(m, module_qualified_name)


def _trace(model: nn.Module) -> fx.GraphModule:
    """The model's graph, which must be the same in training and afterwards."""
    graphs = {}
    modes = [(module, module.training) for module in model.modules()]
    for training in (True, False):
        model.train(training)
        graphs[training] = _Tracer().trace(model)
    for module, training in modes:
        module.training = training
    if str(graphs[True]) != str(graphs[False]):
        raise QCompilerError(
            "forward reads self.training, which a trace would freeze",
            where=type(model).__name__,
            hint="use nn.Dropout modules instead of F.dropout(x, p, self.training)",
        )
    return fx.GraphModule(model, graphs[False])


class _Starter(fx.Interpreter):
    """Runs the model once, still unquantized, and starts each quantizer at all that it sees.

    Batch norms use the samples' own statistics: those of a fresh network mean nothing.
    """

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.seen: dict[TrainedQuantizer, list[Tensor]] = {}

    @torch.no_grad()
    def run(self, *args: Any, **kwargs: Any) -> Any:
        norms = [m for m in self.module.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d)]
        buffers = [{k: v.clone() for k, v in m.named_buffers()} for m in norms]
        with evaluated(self.module):
            for norm in norms:
                norm.train()
            result = super().run(*args, **kwargs)
        for norm, held in zip(norms, buffers, strict=True):
            for name, buffer in norm.named_buffers():
                buffer.copy_(held[name])
        for quantizer, values in self.seen.items():
            quantizer.start(torch.cat(values))
        return result

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.fetch_attr(target)
        if isinstance(module, TrainedQuantizer):
            values = args[0].flatten()
            few = values[:: max(1, len(values) // 100_000)]
            self.seen.setdefault(module, []).append(torch.cat([few, values.abs().max()[None]]))
            return args[0]
        return super().call_module(target, args, kwargs)
