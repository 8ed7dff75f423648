"""Reads the fx graph of a torch model: which values get a quantizer, and what is known of them."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from qcompiler.quant.qat.activation import SWISH_LOW
from qcompiler.quant.qat.weights import LAYERS

RELU_MODULES = (nn.ReLU, nn.ReLU6)
RELU_CALLS = (F.relu, torch.relu, torch.relu_, F.relu6, "relu", "relu_")
SIGMOID_MODULES = (nn.Hardsigmoid,)
SIGMOID_CALLS = (F.hardsigmoid,)
SWISH_MODULES = (nn.Hardswish,)
SWISH_CALLS = (F.hardswish,)
CLIP_CALLS = (F.hardtanh, torch.clamp, torch.clamp_min, "clamp", "clamp_min", "clip")
MEAN_MODULES = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
MEAN_CALLS = (F.avg_pool2d, F.adaptive_avg_pool2d, torch.mean, "mean")
MOVE_MODULES = (
    nn.MaxPool2d, nn.Flatten, nn.Dropout, nn.Dropout2d, nn.Identity, nn.ConstantPad2d,
)  # fmt: skip
MOVE_CALLS = (
    F.max_pool2d, torch.max_pool2d, F.dropout, F.pad, torch.flatten, torch.reshape,
    operator.getitem, "flatten", "reshape", "view", "contiguous", "squeeze",
)  # fmt: skip
JOINS = (torch.cat, torch.concat)
PRODUCTS = (operator.mul, operator.imul, torch.mul, torch.multiply, "mul", "mul_")
CONV_CALLS = (F.conv2d, torch.conv2d)


@dataclass(frozen=True)
class Values:
    """What is known of values that share a quantizer.

    Args:
        positive: None is ever below zero.
        swish: All come from an h-swish, so that none is below -3/8.
        borders: What convolutions and pads put around them: 0.0, -3/8, or both.
    """

    positive: bool
    swish: bool
    borders: frozenset[float]

    @property
    def shifted(self) -> bool:
        """Whether unsigned codes from -3/8 on hold all of them: no zero is put around h-swish."""
        return self.swish and self.borders <= {SWISH_LOW}


@dataclass(frozen=True)
class Site:
    """Nodes whose values share a quantizer, and the users that read its codes, node by node."""

    nodes: tuple[fx.Node, ...]
    users: tuple[tuple[fx.Node, ...], ...]
    values: Values


class Sites:
    """Reads an fx graph."""

    def __init__(self, traced: fx.GraphModule) -> None:
        self.graph, self.modules = traced.graph, dict(traced.named_modules())

    def find(self) -> list[Site]:
        """Values to quantize; those that a concat joins share a quantizer.

        They are what layers read, except the network's input, and ReLU outputs. Not those that
        a squeeze-and-excite multiplies, nor those that only leave the network. Where a ReLU's
        output is quantized all read the codes; of any other value only layers do, so that the
        addition around a linear bottleneck gets what is in it.
        """
        group: dict[fx.Node, set[fx.Node]] = {}
        for node in self.graph.nodes:
            if self._relu(node) and not self._excited(node) and not self._leaves(node):
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
        return [self._site(g) for g in sorted(found.values(), key=lambda g: order[g[0]])]

    def _site(self, nodes: list[fx.Node]) -> Site:
        readers = tuple(tuple(u for u in n.users if self._relu(n) or self._read(u)) for n in nodes)
        borders = frozenset(b for users in readers for u in users for b in self._borders(u))
        swish = all(self._is(n, SWISH_MODULES, SWISH_CALLS) for n in nodes)
        positive = all(self.never_negative(n) for n in nodes)
        return Site(tuple(nodes), readers, Values(positive, swish, borders))

    def never_negative(self, node: fx.Node) -> bool:
        if self._relu(node) or self._is(node, SIGMOID_MODULES, SIGMOID_CALLS):
            return True
        if self._is(node, MOVE_MODULES + MEAN_MODULES, MOVE_CALLS + MEAN_CALLS):
            return self.never_negative(_tensors(node)[0])
        if self._is(node, (), PRODUCTS):
            return all(self.never_negative(n) for n in node.all_input_nodes)
        return False

    def _excited(self, node: fx.Node) -> bool:
        """Whether a product reads the value and no layer does."""
        products = any(self._is(user, (), PRODUCTS) for user in node.users)
        return products and not any(self._read(user) for user in node.users)

    def _leaves(self, node: fx.Node) -> bool:
        """Whether codes only leave the network from here: the output's quantizer serves."""
        return all(
            user.op == "output" or (self._moves(user) and self._leaves(user)) for user in node.users
        )

    def _read(self, node: fx.Node) -> bool:
        """Whether a layer or a concat reads what this node reads, perhaps behind moves."""
        if self._moves(node):
            return any(self._read(user) for user in node.users)
        return self._layer(node) or node.target in JOINS

    def _sources(self, node: fx.Node) -> set[fx.Node]:
        """Where the values come from, behind moves and concats."""
        if node.target in JOINS or self._moves(node):
            return {source for n in _tensors(node) for source in self._sources(n)}
        return {node}

    def _borders(self, node: fx.Node) -> set[float]:
        """What is put around values that this node reads."""
        if self._layer(node):
            return {0.0} if self._pads(node) else set()
        if not self._moves(node) and node.target not in JOINS:
            return set()
        own: set[float] = set()
        if self._is(node, (nn.ConstantPad2d,), ()):
            own = {float(self.modules[str(node.target)].value)}
        elif self._is(node, (), (F.pad,)):
            value = node.args[3] if len(node.args) > 3 else node.kwargs.get("value")
            own = {float(value) if isinstance(value, int | float) else 0.0}
        return own.union(*(self._borders(user) for user in node.users))

    def _pads(self, node: fx.Node) -> bool:
        """Whether a convolution puts zeros around its input."""
        if node.op == "call_module":
            padding: Any = getattr(self.modules[str(node.target)], "padding", 0)
        elif node.target in CONV_CALLS:
            padding = node.args[4] if len(node.args) > 4 else node.kwargs.get("padding", 0)
        else:
            return False
        if isinstance(padding, str):
            return padding == "same"
        return any(padding) if isinstance(padding, list | tuple) else bool(padding)

    def _layer(self, node: fx.Node) -> bool:
        return self._is(node, LAYERS, (*CONV_CALLS, F.linear))

    def _moves(self, node: fx.Node) -> bool:
        return self._is(node, MOVE_MODULES, MOVE_CALLS)

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
