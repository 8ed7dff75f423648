"""What bits of weights cost, for every search that has a budget.

A layer with k live magnitude planes (sign not counted: the "bits" of CSQ and BSQ) has k + 1 bits in
two's complement, and costs:

- ``size``: k for each weight, the papers' measure;
- ``stored``: k + 1 for each weight, what memories hold;
- ``cycles``: those of the generated bit-serial array without parallelism;
- ``lut``: logic of the array that does the layer in a given time, by the estimator;
- ``planes``: k, every layer alike, as CSQ's released code counts.

Budgets are in bits: a network is within b if it costs no more than with b in every layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qcompiler.estimate.array import array_lut
from qcompiler.ir import hardware as hw
from qcompiler.ir.types import IntType

KINDS = ("size", "stored", "cycles", "lut", "planes")
MOST = 9  # planes that tables go to
ACTIVATION, SUM = 8, 24  # bits, for logic before widths are known


@dataclass(frozen=True)
class LayerWork:
    """What a layer's cost depends on.

    Args:
        name: Layer.
        shape: Of the weight: (O, I/groups, KH, KW), or (O, I).
        pixels: Of its output.
    """

    name: str
    shape: tuple[int, ...]
    pixels: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def weights(self) -> int:
        return int(np.prod(self.shape))


def cost(layer: LayerWork, live: float, kind: str, family: str = "ecp5") -> float:
    """Cost of a layer with ``live`` magnitude planes; linear between whole numbers."""
    if live != int(live):
        low = int(live)
        ends = cost(layer, low, kind, family), cost(layer, low + 1, kind, family)
        return ends[0] + (live - low) * (ends[1] - ends[0])
    k = int(live)
    if kind == "size":
        return float(layer.weights * k)
    if kind == "stored":
        return float(layer.weights * (k + 1))
    if kind == "planes":
        return float(k)
    if kind == "cycles":
        return float(_array(layer, k + 1).rate)
    beats = layer.weights / layer.shape[1] * layer.pixels[0] * layer.pixels[1]
    return beats * array_lut(1, layer.shape[1], k + 1, ACTIVATION, SUM, family)


def _array(layer: LayerWork, planes: int) -> hw.BitSerialArray:
    shape = (*layer.shape, *(1,) * (4 - len(layer.shape)))
    signs, exps = (-1, *(1,) * (planes - 1)), tuple(range(planes))[::-1]
    out_shape = (shape[0], *layer.pixels)
    weight = np.broadcast_to(np.int64(0), shape)
    acc = IntType(-(2 ** (SUM - 1)), 2 ** (SUM - 1) - 1)
    return hw.BitSerialArray("", weight, signs, exps, out_shape, acc, layer.groups)


def uniform(layers: Sequence[LayerWork], live: float, kind: str) -> float:
    """Cost of the network with ``live`` planes in every layer."""
    return sum(cost(layer, live, kind) for layer in layers)


def equivalent(layers: Sequence[LayerWork], live: Sequence[float], kind: str) -> float:
    """Planes that every layer could have for the cost of these: the network's average."""
    total = sum(cost(layer, k, kind) for layer, k in zip(layers, live, strict=True))
    scale = [uniform(layers, k, kind) for k in range(MOST + 1)]
    return float(np.interp(total, scale, range(MOST + 1)))


def shares(layers: Sequence[LayerWork], kind: str) -> list[float]:
    """What a plane of each layer costs on average, as shares of 1."""
    steps = [cost(layer, MOST, kind) - cost(layer, 0, kind) for layer in layers]
    return [step / sum(steps) for step in steps]
