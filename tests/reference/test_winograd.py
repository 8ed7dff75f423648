"""WinogradConv against Conv: the same values and type on every input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcompiler.errors import GraphError, QCompilerError
from qcompiler.ir import integer
from qcompiler.ir.types import IntType
from qcompiler.ir.winograd import TILES, tile
from qcompiler.reference.integer import IntegerReference
from tests.graphs import integer_graph

Array = np.ndarray[Any, Any]


def run(op: Any, x: Array, elem: IntType) -> tuple[Array, Any, str]:
    graph = integer_graph(op, shape=x.shape[1:], elem=elem)
    graph.check()
    reference = IntegerReference(graph)
    return reference.trace(x)["op0"], graph.type("op0"), reference.plan["op0"]


def same(op: integer.WinogradConv, x: Array, elem: IntType) -> str:
    """Compare with the direct convolution; returns the arithmetic it ran in."""
    got, kind, plan = run(op, x, elem)
    wanted, direct, _ = run(op.direct, x, elem)
    rows, columns = op.out_size or direct.shape[1:]
    assert kind == replace(direct, shape=(direct.shape[0], rows, columns))
    np.testing.assert_array_equal(got, wanted[:, :, :rows, :columns])
    return plan


@st.composite
def layers(draw: st.DrawFn) -> tuple[integer.WinogradConv, Array, IntType]:
    bits = draw(st.integers(1, 8))
    lo = draw(st.sampled_from([0, -(1 << (bits - 1)), -(1 << (bits - 1)) + 1, 3]))
    elem = IntType(lo, lo + (1 << bits) - 1)
    code, channels = draw(st.integers(elem.lo, elem.hi)), draw(st.integers(1, 5))
    pads = tuple(draw(st.integers(0, 2)) for _ in range(4))
    size = [max(3 - pads[k] - pads[k + 2], 1) + draw(st.integers(0, 7)) for k in (0, 1)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    top = draw(st.sampled_from([1, 7, 63, 127]))
    weight = rng.integers(-top, top + 1, (draw(st.integers(1, 4)), channels, 3, 3))
    x = rng.integers(elem.lo, elem.hi + 1, (3, channels, *size))
    x[1], x[2] = elem.lo, elem.hi
    return integer.WinogradConv(weight, draw(st.sampled_from([2, 4])), pads, code), x, elem


@settings(max_examples=150, deadline=None)
@given(layers())
def test_equal_to_direct_convolution(layer: tuple[integer.WinogradConv, Array, IntType]) -> None:
    same(*layer)


@pytest.mark.parametrize("m", TILES)
@pytest.mark.parametrize("elem", [IntType(-63, 63), IntType(0, 255), IntType(-128, 127)], ids=str)
def test_extremes(m: int, elem: IntType) -> None:
    """Tiles that attain the ends of V, and weights that attain those of U, over whole frames."""
    t, channels = tile(m), 8
    b = np.array(t.data)
    weight = np.full((4, channels, 3, 3), 63)
    weight[1] = -63
    weight[2, :, ::2, 1] = weight[2, :, 1, ::2] = -63
    weight[3] = np.random.default_rng(m).choice([-63, 63], (channels, 3, 3))
    frames = [np.full((12, 12), elem.lo), np.full((12, 12), elem.hi)]
    for i in range(t.t):
        for j in range(t.t):
            sign = np.tile(np.outer(b[i], b[j]), (3, 3))[:12, :12]
            frames += [np.where(s * sign > 0, elem.hi, elem.lo) for s in (1, -1)]
    x = np.repeat(np.stack(frames)[:, None], channels, axis=1)
    same(integer.WinogradConv(weight, m, (1, 1, 1, 1), elem.hi), x, elem)


@pytest.mark.parametrize("m", TILES)
@pytest.mark.parametrize("size", [(3, 3), (3, 9), (4, 5), (7, 3), (6, 6), (10, 13)])
def test_every_size_of_frame(m: int, size: tuple[int, int]) -> None:
    rng, elem = np.random.default_rng(m), IntType(-7, 8)
    x = rng.integers(-7, 9, (3, 2, *size))
    op = integer.WinogradConv(rng.integers(-7, 8, (3, 2, 3, 3)), m)
    same(op, x, elem)
    same(replace(op, padding=(0, 1, 2, 0), pad_code=-5), x, elem)


@pytest.mark.parametrize("m", TILES)
def test_what_lies_beyond_the_outputs_does_not_matter(m: int) -> None:
    rng, elem = np.random.default_rng(m), IntType(0, 15)
    cover = tile(m).cover(5)
    x = rng.integers(0, 16, (2, 2, cover, cover))
    op = integer.WinogradConv(rng.integers(-7, 8, (3, 2, 3, 3)), m, out_size=(5, 5))
    same(op, x, elem)
    x[:, :, 7:], x[:, :, :, 7:] = 15, 0
    same(op, x, elem)


@pytest.mark.parametrize(
    ("weight", "elem", "dtype"),
    [
        (7, IntType(0, 15), "float32"),
        (127, IntType(0, 255), "float64"),
        (2**22, IntType(0, 2**22), "int64"),
    ],
)
def test_the_arithmetic_is_the_narrowest_exact_one(weight: int, elem: IntType, dtype: str) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(elem.lo, elem.hi + 1, (2, 16, 8, 8))
    x[1] = elem.hi
    op = integer.WinogradConv(rng.integers(-weight, weight + 1, (4, 16, 3, 3)), 2)
    assert same(op, x, elem) == f"{dtype} winograd 2x2"


def test_refusals() -> None:
    big = integer.WinogradConv(np.full((1, 1, 3, 3), 2**26), 4)
    graph = integer_graph(big, shape=(1, 6, 6), elem=IntType(0, 2**26))
    with pytest.raises(QCompilerError, match=r"op0: its sums reach [0-9]+, beyond what"):
        IntegerReference(graph)
    small = np.ones((1, 2, 3, 3), np.int64)
    for op, what in (
        (integer.WinogradConv(small, 3), "2 or 4 outputs a side"),
        (integer.WinogradConv(small[:, :, :1], 2), "a Winograd kernel is 3x3"),
        (integer.WinogradConv(small, 2, out_size=(4, 4)), "4x4 outputs of 3x4"),
        (integer.WinogradConv(small, 2, (1, 1, 1, 1), 99), "pad code 99 is outside"),
        (integer.WinogradConv(small[:, :1], 2), "does not fit 2 channels"),
    ):
        with pytest.raises(GraphError, match=what):
            integer_graph(op)
