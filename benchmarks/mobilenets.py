"""The MobileNets of the PROFIT benchmark, as ``--model mobilenets:NAME`` takes them."""

from __future__ import annotations

from torch import nn

from qcompiler.models.mobilenet_v2 import mobilenet_v2
from qcompiler.models.mobilenet_v3 import mobilenet_v3_small

WIDTH, STEM = 0.5, "cifar-fast"


def v2() -> nn.Module:
    """MobileNet-v2 of half the width for 32x32."""
    return mobilenet_v2(10, WIDTH, STEM)


def v3() -> nn.Module:
    """MobileNet-v3-small of half the width for 32x32, with negative padding."""
    return mobilenet_v3_small(10, WIDTH, STEM, negative_padding=True)


def v3_zeros() -> nn.Module:
    """The same, padded with zeros."""
    return mobilenet_v3_small(10, WIDTH, STEM)
