"""What the layers of a torch model have to do, seen in one forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from qcompiler.quant.costs import LayerWork
from qcompiler.quant.qat.weights import LAYERS


@contextmanager
def evaluated(model: nn.Module) -> Iterator[None]:
    """Eval mode for a while; each module gets its own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def layer_works(model: nn.Module, sample: Tensor) -> list[LayerWork]:
    """Work of every Conv2d and Linear, in the model's order.

    Args:
        sample: Inputs (N, …); a batch norm in training mode is not disturbed.
    """
    pixels: dict[str, tuple[int, int]] = {}
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, LAYERS):

            def seen(_: nn.Module, __: Any, output: Tensor, name: str = name) -> None:
                height, width = output.shape[2:] if output.dim() == 4 else (1, 1)
                pixels[name] = (int(height), int(width))

            hooks.append(module.register_forward_hook(seen))
    try:
        with evaluated(model), torch.no_grad():
            model(sample[:2])
    finally:
        for hook in hooks:
            hook.remove()
    return [
        LayerWork(n, tuple(m.weight.shape), pixels.get(n, (1, 1)), int(getattr(m, "groups", 1)))
        for n, m in model.named_modules()
        if isinstance(m, LAYERS)
    ]
