"""Step functions of integers, run fast where floating point is proven exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from qcompiler.errors import QCompilerError
from qcompiler.ir import integer
from qcompiler.ir.types import IntType

Array = np.ndarray[Any, Any]
FLOAT32, FLOAT64, INT64 = 2**24, 2**53, 2**63
MOST_CODES = 1024  # beyond, no float32 line is precise enough
MOST_DIRECT = 2**23  # entries; their places are exact in float32
UNIT = 2.0**-22  # four float32 roundings: product, sum, and the constants' own


@dataclass(frozen=True, eq=False)
class StepKernel:
    """codes = clamp(floor(x·a + b), lo, hi) per channel; ``a``, ``b`` of shape (1, C, 1, 1)."""

    a: torch.Tensor
    b: torch.Tensor
    lo: float
    hi: float

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        x = x.to(self.a.dtype)
        return torch.addcmul(self.b, x, self.a).clamp_(self.lo, self.hi).floor_()


@dataclass(frozen=True, eq=False)
class TableKernel:
    """The general form: count thresholds, look the code up. thresholds (C, K), table (C, K+1)."""

    thresholds: torch.Tensor
    table: torch.Tensor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        n, c, h, w = x.shape
        flat = x.to(self.thresholds.dtype).permute(1, 0, 2, 3).reshape(c, -1).contiguous()
        count = torch.searchsorted(self.thresholds, flat, right=True)
        return self.table.gather(1, count).reshape(c, n, h, w).permute(1, 0, 2, 3)


@dataclass(frozen=True, eq=False)
class DirectKernel:
    """The code of every integer of a small domain: ``table[first + x]``.

    first (C,) float32 is where a channel's codes begin, less the least x; table is flat.
    """

    first: torch.Tensor
    table: torch.Tensor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        places = x.to(torch.float32).permute(0, 2, 3, 1) + self.first
        codes = self.table.index_select(0, places.reshape(-1).to(torch.int32))
        return codes.reshape(places.shape).permute(0, 3, 1, 2).to(torch.float32)


def step_table_kernel(op: integer.StepTable, domain: IntType) -> tuple[Any, str]:
    """The fastest kernel proven exact for every x of ``domain``, and its name for reports."""
    fitted = _fit_affine(op, domain)
    if fitted is not None:
        a, b, lo, hi = fitted
        return StepKernel(
            _channels(a, torch.float32), _channels(b, torch.float32), lo, hi
        ), "float32 affine"
    reach, size = max(abs(domain.lo), abs(domain.hi)), domain.hi - domain.lo + 1
    wide = reach >= FLOAT32
    thresholds = np.clip(op.thresholds, domain.lo, domain.hi + 1)
    if len(thresholds) * size <= MOST_DIRECT and reach < MOST_DIRECT and op.out.bits < 16:
        return _direct(thresholds, op.table, domain), "direct table"
    dtype = torch.float64 if wide else torch.float32
    kernel = TableKernel(
        torch.from_numpy(thresholds).to(dtype), torch.from_numpy(op.table).to(dtype)
    )
    return kernel, f"{'float64' if wide else 'float32'} search"


def _direct(thresholds: Array, table: Array, domain: IntType) -> DirectKernel:
    channels, size = len(thresholds), domain.hi - domain.lo + 1
    ends = np.array([[domain.lo], [domain.hi + 1]]).repeat(channels, 1)
    lengths = np.diff(np.concatenate([ends[:1].T, thresholds, ends[1:].T], axis=1), axis=1)
    codes = torch.from_numpy(np.repeat(table.reshape(-1), lengths.reshape(-1)))
    first = torch.arange(channels, dtype=torch.float32) * size - domain.lo
    return DirectKernel(first, codes.to(torch.int16))


def scale_shift_kernel(op: integer.ScaleShift, domain: IntType, name: str = "") -> tuple[Any, str]:
    """float64: x·m + r is exact below 2^53, and so are the division by 2^n and the floor."""
    reach = max(abs(domain.lo), abs(domain.hi)) * int(np.abs(op.m).max()) + int(np.abs(op.r).max())
    if reach < FLOAT64:
        a = _channels(op.m / 2.0**op.n, torch.float64)
        b = _channels(op.r / 2.0**op.n, torch.float64)
        return StepKernel(a, b, float(op.clamp.lo), float(op.clamp.hi)), "float64 affine"
    if reach >= INT64:
        raise QCompilerError(
            f"its products reach {reach}, beyond what the reference computes exactly", where=name
        )
    return _int64_kernel(op), "int64"


def lookup_kernel(op: integer.Lookup, domain: IntType) -> tuple[Any, str]:
    """One table for all channels; codes keep their place in memory."""
    table = torch.from_numpy(op.table).to(torch.float32)

    def kernel(x: torch.Tensor) -> torch.Tensor:
        return table[(x - domain.lo).to(torch.int64)]

    return kernel, "lookup"


def _int64_kernel(op: integer.ScaleShift) -> Any:
    m, r = _channels(op.m, torch.int64), _channels(op.r, torch.int64)

    def kernel(x: torch.Tensor) -> torch.Tensor:
        codes = ((x.to(torch.int64) * m + r) >> op.n).clamp(op.clamp.lo, op.clamp.hi)
        return codes.to(torch.float32)

    return kernel


def _channels(values: Array, dtype: torch.dtype) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values)).to(dtype).reshape(1, -1, 1, 1)


def _fit_affine(op: integer.StepTable, domain: IntType) -> tuple[Array, Array, float, float] | None:
    """Find (a, b) per channel with floor(a·x + b) the code, by more than float32 can round away.

    The code is a rising staircase; only the two sides of each threshold matter, because the affine
    map is monotone. Returns None where a channel has no such line.
    """
    lo, hi = int(op.table.min()), int(op.table.max())
    if not (np.diff(op.table, axis=1) == 1).all() or (op.table[:, 0] != lo).any():
        return None
    if max(abs(domain.lo), abs(domain.hi)) >= FLOAT32 or op.table.shape[1] > MOST_CODES:
        return None
    slopes, shifts = [], []
    for thresholds in op.thresholds:
        fit = _fit_channel(thresholds.astype(np.float64), lo, domain)
        if fit is None:
            return None
        slopes.append(fit[0])
        shifts.append(fit[1])
    return np.array(slopes), np.array(shifts), float(lo), float(hi)


def _fit_channel(t: Array, lo: int, domain: IntType) -> tuple[float, float] | None:
    k = lo + np.arange(1, len(t) + 1)
    inside = (t > domain.lo) & (t <= domain.hi)
    first, last = int((t <= domain.lo).sum()), int((t <= domain.hi).sum())
    if not inside.any():  # one code over the whole domain
        return 0.0, lo + first + 0.5
    ti, ki = t[inside], k[inside]
    # where the staircase is cut off by the domain, not by the clamp, its ends bound the line too
    over = [(float(domain.hi), lo + last + 1.0)] if last < len(t) else []
    under = [(float(domain.lo), float(lo + first))] if first > 0 else []
    for slope in _slopes(ti, ki, domain):
        a = float(np.float32(slope))
        if a <= 0:
            continue
        floor = np.array([*(ki - a * ti), *(code - a * p for p, code in under)])
        ceil = np.array([*(ki - a * (ti - 1)), *(code - a * p for p, code in over)])
        reach = a * max(abs(domain.lo), abs(domain.hi))
        margin = UNIT * (2 * reach + float(np.abs(floor).max()) + 1)
        least, most = floor.max() + margin, ceil.min() - margin
        if least < most:
            return a, float(np.float32((least + most) / 2))
    return None


def _slopes(t: Array, k: Array, domain: IntType) -> list[float]:
    """Slopes worth trying for codes ``k`` that start at ``t``."""
    run, rise = float(t[-1] - t[0]), float(k[-1] - k[0])
    if run == 0:
        return [min(0.5, 1.0 / (domain.hi - domain.lo + 1))] if rise == 0 else []
    centred = t - t.mean()
    least_squares = float((centred * k).sum() / (centred**2).sum())
    spread = (-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75)
    return [least_squares, *(rise / (run + d) for d in spread if run + d > 0)]
