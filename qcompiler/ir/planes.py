"""Integer weights as bit planes: ``w = Σ_p sign_p · 2^exp_p · bits_p`` (docs/numerics.md §4)."""

from __future__ import annotations

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


def _live(signs: list[int], exps: list[int], planes: list[Array]) -> Planes:
    """Drop planes without a one: they cost neither a cycle nor memory."""
    kept = [k for k, plane in enumerate(planes) if plane.any()]
    order = sorted(kept, key=lambda k: (-exps[k], signs[k]))
    shape = planes[0].shape
    bits = np.stack([planes[k] for k in order]) if order else np.zeros((0, *shape), np.uint8)
    return Planes(tuple(signs[k] for k in order), tuple(exps[k] for k in order), bits)


def twos_complement(weight: Array) -> Planes:
    """Planes of the two's complement: the top one is negative if any weight is."""
    w = weight.astype(np.int64)
    width = max(int(w.max()).bit_length(), int(-w.min() - 1).bit_length() if w.min() < 0 else 0)
    exps = list(range(width))
    planes = [((w >> e) & 1).astype(np.uint8) for e in exps]
    signs = [1] * width
    if w.min() < 0:
        exps, signs = [*exps, width], [*signs, -1]
        planes.append((w < 0).astype(np.uint8))
    if not exps:
        exps, signs, planes = [0], [1], [np.zeros(w.shape, np.uint8)]
    return _live(signs, exps, planes)


def sign_magnitude(weight: Array) -> Planes:
    """Positive and negative digits in planes of their own: cheaper where few planes are live."""
    w = weight.astype(np.int64)
    width = max(int(np.abs(w).max()).bit_length(), 1)
    signs, exps, planes = [], [], []
    for sign in (1, -1):
        part = np.where(w * sign > 0, np.abs(w), 0)
        for e in range(width):
            signs.append(sign)
            exps.append(e)
            planes.append(((part >> e) & 1).astype(np.uint8))
    return _live(signs, exps, planes)


def encode(weight: Array) -> Planes:
    """The shorter plane list; two's complement wins ties."""
    return min((twos_complement(weight), sign_magnitude(weight)), key=len)
