"""Random networks for fuzzing: a seed makes the same network, widths, foldings and inputs again."""

from __future__ import annotations

from typing import Any

import numpy as np

from qcompiler.ir import nn
from qcompiler.ir.graph import Graph, Value
from qcompiler.passes.remove_dead import RemoveDead
from qcompiler.quant.config import LayerBits, QuantConfig
from qcompiler.quant.observe import observer as observer


class RandomNetwork:
    """A float nn graph of 3 to 12 layers with odd sizes, strides, groups, residuals and concats.

    Args:
        seed: Of all choices.
        depthwise: Share of the convolutions of several channels that are made depthwise.
        excite: Share of the steps that a squeeze-and-excite block follows.
    """

    def __init__(self, seed: int, depthwise: float = 0.0, excite: float = 0.0) -> None:
        self.rng = np.random.default_rng(seed)
        self.coarse = np.random.default_rng([seed, 1])
        self.deep, self.depthwise = np.random.default_rng([seed, 5]), depthwise
        self.gates, self.excite = np.random.default_rng([seed, 6]), excite
        self.graph = Graph("nn")
        self.layers: list[str] = []
        self.value = self._start()
        self.relu = False  # whether the current value is known not to be negative
        for k in range(int(self.rng.integers(3, 10))):
            self._step(k)
            if self.gates.random() < self.excite:
                self._squeeze_excite(k)
        self._end()

    # ---- pieces ---------------------------------------------------------------

    def _int(self, lo: int, hi: int) -> int:
        return int(self.rng.integers(lo, hi + 1))

    def _chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def _start(self) -> Value:
        channels = int(self.rng.choice([1, 2, 3, 4, 6]))
        shape = (channels, self._int(4, 11), self._int(4, 11))
        return self.graph.add("x", nn.Input(shape))

    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.graph.type(self.value).shape
        return shape

    def _add(self, stem: str, op: Any, inputs: list[Value] | None = None) -> Value:
        name = self.graph.fresh(stem)
        self.value = self.graph.add(name, op, [self.value] if inputs is None else inputs)
        return self.value

    def _conv(self, stem: str, out: int | None = None, same: bool = False) -> None:
        c, h, w = self.shape
        kernel = (min(self._int(1, 3), h), min(self._int(1, 3), w))
        stride, dilation, groups = (1, 1), (1, 1), 1
        padding = (0, 0, 0, 0)
        if same:
            kernel = (3, 3) if self._chance(0.7) else (1, 1)
            padding = (1, 1, 1, 1) if kernel == (3, 3) else padding
        else:
            if self._chance(0.4):
                padding = tuple(self._int(0, 1) for _ in range(4))  # type: ignore[assignment]
            if self._chance(0.3):
                stride = (self._int(1, 3), self._int(1, 2))
            if self._chance(0.15) and kernel[0] == 3 and h >= 6:
                dilation = (2, 1)
        if out is None:
            out = int(self.rng.choice([1, 2, 3, 4, 5, 6, 8, 10, 12]))
            divisors = [g for g in range(2, c + 1) if c % g == 0]
            if divisors and self._chance(0.25):
                groups = int(self.rng.choice(divisors))
                out = groups * self._int(1, 2)
            if self.deep.random() < self.depthwise:
                groups = out = c
        weight = self.rng.normal(0, 1, (out, c // groups, *kernel)).astype(np.float32)
        if self._chance(0.1):
            weight[self._int(0, out - 1)] = 0  # a dead channel
        if self._chance(0.03):
            weight[:] = 0  # a dead layer
        if self.coarse.random() < 0.5:  # later channels of few values take few bit planes
            few = weight[int(self.coarse.integers(out + 1)) :]
            few[:] = few > 0 if self.coarse.random() < 0.5 else np.sign(few)
        bias = self.rng.normal(0, 0.5, out) if self._chance(0.5) else None
        self._add(stem, nn.Conv(weight, bias, stride, padding, dilation, groups))
        self.layers.append(self.value.node)
        if self._chance(0.5):
            scale = self.rng.normal(0.5, 0.3, out)
            self._add(f"{stem}_bn", nn.BatchNorm(scale, self.rng.normal(0, 0.5, out)))

    def _activate(self, stem: str) -> None:
        kind = self.rng.random()
        if kind < 0.65:
            self._add(f"{stem}_relu", nn.Relu())
        elif kind < 0.8:
            self._add(f"{stem}_clip", nn.Clip(0.0, 6.0))

    def _residual(self, k: int) -> None:
        skip = self.value
        c, h, w = self.shape
        self._conv(f"res{k}_a", c, same=True)
        self._activate(f"res{k}_a")
        if self._chance(0.5):
            self._conv(f"res{k}_b", c, same=True)
        other = self.value
        if self._chance(0.3):
            self.value = skip
            self._conv(f"res{k}_p", c, same=True)
            skip = self.value
        if self._chance(0.2) and c > 1 and skip.node != other.node:
            # an option-A shortcut on both branches: same shapes either way
            cut = nn.Slice(0, 2, (h + 1) // 2, 0, 2, (w + 1) // 2)
            pads = ((1, 2), (0, 0), (0, 0))
            skip = self._add(f"res{k}_pad", nn.Pad(pads), [self._add(f"res{k}_cut", cut, [skip])])
            cut = nn.Slice(0, 2, (h + 1) // 2, 0, 2, (w + 1) // 2)
            other = self._add(f"res{k}_pad", nn.Pad(pads), [self._add(f"res{k}_cut", cut, [other])])
        if self._chance(0.1):
            skip = other  # a tensor added to itself
        pair = [skip, other] if self._chance(0.5) else [other, skip]
        self._add(f"add{k}", nn.Add(), pair)

    def _squeeze_excite(self, k: int) -> None:
        x, (c, h, w) = self.value, self.shape
        self._add(f"se{k}_pool", nn.AvgPool((h, w), (h, w)))
        for stem, out in (("reduce", int(self.gates.integers(1, 6))), ("expand", c)):
            weight = self.gates.normal(0, 2, (out, self.shape[0], 1, 1)).astype(np.float32)
            self._add(f"se{k}_{stem}", nn.Conv(weight, self.gates.normal(0, 1, out)))
            self.layers.append(self.value.node)
            if stem == "reduce":
                self._add(f"se{k}_relu", nn.Relu())
        gate = self._add(f"se{k}_gate", nn.HardSigmoid())
        self._add(f"se{k}", nn.Mul(), [x, gate])

    def _concat(self, k: int) -> None:
        trunk = self.value
        parts = []
        for j in range(self._int(2, 3)):
            self.value = trunk
            if j or self._chance(0.5):
                self._conv(f"cat{k}_{j}", self._int(1, 4), same=True)
                self._activate(f"cat{k}_{j}")
            parts.append(self.value)
        self._add(f"cat{k}", nn.Concat(), parts)

    def _step(self, k: int) -> None:
        c, h, w = self.shape
        if self._chance(0.15):  # behind a pool, an activation or the input: nothing to fold into
            scale, shift = self.rng.normal(0, 1, c), self.rng.normal(0, 0.5, c)
            self._add(f"norm{k}", nn.BatchNorm(scale, shift))
            self._activate(f"norm{k}")
        kind = self.rng.random()
        if kind < 0.5:
            self._conv(f"conv{k}")
            self._activate(f"conv{k}")
        elif kind < 0.68:
            self._residual(k)
            self._activate(f"add{k}")
        elif kind < 0.76:
            self._concat(k)
        elif kind < 0.88 and min(h, w) >= 3:
            padding = (1, 1, 1, 1) if self._chance(0.3) else (0, 0, 0, 0)
            kernel = (self._int(2, 3), self._int(2, 3))
            self._add(f"max{k}", nn.MaxPool(kernel, (self._int(1, 2), 2), padding))
        elif kind < 0.95 and min(h, w) >= 3:
            padding = (1, 0, 1, 1) if self._chance(0.3) else (0, 0, 0, 0)
            self._add(f"avg{k}", nn.AvgPool((2, 2), (self._int(1, 2), self._int(1, 2)), padding))
        else:
            pads = ((self._int(0, 2), self._int(0, 2)), (self._int(0, 1), 0), (0, self._int(0, 2)))
            self._add(f"pad{k}", nn.Pad(pads))

    def _end(self) -> None:
        _, h, w = self.shape
        ending = self.rng.random()
        if ending < 0.35:
            self._add("gap", nn.AvgPool((h, w), (h, w)))
        if ending < 0.8:
            self._add("flat", nn.Flatten())
            features = self.shape[0]
            for k in range(self._int(1, 2)):
                out = self._int(1, 10)
                weight = self.rng.normal(0, 1, (out, features)).astype(np.float32)
                self._add(f"fc{k}", nn.Linear(weight, self.rng.normal(0, 0.5, out)))
                self.layers.append(self.value.node)
                features = out
                if k == 0 and self._chance(0.5):
                    self._add("fc_relu", nn.Relu())
        self._add("result", nn.Output())

    # ---- settings ---------------------------------------------------------------

    def config(self) -> QuantConfig:
        """Widths of 1 to 8 bits by layer; activations from 2: one signed bit has no zero."""
        layers = {
            name: LayerBits(self._int(1, 8), self._int(2, 8))
            for name in self.layers
            if self._chance(0.7)
        }
        live = RemoveDead().run(self.graph.copy())  # a layer whose result is unused has no width
        layers = {name: bits for name, bits in layers.items() if name in live}
        return QuantConfig(
            weights=self._int(1, 8),
            activations=self._int(2, 8),
            input_bits=self._int(2, 8),
            output_bits=self._int(4, 16),
            residual_bits=self._int(2, 8),
            method=str(self.rng.choice(["max-abs", "percentile"])),
            layers=layers,
        )

    def samples(self, count: int) -> np.ndarray[Any, Any]:
        """Random inputs (N, C, H, W) float32, sometimes without a negative one."""
        shape = self.graph.op("x").shape
        x = self.rng.normal(0, 1, (count, *shape)).astype(np.float32)
        return np.abs(x) if self._chance(0.3) else x
