"""SGD with momentum, a linear warm-up and a cosine."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from qcompiler.errors import QCompilerError
from qcompiler.quant.qat.method import Method, Staged
from qcompiler.train.config import TrainConfig


def make_optimizer(method: Method, model: nn.Module, config: TrainConfig) -> torch.optim.SGD:
    """SGD over the method's groups; a group's ``lr_scale`` stays in it."""
    groups: list[dict[str, Any]] = [
        {"lr_scale": 1.0, **group, "params": list(group["params"])}
        for group in method.parameter_groups(model, config.weight_decay)
    ]
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise QCompilerError("has no parameter to train", where="model")
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)


def rate(config: TrainConfig, step: int, steps: int, method: Method | None = None) -> float:
    """Learning rate of a step: the method's own, or a warm-up and a cosine.

    Args:
        step: From 0, of the whole training.
        steps: Of an epoch.
    """
    staged: object = method
    if isinstance(staged, Staged):
        return config.lr * staged.rate(step / (config.epochs * steps))
    warmup = min(1.0, config.epochs / 2) if config.warmup is None else config.warmup
    warm, total = round(warmup * steps), config.epochs * steps
    if step < warm:
        return config.lr * (step + 1) / warm
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(total - warm, 1)))


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"]


def begins_stage(method: object, step: int, steps: int) -> bool:
    """Whether momentum starts anew.

    Args:
        step: From 0, of ``steps``, both of the whole training.
    """
    if not isinstance(method, Staged) or step == 0:
        return False
    return method.phase(step / steps) != method.phase((step - 1) / steps)
