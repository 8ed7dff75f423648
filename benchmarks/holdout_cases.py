"""Modules that no cost model is fitted on: other PE, SIMD, lanes, kernels and depths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from fit_cases import Case, array, case, depthwise, in_luts, multiplier, signed, sparse, unsigned

from qcompiler.ir import hardware as hw
from qcompiler.ir.types import IntType

# The fit has PE 1, 2, 4, 5, 8, 16, SIMD 1-5, 8, 12, 16, 32 and kernels 1 and 3.


def arrays() -> Iterator[Case]:
    yield array(3, 6, 1, unsigned(4), 4, out=12, per_group=24)
    yield array(6, 24, 1, unsigned(4), 4, out=12, per_group=24)
    yield array(12, 8, 1, unsigned(3), 3, out=24)
    yield array(6, 10, 2, unsigned(5), 5, out=12, per_group=20)
    yield array(3, 24, 3, unsigned(6), 6, out=6, per_group=48)
    yield array(7, 9, 1, unsigned(8), 8, out=14, per_group=9)
    yield array(10, 6, 4, unsigned(2), 7, out=20, per_group=12, kernel=5)
    yield array(3, 48, 1, unsigned(2), 2, out=6, per_group=48, kernel=1)
    yield array(12, 12, 1, signed(6), 4, out=24, per_group=12, kernel=5)
    yield sparse(3, 16, 2, unsigned(5), (0, 2, 5), (1, 7))
    yield sparse(6, 8, 1, unsigned(3), (0,), (0, 1, 4, 6), per_fold=True)
    yield in_luts(array(3, 6, 1, unsigned(4), 4, out=12, per_group=24))
    yield in_luts(array(6, 10, 2, unsigned(5), 5, out=12, per_group=20))
    yield in_luts(array(7, 9, 1, unsigned(8), 8, out=14, per_group=9))
    yield in_luts(array(3, 24, 3, unsigned(6), 6, out=6, per_group=48))


def depthwises() -> Iterator[Case]:
    yield depthwise(12, 1, unsigned(4), 4, channels=48)
    yield depthwise(6, 3, unsigned(6), 6, channels=24, kernel=5)
    yield depthwise(10, 2, unsigned(3), 3, channels=40)
    yield depthwise(3, 7, signed(7), 7, channels=24)
    yield depthwise(24, 1, unsigned(2), 4, channels=48)
    yield in_luts(depthwise(6, 3, unsigned(6), 6, channels=24, kernel=5))


def multipliers() -> Iterator[Case]:
    yield multiplier(3, 6, unsigned(7), 7, out=12, per_group=24)
    yield multiplier(6, 2, signed(6), 8, out=12)
    yield multiplier(6, 6, unsigned(5), 6, out=12, per_group=12, kernel=5)
    yield multiplier(3, 8, IntType(-63, 63), 7, 16, out=12, per_group=24)


def windows() -> Iterator[Case]:
    sizes = (  # kernel, stride, lanes, words, groups, repeat, size, bits
        (7, 1, 3, 2, 1, 6, 24, 4), (3, 1, 6, 4, 1, 5, 20, 4), (3, 2, 12, 1, 1, 3, 40, 3),
        (5, 1, 1, 6, 1, 16, 12, 8), (2, 2, 5, 3, 1, 1, 22, 6), (3, 1, 10, 1, 5, 2, 26, 5),
    )  # fmt: skip
    for number, (kernel, stride, lanes, words, groups, repeat, size, bits) in enumerate(sizes):
        op = hw.Window(
            (kernel, kernel), (stride, stride), groups=groups, repeat=repeat,
            rows=max(2 * kernel, kernel + stride), lanes=lanes,
        )  # fmt: skip
        source = (lanes * words * groups, size, size), unsigned(bits), lanes
        yield case(f"held_win{number}", op, source)


def streams() -> Iterator[Case]:
    for width, depth in ((6, 3), (20, 10), (10, 48), (28, 150), (48, 800), (36, 77), (14, 210)):
        source = (1, 32, 32), unsigned(width), 1
        yield case(f"held_fifo_{width}x{depth}", hw.Fifo(depth), source)
    for have, want, bits in ((3, 6, 5), (6, 24, 3), (24, 6, 4), (6, 3, 10), (18, 4, 6)):
        source = (576, 8, 8), unsigned(bits), have
        yield case(f"held_adapter_{have}to{want}_{bits}", hw.Adapter(want), source)
    for lanes, words, size, border in ((6, 2, 24, (1, 1, 1, 1)), (3, 5, 11, (3, 3, 3, 3))):
        source = (lanes * words, size, size), unsigned(5), lanes
        yield case(f"held_pad_{lanes}x{words}", hw.Pad("t", border, 1, lanes=lanes), source)


def arithmetic() -> Iterator[Case]:
    for lanes, a, b, bits in ((3, 3, 5, 7), (6, 9, 1, 5)):
        name = f"held_add_{lanes}_{a}_{b}_{bits}"
        yield case(name, hw.Add("t", a, b, lanes=lanes), *[((12, 8, 8), signed(bits), lanes)] * 2)
    rng = np.random.default_rng(3)
    yield from _searches(rng, (3, 15, 15, 48), (6, 11, 7, 24), (12, 13, 15, 12), (3, 17, 31, 36))
    for lanes, bits, mul, channels, out in ((3, 15, 11, 24, 8), (6, 18, 14, 12, 5)):
        m = rng.integers(1 << mul - 2, 1 << mul, channels)
        r = rng.integers(-(1 << mul + 6), 1 << mul + 6, channels)
        scaled = hw.Scale(
            "t", m, r, bits + mul - out - 1, unsigned(out), unsigned(out), lanes=lanes
        )
        source = (channels, 16, 16), signed(bits), lanes
        yield case(f"held_scale_{lanes}_{bits}_{mul}_{channels}", scaled, source)
    yield from _searches(rng, (5, 12, 7, 20), (7, 14, 15, 56))


def _searches(rng: np.random.Generator, *sizes: tuple[int, int, int, int]) -> Iterator[Case]:
    """Threshold searches, parallel and serial: lanes, bits, largest code, channels."""
    for lanes, bits, codes, channels in sizes:
        found = np.sort(rng.integers(-(1 << bits - 1), 1 << bits - 1, (channels, codes)), axis=1)
        table = np.tile(np.arange(codes + 1), (channels, 1))
        op = hw.Threshold("t", found.astype(np.int64), table, IntType(0, codes), lanes=lanes)
        source = (channels, 16, 16), signed(bits), lanes
        yield case(f"held_thr_{lanes}_{bits}_{codes}_{channels}", op, source)
        serial = replace(op, serial=True)
        yield case(f"held_ser_{lanes}_{bits}_{codes}_{channels}", serial, source)


def pools() -> Iterator[Case]:
    for lanes, bits, kernel in ((6, 5, 2), (3, 7, 4)):
        window = hw.Window((kernel, kernel), groups=24 // lanes, rows=2 * kernel, lanes=lanes)
        size = 21 - kernel
        source = (24, 20, 20), unsigned(bits), lanes
        for kind, stem in ((hw.MaxPool, "max"), (hw.SumPool, "sum")):
            op = kind("t", (24, size, size), lanes=lanes)
            yield case(f"held_{stem}_{lanes}_{bits}_{kernel}", op, source, window=window)
    source = (36, 10, 10), unsigned(5), 3
    yield case("held_gsum_3_5_36", hw.GlobalSum("t", lanes=3), source)


def pointwise() -> Iterator[Case]:
    rng = np.random.default_rng(4)
    for lanes, bits, out in ((3, 5, 6), (6, 7, 5)):
        lookup = hw.Lookup("t", rng.integers(0, 1 << out, 1 << bits), unsigned(out), lanes=lanes)
        source = (12, 8, 8), unsigned(bits), lanes
        yield case(f"held_lookup_{lanes}_{bits}_{out}", lookup, source)
    for lanes, bits, gate, channels, size in ((3, 5, 5, 48, 12), (6, 6, 3, 36, 10)):
        x = (channels, size, size), unsigned(bits), lanes
        op = hw.Multiply("t", 0, 0, lanes=lanes)
        held = (channels, 1, 1), unsigned(gate), lanes
        yield case(f"held_gate_{lanes}_{bits}_{gate}_{channels}", op, x, held)


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
