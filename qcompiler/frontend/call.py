"""What a converter sees of one torch call: its arguments by name, and how to emit nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx

from qcompiler.frontend.names import safe_name, snake
from qcompiler.frontend.nodes import module_of
from qcompiler.frontend.problems import Refusal
from qcompiler.ir import nn
from qcompiler.ir.graph import Value
from qcompiler.ir.types import Shape

if TYPE_CHECKING:
    from qcompiler.frontend.importer import Importer

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Const:
    """A parameter, a buffer, or what is computed from those alone; ``name`` is the parameter's."""

    tensor: Tensor
    name: str


@dataclass(frozen=True)
class Bound:
    """A tensor of the network: a graph value seen with torch's per-sample ``shape``.

    The two shapes differ only between reshapes, e.g. (C, 1) on the way from (C, 1, 1) to (C,).
    Tensors with one ``storage`` may share memory, which in-place calls need to know.
    """

    value: Value
    shape: Shape
    storage: int


class Call:
    """One call of an aten operator.

    Args:
        node: The traced call.
        args: Arguments by schema name, defaults filled in; tensors are Bound or Const.
    """

    def __init__(self, importer: Importer, node: fx.Node, args: dict[str, Any]) -> None:
        self.importer, self.node, self.args = importer, node, args
        self.graph = importer.graph

    @property
    def shape(self) -> Shape:
        """torch's shape of the (first) result, without the batch axis."""
        return self.importer.shape(self.node)

    def __getitem__(self, name: str) -> Any:
        return self.args[name]

    def pair(self, name: str) -> tuple[int, int]:
        """An argument of one or two integers as two."""
        items = self.args[name]
        first, *rest = [items] if isinstance(items, int) else items
        return int(first), int(rest[0] if rest else first)

    def bound(self, name: str) -> Bound:
        return self.as_bound(self.args[name])

    def as_bound(self, item: Any) -> Bound:
        if isinstance(item, Bound):
            return item
        if isinstance(item, Const):
            raise Refusal(f"takes the constant {item.name!r} where a computed tensor is expected")
        raise Refusal(f"takes {item!r} where a computed tensor is expected")

    def value(self, name: str) -> Value:
        return self.as_value(self.args[name])

    def as_value(self, item: Any) -> Value:
        """The graph value of a tensor argument, which must have a shape of the nn dialect."""
        bound = self.as_bound(item)
        if bound.shape != self.graph.type(bound.value).shape:
            raise Refusal(
                f"takes a tensor reshaped to {bound.shape} per sample",
                "per sample only (C, H, W) and (F,) exist; flatten goes from one to the other",
            )
        return bound.value

    def array(self, name: str) -> Array | None:
        """A constant argument as an array of its own, float32 or float64; None if absent."""
        item = self.args[name]
        if item is None:
            return None
        if not isinstance(item, Const):
            raise Refusal(f"has a computed {name}", "weights must be constants of the model")
        tensor = item.tensor.detach().cpu()
        if not tensor.is_floating_point():
            raise Refusal(f"has a {name} of {tensor.dtype}", "weights must be floating point")
        if tensor.dtype not in (torch.float32, torch.float64):
            tensor = tensor.float()
        return np.array(tensor.numpy(), order="C")

    def weight(self, name: str = "weight") -> Array:
        if (array := self.array(name)) is None:
            raise Refusal(f"has no {name}")
        return array

    def emit(self, op: nn.NNOp, *inputs: Value) -> Bound:
        """Add a node named after the user's module and return it as a tensor of its own memory."""
        value = self.graph.add(self.graph.fresh(self._stem(op)), op, inputs)
        return Bound(value, self.graph.type(value).shape, self.importer.new_storage())

    def _stem(self, op: nn.NNOp) -> str:
        kind = snake(type(op).__name__)
        path, module = module_of(self.node)
        if path and module.startswith("torch.nn.modules."):
            return safe_name(path, kind)
        if isinstance(weight := self.args.get("weight"), Const) and "." in weight.name:
            return safe_name(weight.name.rsplit(".", 1)[0], kind)
        return safe_name(f"{path}.{kind}" if path else kind, kind)


Converter = Callable[[Call], Bound]
TABLE: dict[str, Converter] = {}


def converts(*operators: str) -> Callable[[Converter], Converter]:
    """Enter a converter into the table under names like ``conv2d.default``."""

    def enter(converter: Converter) -> Converter:
        for operator in operators:
            TABLE[f"aten.{operator}"] = converter
        return converter

    return enter


def supported() -> str:
    """The operators that users write, without overloads and in-place marks, for error texts."""
    names = {name.split(".")[1] for name in TABLE}
    return ", ".join(sorted({n.rstrip("_") for n in names if not n.startswith(("_", "native_"))}))
