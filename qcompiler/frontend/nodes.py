"""Facts about one node of an fx graph: what it is and where the user wrote it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import OpOverload

_TORCH = str(Path(torch.__file__).parent)


def module_of(node: fx.Node) -> tuple[str, str]:
    """Module path and class name that a node was traced in; both may be empty."""
    stack = node.meta.get("nn_module_stack") or {}
    for path, kind in reversed(list(stack.values())):
        if not path.startswith("_empty_nn_module_stack"):
            return path, kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__name__}"
    return "", ""


def source_line(node: fx.Node) -> str:
    """``file:line`` of the innermost frame outside torch, empty where there is none."""
    frames = re.findall(r'File "([^"]+)", line (\d+)', node.meta.get("stack_trace") or "")
    own = [
        f"{file}:{line}"
        for file, line in frames
        if not file.startswith((_TORCH, "torch/", "<")) and "/site-packages/torch/" not in file
    ]
    return own[-1] if own else ""


def place(node: fx.Node) -> str:
    """Where a node stands in the user's model: ``layer1.0 (Block), net.py:12``."""
    path, kind = module_of(node)
    name = kind.rsplit(".", 1)[-1]
    module = f"{path} ({name})" if path else name
    return ", ".join(part for part in (module, source_line(node)) if part) or node.name


def map_nodes(item: Any, held: Callable[[fx.Node], Any]) -> Any:
    if isinstance(item, fx.Node):
        return held(item)
    if isinstance(item, list | tuple):
        return [map_nodes(part, held) for part in item]
    return item


def has_tensor(node: fx.Node) -> bool:
    fake = node.meta.get("val")
    parts: Iterable[Any] = fake if isinstance(fake, list | tuple) else [fake]
    return any(isinstance(part, Tensor) for part in parts)


def is_size(node: fx.Node) -> bool:
    return str(node.target).startswith("aten.sym_")


def is_impure(target: OpOverload) -> bool:
    return target._schema.is_mutable or torch.Tag.nondeterministic_seeded in target.tags


def trains(node: fx.Node) -> bool:
    """Whether a call that cannot be converted says that it trains."""
    assert isinstance(node.target, OpOverload)
    for i, arg in enumerate(node.target._schema.arguments):
        if arg.name in ("training", "train"):
            given = node.args[i] if i < len(node.args) else node.kwargs.get(arg.name)
            return given is True
    return False
