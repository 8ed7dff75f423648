"""What the MobileNets share: widths, strides, padding, the usual layer, squeeze-and-excite."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.models.weights import load_weights

HSWISH_MINIMUM = -3 / 8  # of x * relu6(x + 3) / 6, at x = -3/2
STEMS = {"imagenet": 0, "cifar-fast": 1, "cifar": 2}  # halvings left out

Model = TypeVar("Model", bound=nn.Module)


def make_divisible(value: float, divisor: int = 8) -> int:
    """The multiple of ``divisor`` nearest to ``value``, at least ``divisor`` and 0.9 ``value``."""
    nearest = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return nearest if nearest >= 0.9 * value else nearest + divisor


def check_options(classes: int, width: float, stem: str) -> None:
    """Refuse what no network can be made of."""
    if classes < 1:
        raise QCompilerError(f"{classes} was given, 1 or more was expected", where="classes")
    if not (width > 0 and math.isfinite(width)):
        raise QCompilerError(
            f"{width} was given, a finite number above 0 was expected", where="width"
        )
    if stem not in STEMS:
        raise QCompilerError(f"{stem!r} is none of {', '.join(STEMS)}", where="stem")


def stem_strides(stem: str, strides: Sequence[int]) -> list[int]:
    """The strides from stem to last stage; a "cifar" form makes 1 of the first that are 2."""
    out, left = [], STEMS[stem]
    for stride in strides:
        less = left > 0 and stride == 2
        out.append(1 if less else stride)
        left -= less
    return out


class NegativePad2d(nn.Module):
    """(N, C, H, W) to (N, C, H + 2p, W + 2p) with h-swish's minimum, -3/8, around it.

    PROFIT's "negative padding" (arXiv 2008.04693): h-swish outputs fit an unsigned quantizer
    once 3/8 is added to them; this border then is 0 there, as hardware pads, and one of 0 is not.
    """

    def __init__(self, padding: int) -> None:
        super().__init__()
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, (self.padding,) * 4, value=HSWISH_MINIMUM)

    def extra_repr(self) -> str:
        return f"{self.padding}, value={HSWISH_MINIMUM}"


class ConvBNActivation(nn.Sequential):
    """Convolution "0", batch norm "1", activation "2": (N, inputs, H, W) to (N, outputs, ...).

    Args:
        pad: A module that pads instead of the convolution, which by itself adds kernel // 2
            zeros on each side. It is called "pad", so that the other names stay.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        *,
        groups: int = 1,
        bias: bool = False,
        activation: type[nn.Module] | None = nn.ReLU,
        eps: float = 1e-5,
        momentum: float = 0.1,
        pad: nn.Module | None = None,
    ) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if pad is not None:
            parts["pad"] = pad
        around = kernel // 2 if pad is None else 0
        parts["0"] = nn.Conv2d(inputs, outputs, kernel, stride, around, groups=groups, bias=bias)
        parts["1"] = nn.BatchNorm2d(outputs, eps, momentum)
        if activation is not None:
            parts["2"] = activation()
        super().__init__(parts)


class SqueezeExcite(nn.Module):
    """Scale each channel by what two layers make of all channels' means: (N, C, H, W) to same."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.activation = nn.ReLU()
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.scale_activation = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        scale = self.activation(self.fc1(self.avgpool(x)))
        scale = self.scale_activation(self.fc2(scale))
        scaled: Tensor = scale * x
        return scaled


def initialize(model: nn.Module) -> None:
    """Kaiming's normal weights for convolutions, small ones for linear layers, biases 0."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


def load_mobilenet(path: str | Path, model: Model) -> Model:
    """The model, filled from an npz or ``torch.save`` state dict, in eval mode.

    The file may lack ``num_batches_tracked``. torchvision's v2 and v3 weights fit the
    "imagenet" forms of width 1. Raises QCompilerError if the arrays are not the model's.
    """
    load_weights(model, Path(path))
    return model.eval()
