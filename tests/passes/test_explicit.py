"""The integer rewrites keep every value, and leave alone what is explicit already."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.ir import integer
from qcompiler.ir.graph import Graph
from qcompiler.passes.base import Pass, run_passes
from qcompiler.passes.explicit import ExplicitPadding, PairConcats, SplitStridedPointwise
from qcompiler.reference.integer import IntegerReference
from tests.graphs import integer_graph, text

rng = np.random.default_rng(5)
W3 = rng.integers(-7, 8, (3, 2, 3, 3))
W1 = rng.integers(-7, 8, (3, 2, 1, 1))


def same_values(before: Graph, after: Graph) -> None:
    codes = rng.integers(-7, 9, (4, 2, 5, 6))
    one, two = (IntegerReference(g)(codes).numpy() for g in (before, after))
    np.testing.assert_array_equal(one, two)


def test_padding_of_a_convolution() -> None:
    ones = np.ones((3, 2, 3, 3), np.int64)  # sums of 18 codes
    before = integer_graph(integer.Conv(ones, (2, 1), (1, 0, 2, 3), pad_code=5))
    assert text(run_passes(before, [ExplicitPadding()])) == (
        "%x: 2x5x6 [-7..8] = Input() shape=(2,5,6) elem=[-7..8] step=1.0\n"
        "%op0_pad: 2x7x9 [-7..8] = Pad(%x) pads=((0,0),(1,1),(0,3)) code=5\n"
        "%op0: 3x3x7 [-126..144] = Conv(%op0_pad) weight=int64[3x2x3x3] stride=(2,1) pad_code=5\n"
        "%y: 3x3x7 [-126..144] = Output(%op0) shape=(2,5,6) step=1.0"
    )
    before = integer_graph(integer.Conv(W3, (2, 1), (1, 0, 2, 3), pad_code=5))
    same_values(before, run_passes(before, [ExplicitPadding()]))


@pytest.mark.parametrize(
    ("op", "left"),
    [
        (integer.Conv(W3, (2, 2), (1, 1, 2, 1), pad_code=5), ((1, 1), (1, 0))),  # 8x8, reads 7x7
        (integer.Conv(W3, (3, 2), (1, 1, 1, 1), pad_code=5), ((1, 0), (1, 0))),  # 7x8, reads 6x7
        (integer.Conv(W3, (4, 5), (0, 0, 1, 1), pad_code=5), ((0, 0), (0, 0))),  # 6x7, reads 3x3
        (integer.Conv(W3, (1, 1), (1, 1, 2, 1), pad_code=5), ((1, 2), (1, 1))),
    ],
)
def test_a_border_that_no_window_reaches_is_left_out(
    op: integer.Conv, left: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    before = integer_graph(op)
    after = run_passes(before, [ExplicitPadding()])
    pads = [after.op(name).pads[1:] for name in after.find(integer.Pad)]
    assert pads == ([left] if any(map(any, left)) else [])
    same_values(before, after)


def test_a_border_with_two_readers_stays() -> None:
    graph = integer_graph(integer.Pad(((0, 0), (1, 1), (1, 0)), 5))
    pool = integer.MaxPool((3, 3), (2, 2))
    a, b = (graph.add(n, pool, ["op0"]) for n in ("a", "b"))
    graph.add("sum", integer.Concat(), [a, b])
    after = run_passes(graph, [ExplicitPadding()])
    assert after.op("op0").pads == ((0, 0), (1, 1), (1, 0))


def test_padding_of_channels_and_borders_is_parted() -> None:
    before = integer_graph(integer.Pad(((1, 2), (0, 1), (3, 0)), -2))
    after = run_passes(before, [ExplicitPadding()])
    assert text(after).splitlines()[1:3] == [
        "%op0: 5x5x6 [-7..8] = Pad(%x) pads=((1,2),(0,0),(0,0)) code=-2",
        "%op0_border: 5x6x9 [-7..8] = Pad(%op0) pads=((0,0),(0,1),(3,0)) code=-2",
    ]
    same_values(before, after)


def test_padding_of_nothing_vanishes() -> None:
    after = run_passes(integer_graph(integer.Pad(((0, 0), (0, 0), (0, 0)), 0)), [ExplicitPadding()])
    assert list(after) == ["x", "y"]


def test_strided_pointwise() -> None:
    before = integer_graph(integer.Conv(W1, (2, 3)))
    after = run_passes(before, [SplitStridedPointwise()])
    lines = text(after).splitlines()
    assert lines[1] == "%op0_slice: 2x3x2 [-7..8] = Slice(%x) y0=0 dy=2 ny=3 x0=0 dx=3 nx=2"
    assert lines[2].endswith("= Conv(%op0_slice) weight=int64[3x2x1x1]")
    same_values(before, after)


def concat(count: int) -> Graph:
    graph = integer_graph()
    parts = ["x"]
    for k in range(1, count):
        graph.add(f"part{k}", integer.Pad(((0, k - 1), (0, 0), (0, 0)), k), ["x"])
        parts.append(f"part{k}")
    graph.add("cat", integer.Concat(), parts)
    graph.reconnect("y", 0, "cat")
    return graph


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_concats_in_pairs(count: int) -> None:
    before = concat(count)
    after = run_passes(before, [PairConcats()])
    assert [len(after.inputs(name)) for name in after.find(integer.Concat)] == [2] * (count - 1)
    assert ("cat" in after) == (count > 1), "the name stays with the whole"
    same_values(before, after)


@pytest.mark.parametrize(
    ("step", "graph"),
    [
        (ExplicitPadding(), integer_graph(integer.Conv(W3))),
        (ExplicitPadding(), integer_graph(integer.Pad(((1, 0), (0, 0), (0, 0)), 1))),
        (ExplicitPadding(), integer_graph(integer.Pad(((0, 0), (2, 0), (0, 1)), 1))),
        (SplitStridedPointwise(), integer_graph(integer.Conv(W3, (2, 2)))),
        (SplitStridedPointwise(), integer_graph(integer.Conv(W1))),
        (SplitStridedPointwise(), integer_graph(integer.Conv(W1, (2, 2), (1, 1, 1, 1)))),
        (PairConcats(), concat(2)),
    ],
)
def test_left_alone(step: Pass, graph: Graph) -> None:
    assert str(run_passes(graph, [step])) == str(graph)
