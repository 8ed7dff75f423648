"""MobileNetV2 (arXiv 1801.04381), with the names of torchvision's state dict."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.models.mobilenet_parts import (
    ConvBNActivation,
    check_options,
    initialize,
    make_divisible,
    stem_strides,
)

# expansion, channels, blocks, stride of the first block
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """1x1 to ``expansion`` times the channels, 3x3 depthwise, linear 1x1 to ``outputs``.

    (N, inputs, H, W) to (N, outputs, H / stride, W / stride). The input is added where it has
    the output's shape. With ``expansion`` 1 the first convolution is left out.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(ConvBNActivation(inputs, wide, 1, activation=nn.ReLU6))
        layers += [
            ConvBNActivation(wide, wide, 3, stride, groups=wide, activation=nn.ReLU6),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.shortcut else y


class MobileNetV2(nn.Module):
    """(N, 3, H, W) to (N, classes) logits; make it with ``mobilenet_v2``."""

    def __init__(self, classes: int, width: float, stem: str) -> None:
        super().__init__()
        check_options(classes, width, stem)
        first, *strides = stem_strides(stem, [2, *(stride for *_, stride in STAGES)])
        inputs = make_divisible(32 * width)
        features: list[nn.Module] = [ConvBNActivation(3, inputs, 3, first, activation=nn.ReLU6)]
        for (expansion, channels, blocks, _), stride in zip(STAGES, strides, strict=True):
            outputs = make_divisible(channels * width)
            for block in range(blocks):
                features.append(
                    InvertedResidual(inputs, outputs, 1 if block else stride, expansion)
                )
                inputs = outputs
        # narrow networks keep the full last layer
        last = make_divisible(1280 * max(1.0, width))
        features.append(ConvBNActivation(inputs, last, 1, activation=nn.ReLU6))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes))
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(self.features(x), 1).flatten(1)
        logits: Tensor = self.classifier(x)
        return logits


def mobilenet_v2(classes: int = 1000, width: float = 1.0, stem: str = "imagenet") -> MobileNetV2:
    """MobileNetV2 with random weights.

    Args:
        width: Factor of all channels but the classifier's 1,280, which only grow; the products
            are rounded to multiples of 8.
        stem: "imagenet" divides the sides by 32 (224x224 ends at 7x7). "cifar" divides them by
            8 (32x32 ends at 4x4): the stem and the stage of 24 channels have stride 1.
            "cifar-fast" by 16: the stem has stride 1.
    """
    return MobileNetV2(classes, width, stem)
