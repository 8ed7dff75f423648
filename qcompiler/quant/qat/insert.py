"""Where activation quantizers go in a torch model that trains: found in its fx graph."""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from qcompiler.errors import QCompilerError
from qcompiler.quant.qat.activation import ActivationQuantizer
from qcompiler.quant.qat.weights import LAYERS
from qcompiler.quant.qat.works import evaluated

RELU_MODULES = (nn.ReLU, nn.ReLU6)
RELU_CALLS = (F.relu, torch.relu, torch.relu_, F.relu6, "relu", "relu_")
CLIP_CALLS = (F.hardtanh, torch.clamp, torch.clamp_min, "clamp", "clamp_min", "clip")
MEAN_MODULES = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
MEAN_CALLS = (F.avg_pool2d, F.adaptive_avg_pool2d, torch.mean, "mean")
MOVE_MODULES = (nn.MaxPool2d, nn.Flatten, nn.Dropout, nn.Dropout2d, nn.Identity, nn.ZeroPad2d)
MOVE_CALLS = (
    F.max_pool2d, torch.max_pool2d, F.dropout, F.pad, torch.flatten, torch.reshape,
    operator.getitem, "flatten", "reshape", "view", "contiguous", "squeeze",
)  # fmt: skip
JOINS = (torch.cat, torch.concat)


def insert_activation_quantizers(
    model: nn.Module, bits: int, kind: str, samples: Tensor
) -> fx.GraphModule:
    """The model with a quantizer behind every ReLU, and on what any other layer reads.

    The network's input and output, and what only meets in additions, are left to calibration
    (``qat.export``). Steps start at the least mean square error on the samples.

    Raises:
        QCompilerError: The model cannot be traced.
    """
    try:
        traced = _trace(model)
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
    sites = _Sites(traced)
    groups = sites.find()
    positive = [all(sites.never_negative(node) for node in group) for group in groups]
    for group, unsigned in zip(groups, positive, strict=True):
        name = f"quantize_{group[0].name}"
        quantizer = ActivationQuantizer(bits, not unsigned, kind).to(samples.device)
        traced.add_submodule(name, quantizer)
        for node in group:
            with traced.graph.inserting_after(node):
                quantized = traced.graph.call_module(name, (node,))
            for user in [u for u in node.users if u is not quantized]:
                user.replace_input_with(node, quantized)
    traced.graph.lint()
    traced.recompile()
    _Starter(traced).run(samples)
    return traced


class _Sites:
    """Reads an fx graph."""

    def __init__(self, traced: fx.GraphModule) -> None:
        self.graph, self.modules = traced.graph, dict(traced.named_modules())

    def find(self) -> list[list[fx.Node]]:
        """Values to quantize, in groups that share a step because a concat joins their codes."""
        group: dict[fx.Node, set[fx.Node]] = {}
        for node in self.graph.nodes:
            if self._relu(node) and not all(self._ends(u) for u in node.users):
                group.setdefault(node, {node})
            if self._layer(node) or node.target in JOINS:
                sources = self._sources(node if node.target in JOINS else _tensors(node)[0])
                joined = set().union(*(group.get(s, {s}) for s in sources))
                if node.target in JOINS:
                    group.update(dict.fromkeys(joined, joined))
                elif next(iter(sources)).op != "placeholder":
                    for source in sources:
                        group.setdefault(source, {source})
        order = {node: k for k, node in enumerate(self.graph.nodes)}
        found = {id(g): sorted(g, key=order.__getitem__) for g in group.values()}
        return sorted(found.values(), key=lambda g: order[g[0]])

    def never_negative(self, node: fx.Node) -> bool:
        if self._relu(node):
            return True
        if self._is(node, MOVE_MODULES + MEAN_MODULES, MOVE_CALLS + MEAN_CALLS):
            return self.never_negative(_tensors(node)[0])
        return False

    def _ends(self, node: fx.Node) -> bool:
        """Whether codes only leave the network from here: the output's quantizer serves."""
        if node.op == "output":
            return True
        moves = self._is(node, MOVE_MODULES, MOVE_CALLS)
        return moves and all(self._ends(user) for user in node.users)

    def _sources(self, node: fx.Node) -> set[fx.Node]:
        """Where the values come from, behind moves and concats."""
        if node.target in JOINS or self._is(node, MOVE_MODULES, MOVE_CALLS):
            return {source for n in _tensors(node) for source in self._sources(n)}
        return {node}

    def _layer(self, node: fx.Node) -> bool:
        calls = (F.conv2d, torch.conv2d, F.linear)
        return self._is(node, LAYERS, calls)

    def _relu(self, node: fx.Node) -> bool:
        if self._is(node, RELU_MODULES, RELU_CALLS):
            return True
        if self._is(node, (nn.Hardtanh,), ()):
            return bool(self.modules[str(node.target)].min_val >= 0)
        if self._is(node, (), CLIP_CALLS):
            low = node.args[1] if len(node.args) > 1 else node.kwargs.get("min")
            low = node.kwargs.get("min_val", low)
            return isinstance(low, int | float) and low >= 0
        return False

    def _is(self, node: fx.Node, modules: tuple[type, ...], calls: tuple[Any, ...]) -> bool:
        if node.op == "call_module":
            return isinstance(self.modules.get(str(node.target)), modules)
        return node.op in ("call_function", "call_method") and node.target in calls


def _tensors(node: fx.Node) -> list[fx.Node]:
    """What a call computes on, without the sizes and numbers it may take as well."""
    first = node.args[0] if node.args else next(iter(node.kwargs.values()))
    if isinstance(first, fx.Node):
        return [first]
    return [n for n in first if isinstance(n, fx.Node)] if isinstance(first, list | tuple) else []


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
        self.seen: dict[ActivationQuantizer, list[Tensor]] = {}

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
        if isinstance(module, ActivationQuantizer):
            values = args[0].flatten()
            few = values[:: max(1, len(values) // 100_000)]
            self.seen.setdefault(module, []).append(torch.cat([few, values.abs().max()[None]]))
            return args[0]
        return super().call_module(target, args, kwargs)
