"""Whole networks that no cost model is fitted on; random weights, so that no data is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from qcompiler.models.digits import DigitsNet
from qcompiler.models.mobilenet_v1 import mobilenet_v1
from qcompiler.models.mobilenet_v3 import mobilenet_v3_small
from qcompiler.models.resnet8 import ResNet8
from qcompiler.quant.config import QuantConfig
from qcompiler.verbs.compile import Compiled, Target, compile
from qcompiler.verbs.quantize import quantize


@dataclass(frozen=True)
class Network:
    """How to make a network, its bits, and what it is compiled for."""

    name: str
    model: Callable[[], nn.Module]
    shape: tuple[int, ...]
    config: QuantConfig
    fps: float
    engines: dict[str, str]


def mlp() -> nn.Module:
    """64-48-24-10."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU(), nn.Linear(24, 10)
    )


def plain() -> nn.Module:
    """Three convolutions and two pools on 16x16."""
    return nn.Sequential(
        nn.Conv2d(3, 12, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(24, 20, 3), nn.ReLU(), nn.Flatten(), nn.Linear(80, 7),
    )  # fmt: skip


NETWORKS = (
    Network("mlp_w6a6", mlp, (64,), QuantConfig(6, 6), 20_000, {"default": "bitserial"}),
    Network("digits_w5a5", DigitsNet, (1, 8, 8), QuantConfig(5, 5), 15_000, {}),
    Network("plain_w3a4", plain, (3, 16, 16), QuantConfig(3, 4), 3_000, {}),
    Network("resnet8_w6a5", ResNet8, (3, 32, 32), QuantConfig(6, 5), 300, {}),
    Network("mobilenet_v1_w4a4", lambda: mobilenet_v1(10, 0.25, "cifar"), (3, 32, 32),
            QuantConfig(4, 4), 600, {}),
    Network("plain_w7a7_multipliers", plain, (3, 16, 16), QuantConfig(7, 7), 4_000,
            {"default": "direct"}),
    Network("mobilenet_v3_w4a5", lambda: mobilenet_v3_small(10, 0.35, "cifar"), (3, 32, 32),
            QuantConfig(4, 5), 500, {}),
)  # fmt: skip


def built(network: Network, device: str, folder: Path) -> tuple[Compiled, Any]:
    """The build of a network in a folder, and inputs for it."""
    torch.manual_seed(len(network.name))
    model = network.model().eval()
    x = np.random.default_rng(1).normal(0, 1, (16, *network.shape)).astype(np.float32)
    graph = quantize(model, x, network.config).graph
    target = Target(device, fps=network.fps, engines=network.engines, oversize=True)
    return compile(graph, target, out=folder), x
