"""The modules that ``fit_estimate.py`` synthesizes: each an op of a graph of its own, by group."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType

Source = tuple[tuple[int, int, int], IntType, int]
"""Shape, type and lanes of an input."""


@dataclass(frozen=True)
class Case:
    """One module: the op is node ``name`` of a graph of its own."""

    name: str
    graph: Graph

    @property
    def op(self) -> Any:
        return self.graph.op(self.name)

    @property
    def inputs(self) -> list[hw.StreamType]:
        return [self.graph.type(v) for v in self.graph.inputs(self.name)]

    @property
    def outputs(self) -> tuple[hw.StreamType, ...]:
        return self.graph.types(self.name)


def unsigned(bits: int) -> IntType:
    return IntType(0, (1 << bits) - 1)


def signed(bits: int) -> IntType:
    return IntType(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def case(name: str, op: Any, *sources: Source, window: hw.Window | None = None) -> Case:
    graph = Graph("hardware")
    feeds = []
    for k, (shape, elem, lanes) in enumerate(sources):
        feed = graph.add(f"{name}_in{k}", hw.Source(f"{name}_in{k}", shape, elem, lanes))
        feeds.append(graph.add(f"{name}_window", window, [feed]) if window else feed)
    graph.add(name, op, feeds)
    return Case(name, graph)


# ---- the modules ------------------------------------------------------------------------------


def array(
    pe: int, simd: int, planes: int, act: IntType, bits: int, *,
    out: int = 16, per_group: int = 16, kernel: int = 3, groups: int = 1,
) -> Case:  # fmt: skip
    """An array with random weights of ``bits`` bits (1: ternary)."""
    name = f"arr_{pe}x{simd}x{planes}_a{act.bits}w{bits}k{kernel}g{groups}"
    top = max((1 << (bits - 1)) - 1, 1)
    rng = np.random.default_rng(sum(map(ord, name)))
    weight = rng.integers(-top, top + 1, (out, per_group, kernel, kernel)).astype(np.int64)
    plan = encode(weight)
    high = int(np.abs(weight).sum(axis=(1, 2, 3)).max()) * max(abs(act.lo), act.hi)
    op = hw.BitSerialArray(
        name, weight, plan.signs, plan.exps, (out, 30, 30), IntType(-high, high),
        groups=groups, pe=pe, simd=simd, planes=planes,
    )  # fmt: skip
    size = (kernel, kernel)
    window = hw.Window(size, groups=groups, repeat=op.repeat, rows=2 * kernel, lanes=simd)
    return case(name, op, ((per_group * groups, 32, 32), act, simd), window=window)


def in_luts(other: Case) -> Case:
    """The same array with its weights in LUTs, where block RAM is the rule."""
    (window,) = other.graph.inputs(other.name)
    (source,) = other.graph.inputs(window.node)
    stream = other.graph.type(source)
    name = f"{other.name}_luts"
    op = replace(other.op, lut_rom=True)
    return case(name, op, (stream.shape, stream.elem, stream.lanes),
                window=other.graph.op(window.node))  # fmt: skip


def sparse(
    pe: int, simd: int, planes: int, act: IntType, *masks: tuple[int, ...], per_fold: bool = False
) -> Case:
    """An array whose weights are signed sums of few powers of two.

    Args:
        masks: Exponents for each output fold.
        per_fold: Each fold takes its own planes.
    """
    kind = "folds" if per_fold else "gaps"
    name = f"arr_{pe}x{simd}x{planes}_a{act.bits}{kind}{len(masks)}_{sum(map(sum, masks))}"
    rng = np.random.default_rng(sum(map(ord, name)))
    parts = []
    for mask in masks:
        powers = np.array([1 << e for e in mask], np.int64)
        digits = rng.integers(0 if len(mask) == 1 else -1, 2, (len(mask), pe, 16, 3, 3))
        parts.append(np.tensordot(powers, digits, 1))
    weight = np.concatenate(parts)
    plan = encode(weight)
    high = int(np.abs(weight).sum(axis=(1, 2, 3)).max()) * max(abs(act.lo), act.hi)
    op = hw.BitSerialArray(
        name, weight, plan.signs, plan.exps, (len(weight), 30, 30), IntType(-high, high)
    ).folded(pe, simd, planes, per_fold)
    window = hw.Window((3, 3), repeat=op.repeat, rows=6, lanes=simd)
    return case(name, op, ((16, 32, 32), act, simd), window=window)


def depthwise(
    pe: int, planes: int, act: IntType, bits: int, *,
    channels: int = 16, kernel: int = 3, size: int = 32, gaps: bool = False,
) -> Case:  # fmt: skip
    """A depthwise array with random weights of ``bits`` bits, or some that leave planes out."""
    name = f"dw_{pe}x{planes}_a{act.bits}w{bits}k{kernel}c{channels}{'gaps' if gaps else ''}"
    top = max((1 << (bits - 1)) - 1, 1)
    rng = np.random.default_rng(sum(map(ord, name)))
    weight = rng.integers(-top, top + 1, (channels, 1, kernel, kernel)).astype(np.int64)
    if gaps:
        weight = np.sign(weight) * (np.abs(weight) & 0b10110010001)
    plan = encode(weight)
    high = int(np.abs(weight).sum(axis=(1, 2, 3)).max()) * max(abs(act.lo), act.hi)
    out = size - kernel + 1
    op = hw.DepthwiseArray(
        name, weight, plan.signs, plan.exps, (channels, out, out), IntType(-high, high), channels,
        pe=pe, planes=planes,
    )  # fmt: skip
    window = op.fed_by(hw.Window((kernel, kernel), rows=2 * kernel))
    return case(name, op, ((channels, size, size), act, pe), window=window)


def depthwises() -> Iterator[Case]:
    sizes = (
        (1, 1, 8, 8), (4, 8, 8, 8), (8, 8, 8, 8), (8, 2, 8, 8), (2, 4, 8, 8), (4, 1, 4, 4),
        (8, 4, 4, 4), (16, 2, 4, 4), (2, 3, 3, 3), (16, 1, 2, 2), (8, 3, 4, 8), (1, 8, 8, 8),
    )  # fmt: skip
    for pe, planes, act, bits in sizes:
        yield depthwise(pe, planes, unsigned(act), bits)
    yield depthwise(4, 4, signed(8), 8)
    yield depthwise(5, 2, signed(4), 4, channels=15)
    yield depthwise(6, 8, unsigned(8), 8, channels=96, kernel=5)
    yield depthwise(3, 4, unsigned(8), 8, channels=120, kernel=5)
    yield depthwise(8, 4, unsigned(4), 4, channels=256)
    for pe, planes, act in ((8, 1, 4), (4, 2, 8), (8, 3, 4), (2, 5, 8)):
        yield depthwise(pe, planes, unsigned(act), 12, gaps=True)


def arrays() -> Iterator[Case]:
    sizes = (
        (1, 1, 1, 8, 4), (2, 4, 1, 2, 2), (4, 4, 1, 4, 4), (4, 8, 2, 4, 4), (4, 8, 4, 4, 4),
        (8, 16, 1, 2, 2), (4, 16, 1, 8, 8), (2, 16, 8, 8, 8), (1, 8, 1, 4, 4), (2, 2, 2, 4, 4),
        (8, 1, 1, 4, 3), (4, 2, 4, 3, 8), (1, 16, 1, 1, 2), (8, 4, 1, 8, 2), (16, 2, 1, 2, 4),
    )  # fmt: skip
    for pe, simd, planes, act, bits in sizes:
        yield array(pe, simd, planes, unsigned(act), bits)
    yield array(4, 32, 1, unsigned(1), 1, per_group=32)
    yield array(4, 32, 2, unsigned(4), 3, per_group=32)
    yield array(1, 32, 1, unsigned(4), 4, per_group=32)
    yield array(4, 3, 2, signed(8), 8, per_group=3)
    yield array(2, 8, 3, signed(4), 3)
    yield array(2, 5, 1, unsigned(6), 5, per_group=5)
    yield array(4, 12, 3, signed(5), 5, per_group=12)
    yield array(1, 1, 1, unsigned(4), 4, per_group=1, groups=16)
    yield array(5, 16, 1, unsigned(4), 4, out=10, per_group=64, kernel=1)
    yield array(2, 8, 2, unsigned(2), 6, per_group=64, kernel=1)
    yield array(8, 4, 4, unsigned(2), 7, kernel=5)
    yield array(5, 8, 1, signed(6), 4, out=10, kernel=5)
    yield array(4, 32, 1, unsigned(2), 2, per_group=32, kernel=1)
    few, many, top = (0,), (0, 1, 2, 4), (2, 5, 6)
    yield sparse(4, 8, 1, unsigned(4), (0, 3, 8))
    yield sparse(4, 8, 2, unsigned(4), (0, 4, 5, 9))
    yield sparse(2, 16, 3, unsigned(4), (0, 3, 7, 12), (0, 3))
    for pe, simd, planes, act in ((1, 8, 1, 4), (4, 8, 1, 4), (4, 8, 2, 4), (8, 4, 3, 8),
                                  (8, 16, 1, 3), (5, 4, 1, 3)):  # fmt: skip
        yield sparse(pe, simd, planes, unsigned(act), few, few, many, per_fold=True)
        yield sparse(pe, simd, planes, unsigned(act), many, top, few, few, top, per_fold=True)
    yield sparse(2, 8, 1, unsigned(4), *[many] * 4, *[few] * 16, per_fold=True)
    yield sparse(1, 16, 2, unsigned(4), *[top] * 9, *[few] * 33, per_fold=True)


def multiplier(
    pe: int, simd: int, act: IntType, bits: int, partial: int | None = None, *,
    out: int = 16, per_group: int = 16, kernel: int = 3, groups: int = 1,
) -> Case:  # fmt: skip
    """A multiplier array with random weights of ``bits`` bits (1: 0 and -1)."""
    name = f"mul_{pe}x{simd}_a{act.bits}w{bits}k{kernel}g{groups}p{partial or 0}"
    top = (1 << (bits - 1)) - 1
    rng = np.random.default_rng(sum(map(ord, name)))
    size = (out, per_group, kernel, kernel)
    weight = rng.integers(-max(top, 1), top + 1, size).astype(np.int64)
    high = int(np.abs(weight).sum(axis=(1, 2, 3)).max()) * max(abs(act.lo), act.hi)
    op = hw.MultiplierArray(
        name, weight, (out, 30, 30), IntType(-high, high), groups, pe, simd, partial
    )
    window = hw.Window(
        (kernel, kernel), groups=groups, repeat=op.repeat, rows=2 * kernel, lanes=simd
    )
    return case(name, op, ((per_group * groups, 32, 32), act, simd), window=window)


def multipliers() -> Iterator[Case]:
    sizes = (
        (1, 1, 8, 8), (2, 1, 4, 6), (4, 2, 8, 8), (1, 4, 5, 5), (4, 4, 4, 4), (2, 8, 8, 4),
        (8, 8, 8, 8), (4, 16, 6, 6), (1, 16, 12, 12), (2, 4, 17, 18), (16, 2, 4, 5),
    )  # fmt: skip
    for pe, simd, act, bits in sizes:
        yield multiplier(pe, simd, unsigned(act), bits)
    yield multiplier(2, 4, unsigned(4), 1)
    yield multiplier(4, 4, signed(7), 1)
    yield multiplier(4, 3, signed(8), 8, per_group=3)
    yield multiplier(2, 5, signed(4), 4, per_group=5)
    yield multiplier(1, 12, signed(6), 5, per_group=12)
    yield multiplier(1, 1, unsigned(8), 8, per_group=1, groups=16)
    yield multiplier(5, 16, unsigned(4), 6, out=10, per_group=64, kernel=1)
    yield multiplier(4, 4, signed(8), 8, per_group=4, kernel=1)
    narrow = IntType(-63, 63)
    for pe, simd, act, bits in ((4, 2, narrow, 7), (2, 1, narrow, 7), (4, 4, narrow, 7),
                                (8, 8, narrow, 7), (2, 16, narrow, 7), (4, 1, signed(8), 8),
                                (8, 8, IntType(-127, 127), 8), (2, 3, narrow, 7)):  # fmt: skip
        yield multiplier(pe, simd, act, bits, 16, per_group=48 if simd == 3 else 16)


def windows() -> Iterator[Case]:
    rng = random.Random(5)
    for k in range(26):
        kernel, stride = rng.choice([1, 2, 3, 3, 3, 5]), rng.choice([1, 1, 1, 2])
        lanes, words = rng.choice([1, 1, 2, 4, 8]), rng.choice([1, 1, 2, 3, 4, 8, 12])
        size, groups = rng.choice([7, 8, 10, 14, 16, 18, 28, 30, 32, 34]), rng.choice([1, 1, 3, 4])
        op = hw.Window(
            (kernel, kernel), (stride, stride), groups=groups, repeat=rng.choice([1, 2, 4, 9, 32]),
            rows=max(2 * kernel, kernel + stride), lanes=lanes,
        )  # fmt: skip
        yield case(f"win{k}", op, ((lanes * words * groups, size, size), unsigned(4), lanes))
    point = hw.Window((1, 1), repeat=20, reshape=(64, 64, 1), rows=2, lanes=4)
    yield case("win_point", point, ((64, 8, 8), unsigned(4), 4))
    whole = hw.Window((1, 16), repeat=20, reshape=(64, 1, 16), rows=2, lanes=4)
    yield case("win_whole", whole, ((64, 4, 4), unsigned(4), 4))


def streams() -> Iterator[Case]:
    sizes = ((4, 2), (33, 2), (8, 5), (4, 17), (16, 20), (8, 33), (16, 65), (16, 100), (32, 12),
             (32, 33), (12, 257), (24, 400), (64, 600), (7, 1000), (5, 3), (12, 4), (16, 7),
             (9, 9), (24, 11), (20, 140), (30, 200), (40, 300))  # fmt: skip
    for width, depth in sizes:
        yield case(f"fifo_{width}x{depth}", hw.Fifo(depth), ((1, 32, 32), unsigned(width), 1))
    for width, outputs in ((8, 2), (32, 3), (16, 4)):
        yield case(f"fork_{width}x{outputs}", hw.Fork(outputs), ((1, 8, 8), unsigned(width), 1))
    ratios = ((1, 2, 4), (1, 3, 8), (4, 8, 4), (8, 16, 2), (2, 16, 2), (2, 1, 4), (4, 2, 8),
              (8, 2, 4), (16, 2, 4), (16, 1, 4), (12, 4, 4), (9, 1, 8), (32, 8, 4),
              (16, 9, 4), (9, 4, 5), (8, 12, 3), (12, 1, 7), (5, 1, 8), (6, 1, 8), (10, 1, 6),
              (14, 2, 5))  # fmt: skip
    for have, want, bits in ratios:
        source = ((10_080, 8, 8), unsigned(bits), have)
        yield case(f"adapter_{have}to{want}_{bits}", hw.Adapter(want), source)
    rng = random.Random(7)
    for k in range(10):
        lanes, words = rng.choice([1, 2, 4, 16]), rng.choice([1, 2, 3, 4, 8])
        size = rng.choice([7, 8, 14, 16, 28, 32])
        source = ((lanes * words, size, size), unsigned(4), lanes)
        border = rng.choice([(1, 1, 1, 1), (2, 2, 2, 2), (0, 0, 1, 1), (1, 1, 0, 0)])
        yield case(f"pad{k}", hw.Pad("t", border, 3, lanes=lanes), source)
        step = rng.choice([1, 2])
        kept = (0, step, size // step - rng.choice([0, 1]))
        yield case(f"slice{k}", hw.Slice("t", kept, kept, lanes=lanes), source)
        front, back = rng.choice([0, 1, 4]) * lanes, rng.choice([1, 3]) * lanes
        yield case(f"chpad{k}", hw.ChannelPad("t", front, back, 0, lanes=lanes), source)
        other = ((lanes * rng.choice([1, 2, 3, 16]), size, size), unsigned(4), lanes)
        yield case(f"concat{k}", hw.Concat("t", lanes=lanes), source, other)


def arithmetic() -> Iterator[Case]:
    sums = ((1, 1, 1, 8), (4, 5, 3, 4), (4, -3, 1, 6), (8, 1, 1, 4), (2, 1, -1, 8), (2, 7, 5, 6),
            (2, 23, 1, 8), (1, 100, 37, 6), (2, 1234, 777, 4), (1, 2731, 1, 8))  # fmt: skip
    for lanes, a, b, bits in sums:
        name = f"add_{lanes}_{a}_{b}_{bits}".replace("-", "m")
        yield case(name, hw.Add("t", a, b, lanes=lanes), *[((8, 8, 8), signed(bits), lanes)] * 2)
    rng = np.random.default_rng(1)
    steps = ((1, 16, 15, 16), (4, 12, 15, 16), (2, 14, 3, 64), (1, 18, 255, 16), (8, 10, 7, 8),
             (2, 14, 15, 64), (1, 10, 3, 8), (1, 20, 15, 64), (1, 13, 31, 24), (4, 10, 7, 16),
             (8, 9, 7, 32), (2, 12, 7, 16), (4, 14, 15, 8), (2, 10, 3, 16), (4, 9, 15, 32),
             (4, 11, 7, 8), (8, 12, 3, 32))  # fmt: skip
    for lanes, bits, codes, channels in steps:
        found = np.sort(rng.integers(-(1 << bits - 1), 1 << bits - 1, (channels, codes)), axis=1)
        table = np.tile(np.arange(codes + 1), (channels, 1))
        op = hw.Threshold("t", found.astype(np.int64), table, IntType(0, codes), lanes=lanes)
        source = ((channels, 16, 16), signed(bits), lanes)
        yield case(f"thr_{lanes}_{bits}_{codes}_{channels}", op, source)
        serial = replace(op, serial=True)
        yield case(f"ser_{lanes}_{bits}_{codes}_{channels}", serial, source)
    factors = ((1, 16, 12, 16, 8), (4, 12, 8, 16, 8), (2, 20, 16, 64, 8), (1, 8, 6, 8, 4),
               (1, 12, 17, 32, 8), (2, 14, 10, 64, 4), (1, 24, 16, 16, 8), (1, 17, 11, 128, 8),
               (1, 18, 18, 8, 6), (1, 15, 18, 16, 8), (2, 12, 18, 16, 4))  # fmt: skip
    for lanes, bits, mul, channels, out in factors:
        m = rng.integers(1 << mul - 2, 1 << mul, channels)
        r = rng.integers(-(1 << mul + 6), 1 << mul + 6, channels)
        shift = bits + mul - out - 1  # the sum is two or three bits wider than the codes
        scaled = hw.Scale("t", m, r, shift, unsigned(out), unsigned(out), lanes=lanes)
        source = ((channels, 16, 16), signed(bits), lanes)
        yield case(f"scale_{lanes}_{bits}_{mul}_{channels}", scaled, source)


def pointwise() -> Iterator[Case]:
    rng = np.random.default_rng(2)
    tables = ((1, 4, 4), (4, 4, 8), (2, 6, 4), (8, 6, 8), (1, 8, 8), (4, 8, 6), (1, 10, 8),
              (2, 12, 8), (2, 5, 4), (4, 7, 4), (1, 5, 8), (1, 7, 7))  # fmt: skip
    for lanes, bits, out in tables:
        lookup = hw.Lookup("t", rng.integers(0, 1 << out, 1 << bits), unsigned(out), lanes=lanes)
        yield case(f"lookup_{lanes}_{bits}_{out}", lookup, ((8, 8, 8), unsigned(bits), lanes))
    gates = ((1, 4, 6, 16, 8, 0), (4, 4, 4, 16, 8, 0), (2, 8, 8, 64, 14, 0), (8, 4, 8, 8, 8, 0),
             (1, 5, 7, 240, 4, 0), (4, 3, 3, 72, 16, 0), (2, 4, 4, 96, 7, 3), (4, 8, 8, 24, 5, 7),
             (16, 4, 4, 96, 8, 0), (1, 2, 2, 20, 9, 0), (1, 20, 6, 12, 8, 0))  # fmt: skip
    for lanes, bits, gate, channels, size, zero in gates:
        name, act = f"gate_{lanes}_{bits}_{gate}_{channels}", signed if lanes == 4 else unsigned
        x = (channels, size, size), act(bits), lanes
        op = hw.Multiply("t", zero, zero, lanes=lanes)
        yield case(name, op, x, ((channels, 1, 1), unsigned(gate), lanes))


def pools() -> Iterator[Case]:
    for lanes, bits, kernel in ((1, 4, 2), (4, 4, 2), (8, 8, 2), (2, 8, 3), (16, 4, 3), (1, 12, 3),
                                (4, 5, 2), (2, 7, 3), (1, 9, 2), (8, 3, 2), (2, 5, 5)):  # fmt: skip
        window = hw.Window((kernel, kernel), groups=16 // lanes, rows=2 * kernel, lanes=lanes)
        size = 17 - kernel
        source = ((16, 16, 16), unsigned(bits), lanes)
        for kind, stem in ((hw.MaxPool, "max"), (hw.SumPool, "sum")):
            op = kind("t", (16, size, size), lanes=lanes)
            yield case(f"{stem}_{lanes}_{bits}_{kernel}", op, source, window=window)
    sizes = ((1, 4, 64, 8), (4, 4, 16, 7), (8, 8, 8, 8), (1, 4, 1, 8), (4, 6, 4, 7), (1, 8, 32, 4))
    for lanes, bits, channels, size in sizes:
        source = ((channels, size, size), unsigned(bits), lanes)
        yield case(f"gsum_{lanes}_{bits}_{channels}", hw.GlobalSum("t", lanes=lanes), source)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "arrays": arrays,
    "depthwise": depthwises,
    "multipliers": multipliers,
    "windows": windows,
    "streams": streams,
    "arithmetic": arithmetic,
    "pools": pools,
    "pointwise": pointwise,
}
