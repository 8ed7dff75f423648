"""The one quantizer (docs/numerics.md §2) on numpy arrays and torch tensors."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from qcompiler.ir.nn import QuantSpec
from qcompiler.ir.rounding import TIE

Array = np.ndarray[Any, Any]


@overload
def codes(spec: QuantSpec, x: Tensor, axis: int = 0) -> Tensor: ...
@overload
def codes(spec: QuantSpec, x: Array, axis: int = 0) -> Array: ...
def codes(spec: QuantSpec, x: Tensor | Array, axis: int = 0) -> Tensor | Array:
    """int64 codes ``clamp(round_half_even((x - offset) / step_in), lo, hi)``, in float64.

    ``axis`` of ``x`` carries the channels of a per-channel spec.
    """
    if isinstance(x, Tensor):
        return _rounded(spec, x.double(), axis).to(torch.int64)
    rounded = _rounded(spec, torch.from_numpy(np.asarray(x, np.float64)), axis)
    return rounded.numpy().astype(np.int64)


@overload
def values(spec: QuantSpec, q: Tensor, axis: int = 0) -> Tensor: ...
@overload
def values(spec: QuantSpec, q: Array, axis: int = 0) -> Array: ...
def values(spec: QuantSpec, q: Tensor | Array, axis: int = 0) -> Tensor | Array:
    """float64 values ``step_out * q + offset`` of codes."""
    if isinstance(q, Tensor):
        return _scaled(spec, q.double(), axis)
    return _scaled(spec, torch.from_numpy(np.asarray(q, np.float64)), axis).numpy()


def fake_quantize(spec: QuantSpec, x: Tensor, axis: int = 0) -> Tensor:
    """``value(code(x))`` in the dtype of ``x``; in float64 it equals ``values(codes(x))``."""
    return _scaled(spec, _rounded(spec, x, axis), axis)


def _rounded(spec: QuantSpec, x: Tensor, axis: int) -> Tensor:
    offset, step = _along(spec.offset, x, axis), _along(spec.step_in, x, axis)
    scaled = (x - offset) / step
    if x.dtype == torch.float64:  # ties survive the noise, as in qcompiler.ir.rounding
        scaled = torch.round(scaled * TIE) / TIE
    return torch.round(scaled).clamp(spec.lo, spec.hi)


def _scaled(spec: QuantSpec, q: Tensor, axis: int) -> Tensor:
    return _along(spec.step_out, q, axis) * q + _along(spec.offset, q, axis)


def _along(array: Array, like: Tensor, axis: int) -> Tensor:
    """A () or (C,) array in the dtype of ``like``, shaped to broadcast along ``axis``."""
    tensor = torch.as_tensor(np.asarray(array, np.float64), dtype=like.dtype, device=like.device)
    if tensor.ndim == 0:
        return tensor
    shape = [1] * like.ndim
    shape[axis] = -1
    return tensor.reshape(shape)
