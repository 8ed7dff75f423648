"""The algebra of exact integer Winograd convolution, F(m x m, 3x3) (docs/numerics.md §5).

Lavin & Gray, Fast Algorithms for Convolutional Neural Networks, 2016, over the points 0, ±1, (±2)
and infinity; the integer form for quantized networks is that of EasyQuant, arXiv 2006.16669. With
``scale`` * G = diag(factors) G', G' integer, a tile of m x m outputs is

    U = G' w G'ᵀ        V = Bᵀ d B        M = Σ_channels U ⊙ V
    Y = Aᵀ diag(f) M diag(f) A / scale²   (an exact division)

The factors f stay out of U, which keeps it narrow, and are taken up by Aᵀ. What the entries of a
row of Aᵀ diag(f) have in common is divided out: ``folded``, with ``divisors`` for scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import Any

import numpy as np

from qcompiler.errors import GraphError
from qcompiler.ir.types import IntType

Array = np.ndarray[Any, Any]
Matrix = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Ranges:
    """What the stages of one layer can hold, over all channels and positions; every end is reached.

    Attributes:
        data: V.
        kernel: U.
        products: M.
        rows: After Aᵀ along the columns of M, before the division by the divisors of x.
        sums: After Aᵀ along the rows too, before that by the divisors of y.
        result: The outputs.
    """

    data: IntType
    kernel: IntType
    products: IntType
    rows: IntType
    sums: IntType
    result: IntType


@dataclass(frozen=True)
class Tile:
    """One variant: tiles of ``m`` x ``m`` outputs from ``t`` x ``t`` inputs, t = m + 2.

    Args:
        data: Bᵀ, (t, t).
        kernel: G', (t, 3).
        factors: f, (t,).
        output: Aᵀ, (m, t).
        scale: What each of the two dimensions is divided by.
    """

    data: Matrix
    kernel: Matrix
    factors: tuple[int, ...]
    output: Matrix
    scale: int

    @property
    def m(self) -> int:
        return len(self.output)

    @property
    def t(self) -> int:
        return len(self.data)

    # ---- the division ---------------------------------------------------------------------------

    @cached_property
    def _common(self) -> tuple[int, ...]:
        """The greatest common divisor of each row of Aᵀ diag(f)."""
        weighted = np.array(self.output) * np.array(self.factors)
        return tuple(gcd(self.scale, *map(int, row)) for row in weighted)

    @cached_property
    def folded(self) -> Matrix:
        """Aᵀ diag(f) with each row in lowest terms, (m, t)."""
        weighted = np.array(self.output) * np.array(self.factors)
        rows = weighted // np.array(self._common)[:, None]
        return tuple(tuple(map(int, row)) for row in rows)

    @cached_property
    def divisors(self) -> tuple[int, ...]:
        """What row y of ``folded`` leaves to divide by, (m,); so does x in its dimension."""
        return tuple(self.scale // common for common in self._common)

    @cached_property
    def shifts(self) -> tuple[int, ...]:
        """Zero bits at the bottom of what row y of ``folded`` makes, (m,)."""
        return tuple((d & -d).bit_length() - 1 for d in self.divisors)

    @property
    def odd(self) -> int:
        """The odd part of the divisors, the same for all rows: 1 or 3."""
        (odd,) = {d >> s for d, s in zip(self.divisors, self.shifts, strict=True)}
        return odd

    def inverse(self, bits: int) -> int:
        """The inverse of odd² modulo 2^bits: a multiple times it is the quotient."""
        return pow(self.odd**2, -1, 1 << bits)

    # ---- transforms -----------------------------------------------------------------------------

    def weights(self, w: Array) -> Array:
        """U, int64 (O, I, t, t), of kernels ``w`` (O, I, 3, 3)."""
        if w.ndim != 4 or w.shape[2:] != (3, 3):
            raise GraphError(f"a Winograd kernel is 3x3, the weight has shape {w.shape}")
        g = np.array(self.kernel, np.int64)
        result: Array = g @ w.astype(np.int64) @ g.T
        return result

    def transform(self, d: Array) -> Array:
        """V, int64 (…, t, t), of input tiles ``d`` (…, t, t)."""
        b = np.array(self.data, np.int64)
        result: Array = b @ d.astype(np.int64) @ b.T
        return result

    def outputs(self, m: Array) -> Array:
        """Y, int64 (…, m, m), of channel sums ``m`` (…, t, t); the divisions are exact."""
        a, d = np.array(self.folded, np.int64), np.array(self.divisors, np.int64)
        result: Array = a @ m.astype(np.int64) @ a.T // np.outer(d, d)
        return result

    # ---- sizes ----------------------------------------------------------------------------------

    def tiles(self, size: int) -> int:
        """Tiles that cover ``size`` outputs in one dimension."""
        return -(-size // self.m)

    def cover(self, size: int) -> int:
        """Inputs under these tiles."""
        return self.tiles(size) * self.m + self.t - self.m

    # ---- ranges ---------------------------------------------------------------------------------

    def data_range(self, x: IntType) -> IntType:
        """V for codes of type ``x``: the union over all positions."""
        low, high = self._data_ends(x)
        return IntType(int(low.min()), int(high.max()))

    def _data_ends(self, x: IntType) -> tuple[Array, Array]:
        """Least and largest V at each position, int64 (t, t)."""
        b = np.array(self.data, np.int64)
        return _ends(np.einsum("ia,jb->ijab", b, b), x, axes=(2, 3))

    def ranges(self, w: Array, x: IntType) -> Ranges:
        """The ranges of a layer with the real kernels ``w`` (O, I, 3, 3) on codes ``x``."""
        key = self.m, id(w), x.lo, x.hi
        if key not in _KNOWN:
            while len(_KNOWN) >= MOST_KNOWN:
                _KNOWN.pop(next(iter(_KNOWN)))
            _KNOWN[key] = w, self._ranges(w, x)
        return _KNOWN[key][1]

    def _ranges(self, w: Array, x: IntType) -> Ranges:
        u = self.weights(w)
        low, high = self._data_ends(x)
        products = _union(
            np.minimum(u * low, u * high).sum(1), np.maximum(u * low, u * high).sum(1)
        )
        # One dimension at a time the algorithm is a correlation: row i of M becomes that of row i
        # of G' w, three taps, with row i of Bᵀ d.
        b, g = np.array(self.data, np.int64), np.array(self.kernel, np.int64)
        low, high = _ends(b, x, axes=(1,))
        taps = np.einsum("ia,ocak->iock", g, w.astype(np.int64))
        least = np.minimum(taps * low[:, None, None, None], taps * high[:, None, None, None])
        most = np.maximum(taps * low[:, None, None, None], taps * high[:, None, None, None])
        rows = _union(least.sum((2, 3)), most.sum((2, 3))).scaled(max(self.divisors))
        result = _union(*_ends(w.astype(np.int64), x, axes=(1, 2, 3)))
        sums = result.scaled(max(self.divisors) * self.odd)
        return Ranges(
            self.data_range(x), IntType(int(u.min()), int(u.max())), products, rows, sums, result
        )


_KNOWN: dict[tuple[int, int, int, int], tuple[Array, Ranges]] = {}
"""Ranges by tile, kernels and codes: each folding of a layer asks for the same. A kernel that is
held here keeps its id."""
MOST_KNOWN = 256


def _ends(coefficients: Array, x: IntType, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Least and largest ``Σ coefficients * x`` over ``axes``."""
    low, high = coefficients * x.lo, coefficients * x.hi
    return np.minimum(low, high).sum(axes), np.maximum(low, high).sum(axes)


