"""MobileNetV3, small and large (arXiv 1905.02244), with the names of torchvision's state dicts."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.models.mobilenet_parts import (
    ConvBNActivation,
    NegativePad2d,
    SqueezeExcite,
    check_options,
    initialize,
    make_divisible,
    stem_strides,
)

EPS, MOMENTUM = 1e-3, 0.01  # of every batch norm
RE, HS = nn.ReLU, nn.Hardswish


class Row(NamedTuple):
    """One block as the paper's tables have it, channels at width 1."""

    kernel: int
    expanded: int
    outputs: int
    squeeze: bool
    activation: type[nn.Module]
    stride: int


LARGE = (
    Row(3, 16, 16, False, RE, 1),
    Row(3, 64, 24, False, RE, 2),
    Row(3, 72, 24, False, RE, 1),
    Row(5, 72, 40, True, RE, 2),
    Row(5, 120, 40, True, RE, 1),
    Row(5, 120, 40, True, RE, 1),
    Row(3, 240, 80, False, HS, 2),
    Row(3, 200, 80, False, HS, 1),
    Row(3, 184, 80, False, HS, 1),
    Row(3, 184, 80, False, HS, 1),
    Row(3, 480, 112, True, HS, 1),
    Row(3, 672, 112, True, HS, 1),
    Row(5, 672, 160, True, HS, 2),
    Row(5, 960, 160, True, HS, 1),
    Row(5, 960, 160, True, HS, 1),
)
SMALL = (
    Row(3, 16, 16, True, RE, 2),
    Row(3, 72, 24, False, RE, 2),
    Row(3, 88, 24, False, RE, 1),
    Row(5, 96, 40, True, HS, 2),
    Row(5, 240, 40, True, HS, 1),
    Row(5, 240, 40, True, HS, 1),
    Row(5, 120, 48, True, HS, 1),
    Row(5, 144, 48, True, HS, 1),
    Row(5, 288, 96, True, HS, 2),
    Row(5, 576, 96, True, HS, 1),
    Row(5, 576, 96, True, HS, 1),
)


class InvertedResidual(nn.Module):
    """1x1 to ``expanded`` channels, depthwise, perhaps squeeze-and-excite, linear 1x1.

    (N, inputs, H, W) to (N, outputs, H / stride, W / stride). The input is added where it has
    the output's shape. Where ``expanded`` is ``inputs`` the first convolution is left out.
    As in torchvision the depthwise layer's activation comes before squeeze-and-excite.

    Args:
        negative: Pad the depthwise convolution with -3/8: its input is an h-swish output.
    """

    def __init__(
        self, inputs: int, expanded: int, outputs: int, row: Row, stride: int, negative: bool
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if expanded != inputs:
            layers.append(_layer(inputs, expanded, 1, row.activation))
        layers.append(
            _layer(
                expanded, expanded, row.kernel, row.activation, stride, expanded, negative=negative
            )
        )
        if row.squeeze:
            layers.append(SqueezeExcite(expanded, make_divisible(expanded // 4)))
        layers.append(_layer(expanded, outputs, 1, None))
        self.block = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return x + y if self.shortcut else y


def _layer(
    inputs: int,
    outputs: int,
    kernel: int,
    activation: type[nn.Module] | None,
    stride: int = 1,
    groups: int = 1,
    *,
    negative: bool = False,
) -> ConvBNActivation:
    return ConvBNActivation(
        inputs,
        outputs,
        kernel,
        stride,
        groups=groups,
        activation=activation,
        eps=EPS,
        momentum=MOMENTUM,
        pad=NegativePad2d(kernel // 2) if negative else None,
    )


class MobileNetV3(nn.Module):
    """(N, 3, H, W) to (N, classes) logits; make it with ``mobilenet_v3_small`` or ``_large``."""

    def __init__(
        self,
        rows: tuple[Row, ...],
        hidden: int,
        classes: int,
        width: float,
        stem: str,
        negative_padding: bool,
    ) -> None:
        super().__init__()
        check_options(classes, width, stem)
        first, *strides = stem_strides(stem, [2, *(row.stride for row in rows)])
        inputs = make_divisible(16 * width)
        features: list[nn.Module] = [_layer(3, inputs, 3, HS, first)]
        before: type[nn.Module] | None = HS  # the activation before a depthwise convolution
        for row, stride in zip(rows, strides, strict=True):
            expanded = make_divisible(row.expanded * width)
            outputs = make_divisible(row.outputs * width)
            if expanded != inputs:
                before = row.activation
            negative = negative_padding and before is HS
            features.append(InvertedResidual(inputs, expanded, outputs, row, stride, negative))
            inputs, before = outputs, None
        features.append(_layer(inputs, 6 * inputs, 1, HS))
        self.features = nn.Sequential(*features)
        hidden = make_divisible(hidden * width)
        self.classifier = nn.Sequential(
            nn.Linear(6 * inputs, hidden), HS(), nn.Dropout(0.2), nn.Linear(hidden, classes)
        )
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(self.features(x), 1).flatten(1)
        logits: Tensor = self.classifier(x)
        return logits


def mobilenet_v3_large(
    classes: int = 1000,
    width: float = 1.0,
    stem: str = "imagenet",
    negative_padding: bool = False,
) -> MobileNetV3:
    """MobileNetV3-large with random weights.

    Args:
        width: Factor of all channels, the classifier's included; the products are rounded to
            multiples of 8.
        stem: "imagenet" divides the sides by 32 (224x224 ends at 7x7). "cifar" divides them by
            8 (32x32 ends at 4x4): the stem and the second block, which else halves the sides
            first, have stride 1. "cifar-fast" by 16: the stem has stride 1.
        negative_padding: Depthwise convolutions of an h-swish output, the first block's
            included, pad with its minimum, -3/8, in place of 0. Names and shapes stay.
    """
    return MobileNetV3(LARGE, 1280, classes, width, stem, negative_padding)


def mobilenet_v3_small(
    classes: int = 1000,
    width: float = 1.0,
    stem: str = "imagenet",
    negative_padding: bool = False,
) -> MobileNetV3:
    """MobileNetV3-small with random weights; ``mobilenet_v3_large`` says what the options are.

    The block that has stride 1 in the "cifar" form is the first, which then has a shortcut.
    """
    return MobileNetV3(SMALL, 1024, classes, width, stem, negative_padding)
