"""Integer weights as bit planes: ``w = Σ_p sign_p · 2^exp_p · bits_p`` (docs/numerics.md §4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Planes:
    """A plane list, most significant first. ``bits`` is uint8 (P, *weight.shape) of 0 and 1."""

    signs: tuple[int, ...]
    exps: tuple[int, ...]
    bits: Array

    def __len__(self) -> int:
        return len(self.signs)

    def weights(self) -> Array:
        """The weights that the planes stand for, int64."""
        total = np.zeros(self.bits.shape[1:], np.int64)
        for sign, exp, plane in zip(self.signs, self.exps, self.bits, strict=True):
            total += sign * (plane.astype(np.int64) << exp)
        return total


# ---- three ways to write an integer as a difference of two bit strings ---------------------------

Digits = Callable[[Array], tuple[Array, Array]]
"""int64 weights -> bits that count, bits that count negative: ``w = plus - minus``."""


def _twos_digits(w: Array) -> tuple[Array, Array]:
    width = int(np.bitwise_or.reduce(w ^ (w >> 63), axis=None)).bit_length()
    return w & ((1 << width) - 1), (w < 0).astype(np.int64) << width


def _magnitude_digits(w: Array) -> tuple[Array, Array]:
    return np.maximum(w, 0), np.maximum(-w, 0)


def canonical_digits(w: Any) -> tuple[Any, Any]:
    """Plus and minus digits of integers, as bits: canonical signed digits (Reitwiesner 1960).

    ``2w = 3w - w``, bit by bit: no two neighbouring digits are left.
    """
    return (3 * w & ~w) >> 1, (w & ~(3 * w)) >> 1


def signed_digits(value: int) -> list[tuple[int, int]]:
    """(exponent, sign) of the `canonical_digits` of one integer that are not 0, lowest first."""
    plus, minus = canonical_digits(value)
    live = plus | minus
    places = [place for place in range(live.bit_length()) if live >> place & 1]
    return [(place, 1 if plus >> place & 1 else -1) for place in places]


_DIGITS: tuple[Digits, ...] = (_twos_digits, _magnitude_digits, canonical_digits)
"""In the order in which ties are decided."""


def _live(plus: int, minus: int) -> list[tuple[int, int]]:
    """(sign, exponent) of the bits that are set, most significant first."""
    found = [(-1, e) for e in range(minus.bit_length()) if minus >> e & 1]
    found += [(1, e) for e in range(plus.bit_length()) if plus >> e & 1]
    return sorted(found, key=lambda plane: (-plane[1], plane[0]))


def _planes(weight: Array, digits: Digits) -> Planes:
    """The planes that hold a one: others would cost neither a cycle nor memory."""
    plus, minus = digits(weight.astype(np.int64))
    live = _live(*(int(np.bitwise_or.reduce(part, axis=None)) for part in (plus, minus)))
    bits = np.zeros((len(live), *weight.shape), np.uint8)
    for plane, (sign, exp) in zip(bits, live, strict=True):
        plane[...] = ((plus if sign > 0 else minus) >> exp) & 1
    return Planes(tuple(s for s, _ in live), tuple(e for _, e in live), bits)


def twos_complement(weight: Array) -> Planes:
    """Planes of the two's complement: the top one is negative if any weight is."""
    return _planes(weight, _twos_digits)


def sign_magnitude(weight: Array) -> Planes:
    """Positive and negative digits in planes of their own: cheaper where few planes are live."""
    return _planes(weight, _magnitude_digits)


def canonical(weight: Array) -> Planes:
    """Canonical signed digits (non-adjacent form): cheapest for sums and differences of two powers.

    No other way to write a number with signed digits has fewer that are not zero.
    """
    return _planes(weight, canonical_digits)


# ---- the choice ----------------------------------------------------------------------------------

PlaneList = tuple[tuple[int, int], ...]
"""(sign, exponent) of each plane, most significant first."""


def channel_masks(weight: Array) -> Array:
    """All that decides the plane list of a set of output channels.

    Args:
        weight: Integers of magnitude below 2^61, (C_out, …).

    Returns:
        int64 (C_out, 6). Those of a set of channels are the bitwise or of theirs.
    """
    w = weight.reshape(len(weight), -1).astype(np.int64)
    parts = [w, w ^ (w >> 63), *_magnitude_digits(w), *canonical_digits(w)]
    return np.stack([np.bitwise_or.reduce(part, axis=1) for part in parts], axis=1)


def _cheapest(masks: Sequence[int]) -> tuple[int, PlaneList]:
    """Index in ``_DIGITS`` and plane list of the channels with these masks."""
    low, span, plus, minus, canonical_plus, canonical_minus = (int(m) for m in masks)
    width = span.bit_length()
    pairs = [
        (low & ((1 << width) - 1), int(low < 0) << width),
        (plus, minus),
        (canonical_plus, canonical_minus),
    ]
    counts = [p.bit_count() + m.bit_count() for p, m in pairs]
    best = counts.index(min(counts))
    return best, tuple(_live(*pairs[best]))


def encode(weight: Array) -> Planes:
    """The cheapest of two's complement, sign-magnitude digits and canonical signed digits.

    Fewest planes win, which are cycles. As many planes are as many bits of weight memory, so a tie
    is one of memory too: two's complement wins it, then sign-magnitude. Gaps between planes and
    powers of two that all weights share cost nothing.

    Args:
        weight: Integers of magnitude below 2^61, (C_out, …).
    """
    masks = np.bitwise_or.reduce(channel_masks(weight), axis=0)
    return _planes(weight, _DIGITS[_cheapest(masks)[0]])


# ---- output folds --------------------------------------------------------------------------------


class FoldPlanes:
    """Plane lists of the folds of a layer's output channels, for any number of PEs.

    A fold is ``pe`` consecutive channels of a conv group. The folds at the same place of all groups
    share a list.

    Args:
        weight: Integers of magnitude below 2^61, (C_out, …).
        groups: Conv groups.
    """

    def __init__(self, weight: Array, groups: int) -> None:
        self._masks = channel_masks(weight).reshape(groups, len(weight) // groups, -1)
        self._lists: dict[int, tuple[PlaneList, ...]] = {}

    def lists(self, pe: int) -> tuple[PlaneList, ...]:
        """The list of each fold of ``pe`` channels; empty where all weights are zero."""
        if pe not in self._lists:
            groups, channels, _ = self._masks.shape
            folded = self._masks.reshape(groups, channels // pe, pe, -1)
            masks = np.bitwise_or.reduce(np.bitwise_or.reduce(folded, axis=2), axis=0)
            self._lists[pe] = tuple(_cheapest(fold)[1] for fold in masks)
        return self._lists[pe]


def encode_folds(weight: Array, groups: int, pe: int) -> tuple[Planes, ...]:
    """The planes of each output fold.

    Returns:
        For each fold of ``pe`` channels of a conv group (see `FoldPlanes`), ``bits`` of shape
        (P, groups · pe, …): the fold's channels of the first group, then of the next.
    """
    grouped = weight.reshape(groups, len(weight) // groups // pe, pe, *weight.shape[1:])
    parts = [grouped[:, fold] for fold in range(grouped.shape[1])]
    return tuple(encode(part.reshape(groups * pe, *weight.shape[1:])) for part in parts)
