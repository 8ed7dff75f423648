"""Squeeze-and-excite blocks: integer graphs, for what is behind the importer, and one network."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from qcompiler.ir import integer
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.types import IntType

CODES = IntType(0, 15)


@dataclass
class Builder:
    """Adds layers with random weights of ``bits`` bits behind ``value``."""

    seed: int = 0
    bits: int = 3
    graph: Graph = field(default_factory=lambda: Graph("integer"))

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def source(self, *shape: int) -> Value:
        return self.graph.add("x", integer.Input(shape, CODES, 1.0))

    def finish(self, value: Value) -> Graph:
        self.graph.add("y", integer.Output(self.graph.type(value).shape, 1.0), [value])
        return self.graph

    def steps(self, value: Value, out: IntType = CODES) -> Value:
        """Thresholds of each channel's own, over most of the range."""
        kind = self.graph.type(value)
        ends = kind.integers.lo * 0.7, kind.integers.hi * 0.7
        size = kind.shape[0], out.hi - out.lo
        thresholds = np.sort(self.rng.uniform(*ends, size).astype(np.int64), axis=1)
        table = np.tile(np.arange(out.lo, out.hi + 1), (kind.shape[0], 1))
        return self._add(f"{value.node}_q", integer.StepTable(thresholds, table, out), value)

    def scale(self, value: Value, out: IntType = CODES) -> Value:
        """The range to that of the codes, clamped at 0 if they are unsigned."""
        kind, n = self.graph.type(value), 12
        reach = max(abs(kind.integers.lo), kind.integers.hi)
        m = self.rng.integers(1, 3, kind.shape[0]) * (out.hi << n) // reach + 1
        op = integer.ScaleShift(m, np.full_like(m, 1 << n - 1), n, out, out)
        return self._add(f"{value.node}_q", op, value)

    def conv(
        self, value: Value, name: str, out: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> Value:
        """Convolution with a border that keeps the size (divided by the stride), and steps."""
        top = 2 ** (self.bits - 1) - 1
        channels = self.graph.type(value).shape[0] // groups
        weight = self.rng.integers(-top, top + 1, (out, channels, kernel, kernel))
        op = integer.Conv(weight, (stride, stride), (kernel // 2,) * 4, groups=groups)
        return self.steps(self._add(name, op, value))

    def squeeze_excite(
        self, value: Value, name: str, hidden: int, zeros: tuple[int, int] = (0, 0)
    ) -> Value:
        """The block: pool, two dense layers, h-sigmoid as a table, product, requantizer."""
        channels, *size = self.graph.type(value).shape
        kernel = size[0], size[1]
        pool = self.scale(self._add(f"{name}_pool", integer.SumPool(kernel, kernel), value))
        reduced = self.conv(pool, f"{name}_reduce", hidden)
        expanded = self.conv(reduced, f"{name}_expand", channels)
        sigmoid = np.clip(np.arange(16) * 5 - 16, 0, 63)  # 0 below, 1 above, a slope between
        gate = self._add(f"{name}_gate", integer.Lookup(sigmoid, IntType(0, 63)), expanded)
        product = self.graph.add(f"{name}_product", integer.Multiply(*zeros), [value, gate])
        return self.scale(product)

    def add(self, a: Value, b: Value, name: str) -> Value:
        return self.scale(self.graph.add(name, integer.Add(1, 1), [a, b]))

    def _add(self, name: str, op: integer.IntegerOp, value: Value) -> Value:
        return self.graph.add(name, op, [value])


def block(size: int = 8, channels: int = 6, **settings: int) -> Graph:
    """A convolution, one squeeze-and-excite block, and a convolution."""
    build = Builder(**settings)
    value = build.conv(build.source(2, size, size), "stem", channels, 3)
    value = build.squeeze_excite(value, "se", 2)
    return build.finish(build.conv(value, "head", 4))


def bottlenecks(**settings: int) -> Graph:
    """Inverted residuals as in MobileNet-v3, 8x8 then 4x4: depthwise, gated, projected, added."""
    build = Builder(**settings)
    value = build.conv(build.source(3, 8, 8), "stem", 4, 3)
    for k, (out, stride) in enumerate([(4, 1), (6, 2), (6, 1)]):
        skip, wide = value, 2 * build.graph.type(value).shape[0]
        value = build.conv(value, f"b{k}_expand", wide)
        value = build.conv(value, f"b{k}_depthwise", wide, 3, stride=stride, groups=wide)
        value = build.squeeze_excite(value, f"b{k}_se", 4, zeros=(k, -k))
        value = build.conv(value, f"b{k}_project", out)
        if stride == 1:
            value = build.add(skip, value, f"b{k}_sum")
    pool = integer.SumPool((4, 4), (4, 4))
    value = build.scale(build.graph.add("pool", pool, [value]))
    return build.finish(build.conv(value, "classes", 5))


def slow_gate(**settings: int) -> Graph:
    """Dense layers that take as long as the rest: 24 channels of 4x4 pixels."""
    build = Builder(**settings)
    value = build.conv(build.source(6, 4, 4), "stem", 24)
    value = build.squeeze_excite(value, "se", 12)
    return build.finish(build.conv(value, "head", 4))


class Excited(nn.Module):
    """A gated depthwise convolution inside a residual, as in MobileNet-v3: 2x8x8 to 3."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.expand = nn.Conv2d(4, 8, 1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 1)
        )
        self.project = nn.Conv2d(8, 4, 1)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        y = nn.functional.hardswish(self.expand(x))
        y = nn.functional.hardswish(self.depthwise(y))
        y = y * nn.functional.hardsigmoid(self.squeeze(y))
        x = x + self.project(y)
        return self.fc(x.mean((2, 3)))
