"""Which layers become Winograd, which are refused, and their explicit padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qcompiler.errors import GraphError
from qcompiler.ir import integer
from qcompiler.ir.graph import Graph
from qcompiler.ir.types import IntType
from qcompiler.passes.base import run_passes
from qcompiler.passes.explicit import ExplicitPadding
from qcompiler.passes.winograd import UseWinograd, eligible, too_wide
from qcompiler.reference.integer import IntegerReference
from tests.graphs import integer_graph, text

rng = np.random.default_rng(5)
ONES = np.ones((3, 2, 3, 3), np.int64)
SAME = (1, 1, 1, 1)


def same_values(before: Graph, after: Graph) -> None:
    shape = before.type("x").shape
    codes = rng.integers(-7, 9, (4, *shape))
    one, two = (IntegerReference(g)(codes).numpy() for g in (before, after))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("m", [2, 4])
@pytest.mark.parametrize("padding", [(0, 0, 0, 0), SAME, (2, 0, 0, 1)])
@pytest.mark.parametrize("size", [(5, 6), (3, 3), (8, 10), (7, 9)])
def test_values_survive(m: int, padding: tuple[int, ...], size: tuple[int, int]) -> None:
    weight = rng.integers(-7, 8, (3, 2, 3, 3))
    before = integer_graph(integer.Conv(weight, padding=padding, pad_code=5), shape=(2, *size))
    chosen = run_passes(before, [UseWinograd({"op0": m})])
    assert isinstance(chosen.op("op0"), integer.WinogradConv)
    assert chosen.type("op0") == before.type("op0")
    same_values(before, chosen)
    explicit = run_passes(chosen, [ExplicitPadding()])
    same_values(before, explicit)
    assert explicit.type("op0") == before.type("op0")
    op = explicit.op("op0")
    rows, columns = explicit.type(explicit.inputs("op0")[0]).shape[1:]
    assert op.padding == (0, 0, 0, 0) and op.out_size == before.type("op0").shape[1:]
    assert (rows, columns) == tuple(op.tile.cover(n) for n in op.out_size)
    assert text(run_passes(explicit, [ExplicitPadding()])) == text(explicit), "nothing left to do"


def test_one_border_for_padding_and_tiles() -> None:
    conv = integer.Conv(ONES, padding=SAME, pad_code=5)
    after = run_passes(integer_graph(conv), [UseWinograd({"op0": 4}), ExplicitPadding()])
    assert text(after) == (
        "%x: 2x5x6 [-7..8] = Input() shape=(2,5,6) elem=[-7..8] step=1.0\n"
        "%op0_pad: 2x10x10 [-7..8] = Pad(%x) pads=((0,0),(1,4),(1,3)) code=5\n"
        "%op0: 3x5x6 [-126..144] = WinogradConv(%op0_pad) weight=int64[3x2x3x3] m=4 pad_code=5 "
        "out_size=(5,6)\n"
        "%y: 3x5x6 [-126..144] = Output(%op0) shape=(2,5,6) step=1.0"
    )


def test_a_border_of_any_code_inside_the_type() -> None:
    graph = integer_graph(integer.WinogradConv(ONES, 2), elem=IntType(3, 9))  # 0 is no code
    after = run_passes(graph, [ExplicitPadding()])
    assert after.op("op0_pad").code == 3
    (codes,) = (rng.integers(3, 10, (2, 2, 5, 6)),)
    one, two = (IntegerReference(g)(codes).numpy() for g in (graph, after))
    np.testing.assert_array_equal(one, two)


REFUSED: list[tuple[Any, str]] = [
    (integer.Conv(ONES[:, :, :1]), "its kernel is 1x3, not 3x3"),
    (integer.Conv(ONES, stride=(2, 1)), "its stride is 2x1, not 1"),
    (integer.Conv(ONES, dilation=(1, 2)), "its dilation is 1x2, not 1"),
    (integer.Conv(ONES[:2, :1], groups=2), "it has 2 groups, not 1"),
    (integer.Add(1, 1), "it is no convolution but Add"),
]


@pytest.mark.parametrize(("op", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_a_layer_that_is_not_eligible(op: Any, reason: str) -> None:
    assert eligible(op) == reason
    if isinstance(op, integer.Conv):
        with pytest.raises(GraphError, match=f"op0: Winograd does not fit: {reason}") as caught:
            run_passes(integer_graph(op), [UseWinograd({"op0": 2})])
        assert "another engine" in caught.value.hint


def test_an_unknown_layer() -> None:
    with pytest.raises(GraphError, match="conv9: there is no such layer"):
        run_passes(integer_graph(), [UseWinograd({"conv9": 2})])


def test_operands_too_wide_for_a_multiplier() -> None:
    elem = IntType(-(2**13), 2**13)  # V: 4 x that fits 18 bits, 100 x that does not
    conv = integer.Conv(ONES)
    assert eligible(conv) is None and too_wide(conv, 2, elem) is None
    with pytest.raises(GraphError, match=r"op0: Winograd 4x4: .*inputs of 21 bits") as caught:
        run_passes(integer_graph(conv, elem=elem), [UseWinograd({"op0": 4})])
    assert caught.value.hint.startswith("use tiles of 2x2")
    # 2^15 - 1 is nine times 3640.7: the centre of U has 17 bits and a sign up to there
    edge = integer.Conv(np.full((1, 1, 3, 3), (2**17 - 1) // 9))
    assert too_wide(edge, 2, IntType(0, 1)) is None
    wide = integer.Conv(np.full((1, 1, 3, 3), (2**17 - 1) // 9 + 1))
    assert "weights of 19 bits and inputs of 4 bits" in str(too_wide(wide, 2, IntType(0, 1)))
