"""The training loop that tests of methods share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.quant.qat.method import Method


def fit(
    method: Method, model: nn.Module, batches: Sequence[tuple[Tensor, Tensor]], lr: float
) -> float:
    """SGD with momentum over the batches, the rate falling to 0; the last loss."""
    groups = method.parameter_groups(model, 0.0)
    for group in groups:
        group["lr"] = lr * group.pop("lr_scale", 1.0)
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
    for step, (x, labels) in enumerate(batches):
        method.begin_step(model, step / len(batches))
        loss = F.cross_entropy(model(x), labels)
        penalty = method.penalty(model)
        optimizer.zero_grad()
        (loss if penalty is None else loss + penalty).backward()
        optimizer.step()
        schedule.step()
    method.end_epoch(model, 1.0)
    return float(loss.detach())