def _union(low: Array, high: Array) -> IntType:
    return IntType(int(low.min()), int(high.max()))


def digits(value: int) -> list[tuple[int, bool]]:
    """(shift, negative) of the signed binary digits of ``value``, as few as can be.

    >>> digits(-5), digits(6)
    ([(0, True), (2, True)], [(1, True), (3, False)])
    """
    found, left, shift = [], abs(value), 0
    while left:
        if left & 1:
            minus = left % 4 == 3
            found.append((shift, minus != (value < 0)))
            left += 1 if minus else -1
        left, shift = left >> 1, shift + 1
    return found


TILES = {
    2: Tile(
        data=((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1)),
        kernel=((2, 0, 0), (1, 1, 1), (1, -1, 1), (0, 0, 2)),
        factors=(1, 1, 1, 1),
        output=((1, 1, 1, 0), (0, 1, -1, 1)),
        scale=2,
    ),
    4: Tile(
        data=(
            (4, 0, -5, 0, 1, 0),
            (0, -4, -4, 1, 1, 0),
            (0, 4, -4, -1, 1, 0),
            (0, -2, -1, 2, 1, 0),
            (0, 2, -1, -2, 1, 0),
            (0, 4, 0, -5, 0, 1),
        ),
        kernel=((1, 0, 0), (-1, -1, -1), (-1, 1, -1), (1, 2, 4), (1, -2, 4), (0, 0, 1)),
        factors=(6, 4, 4, 1, 1, 24),
        output=((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)),
        scale=24,
    ),
}


def tile(m: int) -> Tile:
    """The variant with tiles of ``m`` x ``m`` outputs; raises GraphError where there is none."""
    if m not in TILES:
        raise GraphError(f"Winograd tiles have 2 or 4 outputs a side, not {m}")
    return TILES[m]
