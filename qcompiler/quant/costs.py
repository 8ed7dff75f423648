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
from typing import Any

import numpy as np

from qcompiler.estimate.array import array_lut
from qcompiler.ir import hardware as hw
from qcompiler.ir.types import IntType

Array = np.ndarray[Any, Any]

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


def cost(layer: LayerWork, live: int, kind: str, family: str = "ecp5") -> float:
    """Cost of a layer with ``live`` magnitude planes."""
    if kind == "size":
        return float(layer.weights * live)
    if kind == "stored":
        return float(layer.weights * (live + 1))
    if kind == "planes":
        return float(live)
    if kind == "cycles":
        return float(_array(layer, live + 1).rate)
    beats = layer.weights / layer.shape[1] * layer.pixels[0] * layer.pixels[1]
    return beats * array_lut(1, layer.shape[1], live + 1, ACTIVATION, SUM, family)


def _array(layer: LayerWork, planes: int) -> hw.BitSerialArray:
    shape = (*layer.shape, *(1,) * (4 - len(layer.shape)))
    signs, exps = (-1, *(1,) * (planes - 1)), tuple(range(planes))[::-1]
    out_shape = (shape[0], *layer.pixels)
    weight = np.broadcast_to(np.int64(0), shape)
    acc = IntType(-(2 ** (SUM - 1)), 2 ** (SUM - 1) - 1)
    return hw.BitSerialArray("", weight, signs, exps, out_shape, acc, layer.groups)


class CostTable:
    """Costs of a network's layers under one measure.

    Args:
        layers: In any order that callers keep to.
        kind: One of KINDS.
    """

    def __init__(self, layers: Sequence[LayerWork], kind: str) -> None:
        self.layers, self.kind = list(layers), kind
        self.table = np.array([[cost(layer, k, kind) for k in range(MOST + 1)] for layer in layers])
        self.uniform = self.table.sum(axis=0)

    def equivalent(self, live: Sequence[float]) -> float:
        """Planes that every layer could have for the cost of these: the network's average."""
        low = np.minimum(np.floor(live).astype(int), MOST - 1)
        rows, rest = np.arange(len(low)), np.asarray(live) - low
        ends = self.table[rows, low], self.table[rows, low + 1]
        total = float((ends[0] + rest * (ends[1] - ends[0])).sum())
        return float(np.interp(total, self.uniform, range(MOST + 1)))

    @property
    def shares(self) -> Array:
        """What a plane of each layer costs on average, as shares of 1."""
        steps: Array = self.table[:, -1] - self.table[:, 0]
        return np.asarray(steps / steps.sum())
