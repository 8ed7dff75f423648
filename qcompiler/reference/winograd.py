"""Exact Winograd convolution in torch: through the transforms, as the hardware computes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from qcompiler.errors import QCompilerError
from qcompiler.ir import integer
from qcompiler.ir.types import IntType
from qcompiler.ir.winograd import Tile
from qcompiler.reference.steps import FLOAT32, FLOAT64

Array = np.ndarray[Any, Any]
Kernel = Callable[..., torch.Tensor]
INT64 = 2**63


def winograd_kernel(op: integer.WinogradConv, x: IntType, name: str) -> tuple[Kernel, str]:
    """What computes ``op`` on codes of type ``x`` (N, C, H, W), and its arithmetic by name.

    float32, float64 or int64: the first whose integers hold the sum of all magnitudes at every
    stage, so that every partial sum, in any order, is exact.

    Raises:
        QCompilerError: Not even int64 does, or the results are beyond float64.
    """
    tile, u = op.tile, op.tile.weights(op.weight)
    bound = largest_sum(tile, u, x)
    result = int(np.abs(op.weight).sum(axis=(1, 2, 3)).max()) * max(abs(x.lo), abs(x.hi))
    if bound >= INT64 or result >= FLOAT64:
        raise QCompilerError(
            f"its sums reach {max(bound, result)}, beyond what the reference computes exactly",
            where=name,
        )
    exact = ((torch.float32, FLOAT32), (torch.float64, FLOAT64), (torch.int64, INT64))
    dtype = next(kind for kind, limit in exact if bound < limit)
    matrix = torch.from_numpy(u).to(dtype).permute(2, 3, 0, 1).contiguous()  # (t, t, O, I)
    data = torch.tensor(tile.data).to(dtype)
    folded = torch.tensor(tile.folded).to(dtype)
    divisors = torch.tensor(np.outer(tile.divisors, tile.divisors)).to(dtype)

    def kernel(v: torch.Tensor) -> torch.Tensor:
        tiles, size = _gather(op, v.to(dtype))  # (N, C, rows, columns, t, t)
        transformed = data @ tiles @ data.T
        flat = transformed.permute(4, 5, 1, 0, 2, 3).flatten(3)  # (t, t, I, N·rows·columns)
        sums = (matrix @ flat).reshape(tile.t, tile.t, -1, len(v), *tiles.shape[2:4])
        sums = sums.permute(3, 2, 4, 5, 0, 1)
        outputs = folded @ sums @ folded.T
        outputs = outputs // divisors if dtype == torch.int64 else outputs / divisors
        joined = outputs.permute(0, 1, 2, 4, 3, 5).flatten(4).flatten(2, 3)
        cut: torch.Tensor = joined[:, :, : size[0], : size[1]]
        return cut.to(torch.float64) if dtype == torch.int64 else cut

    return kernel, f"{str(dtype)[6:]} winograd {op.m}x{op.m}"


def largest_sum(tile: Tile, u: Array, x: IntType) -> int:
    """The largest sum of magnitudes of any stage, in Python integers.

    Args:
        tile: The variant.
        u: The transformed kernels, (O, I, t, t).
        x: Type of the codes.
    """
    data = np.abs(np.array(tile.data, object)).sum(1)  # L1 norms of the rows of Bᵀ
    v = np.outer(data, data) * max(abs(x.lo), abs(x.hi))  # (t, t)
    products = (np.abs(u.astype(object)) * v).sum(1).max(0)
    folded = np.abs(np.array(tile.folded, object))
    return int(max(v.max(), products.max(), (folded @ products @ folded.T).max()))


def _gather(op: integer.WinogradConv, v: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int]]:
    """Overlapping tiles of the padded input, and how many rows and columns of outputs are kept."""
    tile, (top, left, bottom, right) = op.tile, op.padding
    v = F.pad(v, (left, right, top, bottom), value=op.pad_code)
    rows, columns = op.out_size or (v.shape[2] - 2, v.shape[3] - 2)
    below, beside = tile.cover(rows) - v.shape[2], tile.cover(columns) - v.shape[3]
    v = F.pad(v, (0, max(beside, 0), 0, max(below, 0)))  # any code does
    v = v[:, :, : tile.cover(rows), : tile.cover(columns)]
    return v.unfold(2, tile.t, tile.m).unfold(3, tile.t, tile.m), (rows, columns)
