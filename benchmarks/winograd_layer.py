"""The layer of benchmarks/winograd.py: a 3x3 convolution, its engines, and codes to try it with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType
from qcompiler.ir.winograd import TILES, Tile

Array = np.ndarray[Any, Any]

CHANNELS = 64
LAYER = "conv"


@dataclass(frozen=True)
class Format:
    """Codes of the inputs, and weights in ±``top``."""

    name: str
    codes: IntType
    top: int

    def weights(self) -> Array:
        """Random, with channels at both ends: ranges and widths are the largest of the format."""
        rng = np.random.default_rng(self.top)
        w = rng.integers(-self.top, self.top + 1, (CHANNELS, CHANNELS, 3, 3))
        w[0], w[-1] = self.top, -self.top
        return w

    def results(self, w: Array) -> IntType:
        """All that a sum can be."""
        ends = w * self.codes.lo, w * self.codes.hi
        low, high = np.minimum(*ends), np.maximum(*ends)
        return IntType(int(low.sum((1, 2, 3)).min()), int(high.sum((1, 2, 3)).max()))


FORMATS = {
    "int8": Format("INT8", IntType(-127, 127), 127),
    "int7": Format("INT7", IntType(-63, 63), 63),
    "4bit": Format("4 bits", IntType(0, 15), 7),
}


@dataclass(frozen=True)
class Engine:
    """What computes the layer: ``m`` outputs a side of a Winograd tile, 0 for direct products."""

    name: str
    pe: int
    simd: int
    m: int = 0
    bitserial: bool = False
    partial_bits: int | None = None

    @property
    def multipliers(self) -> int:
        """How many there are; 0 where gated sums of bit planes take their place."""
        return 0 if self.bitserial else self.pe * self.simd

    @property
    def title(self) -> str:
        partial = f", {self.partial_bits}-bit sums" if self.partial_bits else ""
        return f"{self.name}{partial}"


def outputs(size: int) -> int:
    """Values that the layer makes of a frame."""
    return CHANNELS * size * size


def weight_rom(graph: Graph) -> tuple[int, int]:
    """Words and bits of a word of the engine's weight ROM."""
    op, x = graph.op(LAYER), graph.type("window")
    if isinstance(op, hw.BitSerialArray):
        words, bits = op.repeat * op.weight[0].size // op.simd, op.planes
    elif isinstance(op, hw.Winograd):
        plan = op.plan(x.elem)
        words, bits = plan.tile_cycles, op.product_plan(plan).weight_bits
    else:
        words, bits = op.repeat * op.beats, op.plan(x.elem).weight_bits
    return words, op.pe * op.simd * bits


def layer(form: Format, engine: Engine, size: int) -> Graph:
    """Border, line buffer and engine for a frame of ``size`` x ``size`` pixels.

    Raises:
        GraphError: The engine's multipliers or partial sums do not hold the operands.
    """
    w = form.weights()
    unit, window = _engine(form, engine, w, (CHANNELS, size, size))
    # Besides the padding of 1 the last tiles of Winograd read what they need to be whole.
    beyond = (TILES[engine.m].cover(size) if engine.m else size + 2) - size - 1
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (CHANNELS, size, size), form.codes, engine.simd))
    graph.add("border", hw.Pad("border", (1, 1, beyond, beyond), 0, lanes=engine.simd), ["x"])
    graph.add("window", window, ["border"])
    graph.add(LAYER, unit, ["window"])
    graph.add("y", hw.Sink(lanes=engine.pe), [LAYER])
    return graph


def _engine(
    form: Format, engine: Engine, w: Array, shape: tuple[int, int, int]
) -> tuple[hw.Engine, hw.Window]:
    """The engine, folded, and its line buffer: two windows' worth of rows, as the compiler does."""
    acc, unit, window = form.results(w), None, hw.Window((3, 3), rows=6)
    if engine.bitserial:
        planes = encode(w)
        unit = hw.BitSerialArray(LAYER, w, planes.signs, planes.exps, shape, acc)
    elif engine.m:
        t = TILES[engine.m].t
        unit = hw.Winograd(LAYER, w, engine.m, shape, acc, partial_bits=engine.partial_bits)
        window = hw.Window((t, t), (engine.m, engine.m), rows=2 * t)
    else:
        unit = hw.MultiplierArray(LAYER, w, shape, acc, partial_bits=engine.partial_bits)
    unit = unit.folded(engine.pe, engine.simd, unit.plane_count)
    return unit, replace(unit.fed_by(window), lanes=engine.simd)


def frames(form: Format, size: int) -> Array:
    """[frames, C, rows, columns]: random codes and all that is extreme, for sums and transforms."""
    rng, (lo, hi) = np.random.default_rng(size), (form.codes.lo, form.codes.hi)
    shape = (CHANNELS, size, size)
    w = form.weights()[CHANNELS // 2]
    reach = np.tile(w, (1, -(-size // 3), -(-size // 3)))[:, :size, :size]
    found = [
        rng.integers(lo, hi + 1, shape),
        np.full(shape, lo),
        np.full(shape, hi),
        np.where(np.indices(shape).sum(0) % 2, lo, hi),
        np.where(reach > 0, hi, lo),  # both ends of a channel's sum, in windows side by side
        np.where(reach > 0, lo, hi),
    ]
    for variant in TILES.values():
        spread = [divmod(channel % variant.t**2, variant.t) for channel in range(CHANNELS)]
        for first, places in ((0, spread), (1, spread), (0, [_widest(variant)] * CHANNELS)):
            up = _peaks(variant, size, first, places)
            found += [np.where(up, hi, lo), np.where(up, lo, hi)]
    return np.stack(found).astype(np.int64)


def _widest(variant: Tile) -> tuple[int, int]:
    """The position of a tile where the products grow most."""
    growth = np.abs(variant.data).sum(1) * np.abs(variant.kernel).sum(1)
    return int(growth.argmax()), int(growth.argmax())


def _peaks(variant: Tile, size: int, first: int, places: list[tuple[int, int]]) -> Array:
    """Where codes must be high for the largest V, in every other tile from ``first``.

    Each channel has V at its peak in a place of its own; tiles that are two apart do not overlap,
    so all of them reach it at once.
    """
    t, m, cover = variant.t, variant.m, variant.cover(size)
    b = np.array(variant.data)
    up = np.zeros((CHANNELS, cover, cover), bool)
    for channel, (i, j) in enumerate(places):
        high = np.outer(b[i], b[j]) > 0
        for y in range(first * m, cover - t + 1, 2 * m):
            for x in range(first * m, cover - t + 1, 2 * m):
                up[channel, y : y + t, x : x + t] = high
    return up[:, 1 : size + 1, 1 : size + 1]


def convolved(form: Format, x: Array) -> Array:
    """The layer on ``x``, directly; float64 is exact, as no sum comes near 2^53."""
    w = torch.from_numpy(form.weights()).double()
    y = torch.nn.functional.conv2d(torch.from_numpy(x).double(), w, padding=1)
    return y.numpy().astype(np.int64)
