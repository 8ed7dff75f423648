"""The Winograd matrices against direct correlation, and that every claimed range is reached."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qcompiler.errors import GraphError
from qcompiler.ir.types import IntType
from qcompiler.ir.winograd import TILES, Ranges, Tile, tile

Array = np.ndarray[Any, Any]
TYPES = [IntType(0, 1), IntType(-1, 1), IntType(0, 15), IntType(-8, 7), IntType(-63, 63),
         IntType(0, 255), IntType(-128, 127), IntType(3, 9), IntType(-9, -2)]  # fmt: skip


def direct(w: Array, d: Array) -> Array:
    """(O, m, m) outputs of kernels (O, I, 3, 3) on a tile (I, t, t)."""
    m = d.shape[1] - 2
    patches = np.lib.stride_tricks.sliding_window_view(d, (3, 3), axis=(1, 2))
    assert patches.shape[1:3] == (m, m)
    return np.einsum("ocij,cyxij->oyx", w, patches)


@pytest.mark.parametrize("m", TILES)
def test_the_algorithm_is_the_bilinear_identity(m: int) -> None:
    """On unit kernels and unit tiles, so for all of them; no division leaves a rest."""
    t = tile(m)
    for k in range(9):
        w = np.zeros((1, 1, 9), np.int64)
        w[0, 0, k] = 1
        u = t.weights(w.reshape(1, 1, 3, 3))
        for place in range(t.t**2):
            d = np.zeros(t.t**2, np.int64)
            d[place] = 1
            d = d.reshape(1, t.t, t.t)
            sums = np.einsum("ocij,cij->oij", u, t.transform(d))
            folded = np.array(t.folded) @ sums @ np.array(t.folded).T
            wanted = direct(w.reshape(1, 1, 3, 3), d)
            np.testing.assert_array_equal(folded, wanted * np.outer(t.divisors, t.divisors))
            np.testing.assert_array_equal(t.outputs(sums), wanted)


def test_the_matrices_of_the_literature() -> None:
    two, four = tile(2), tile(4)
    assert (two.m, two.t, four.m, four.t) == (2, 4, 4, 6)
    assert two.folded == two.output and two.divisors == (2, 2) and two.odd == 1
    scaled = np.array(four.kernel) * np.array(four.factors)[:, None]  # 24 G of Lavin & Gray
    assert scaled.tolist() == [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4],
                               [0, 0, 24]]  # fmt: skip
    assert four.divisors == (24, 12, 6, 6) and four.shifts == (3, 2, 1, 1) and four.odd == 3
    # the largest growth: L1 norms of Bᵀ and G', squared
    assert [int(np.abs(t.data).sum(1).max()) ** 2 for t in (two, four)] == [4, 100]
    assert [int(np.abs(t.kernel).sum(1).max()) ** 2 for t in (two, four)] == [9, 49]


def test_the_inverse_divides() -> None:
    for bits in range(1, 40):
        inverse = tile(4).inverse(bits)
        for value in (0, 1, 5, -1, -7, 12345):
            assert (9 * value * inverse - value) % (1 << bits) == 0
    assert tile(2).inverse(20) == 1


@pytest.mark.parametrize("m", TILES)
@pytest.mark.parametrize("x", TYPES, ids=str)
def test_the_data_range_is_attained(m: int, x: IntType) -> None:
    t, b = tile(m), np.array(tile(m).data)
    signs = np.einsum("ia,jb->ijab", b, b).reshape(-1, t.t, t.t)  # one tile for each position
    tiles = np.concatenate([np.where(signs > 0, x.hi, x.lo), np.where(signs < 0, x.hi, x.lo)])
    v = t.transform(tiles)
    found = t.data_range(x)
    assert (int(v.min()), int(v.max())) == (found.lo, found.hi)


def reach(t: Tile, w: Array, x: IntType) -> list[Array]:
    """Tiles (I, t, t) that drive every stage to both ends of its range."""
    u, b = t.weights(w), np.array(t.data)
    masks: list[Array] = []
    for o in range(len(w)):
        masks += [w[o][:, None, None] * np.ones((1, 1, 1, 1, 1))]
        masks += [
            np.einsum("c,a,b->cab", u[o, :, i, j], b[i], b[j])
            for i in range(t.t)
            for j in range(t.t)
        ]
        for i in range(t.t):  # row i after the transform along the columns: the first three taps
            row = np.zeros((w.shape[1], t.t, t.t))
            taps = np.einsum("a,cak->ck", np.array(t.kernel)[i], w[o])
            row[:, :, :3] = b[i][None, :, None] * taps[:, None, :]
            masks.append(row)
        window = np.zeros((w.shape[1], t.t, t.t))
        window[:, :3, :3] = w[o]
        masks.append(window)
    masks = [mask for mask in masks if mask.shape == (w.shape[1], t.t, t.t)]
    return [np.where(s * mask > 0, x.hi, x.lo) for mask in masks for s in (1, -1)]


@pytest.mark.parametrize("m", TILES)
@pytest.mark.parametrize("x", TYPES[2:], ids=str)
def test_every_range_is_attained(m: int, x: IntType) -> None:
    t, rng = tile(m), np.random.default_rng(m)
    w = rng.integers(-7, 8, (2, 3, 3, 3))
    folded, divisors = np.array(t.folded), np.array(t.divisors)
    seen: dict[str, list[Array]] = {"products": [], "rows": [], "sums": [], "result": []}
    for d in reach(t, w, x):
        sums = np.einsum("ocij,cij->oij", t.weights(w), t.transform(d))
        rows = sums @ folded.T
        both = folded @ (rows >> np.array(t.shifts))
        seen["products"].append(sums)
        seen["rows"].append(rows)
        seen["sums"].append(both)
        seen["result"].append(direct(w, d))
        np.testing.assert_array_equal(t.outputs(sums), direct(w, d))
        assert not (rows % divisors).any(), "exact one dimension at a time"
        assert not (both % (divisors[:, None] * t.odd)).any()
    found: Ranges = t.ranges(w, x)
    for name, values in seen.items():
        kind = getattr(found, name)
        assert (np.min(values), np.max(values)) == (kind.lo, kind.hi), name
    u = t.weights(w)
    assert (found.kernel.lo, found.kernel.hi) == (int(u.min()), int(u.max()))
    assert found.data == t.data_range(x)


def test_tiles_that_cover() -> None:
    two, four = tile(2), tile(4)
    assert [two.cover(n) for n in (1, 2, 3, 8)] == [4, 4, 6, 10]
    assert [four.cover(n) for n in (1, 4, 5, 8)] == [6, 6, 10, 10]
    assert [four.tiles(n) for n in (1, 4, 5)] == [1, 1, 2]


def test_refusals() -> None:
    with pytest.raises(GraphError, match="2 or 4 outputs a side, not 3"):
        tile(3)
    with pytest.raises(GraphError, match="a Winograd kernel is 3x3"):
        tile(2).weights(np.zeros((1, 1, 5, 5), np.int64))
