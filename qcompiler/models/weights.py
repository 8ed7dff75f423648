"""Fill a model with the weights of a file."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from qcompiler.arrays import read_archive
from qcompiler.errors import QCompilerError


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill a model from an npz or a state dict of ``torch.save``, which cannot run code.

    Raises:
        QCompilerError: The file is none, or its arrays are not the model's.
    """
    state = _npz(path) if path.suffix == ".npz" else _state_dict(path)
    what = f"does not fit {type(model).__name__}"
    try:
        missing, unexpected = model.load_state_dict(state, strict=False)
    except RuntimeError as error:  # a shape that differs
        lines = str(error).splitlines()
        raise QCompilerError(f"{what}: {lines[-1].strip()}", where=str(path)) from None
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    for problem, keys in (("lacks", missing), ("it has no", unexpected)):
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            raise QCompilerError(f"{what}: {problem} {', '.join(keys[:3])}{more}", where=str(path))
    for name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise QCompilerError(f"{name} holds NaN or infinity", where=str(path))


def _npz(path: Path) -> dict[str, Tensor]:
    arrays = read_archive(path, "save each array of model.state_dict() under its key")
    try:
        return {key: torch.from_numpy(array) for key, array in arrays.items()}
    except TypeError as error:  # text, or integers that torch has not
        raise QCompilerError(f"is no state dict: {first_line(error)}", where=str(path)) from None


def _state_dict(path: Path) -> dict[str, Tensor]:
    hint = "save it with torch.save(model.state_dict(), path)"
    if not path.is_file():
        raise QCompilerError("there is no such file", where=str(path), hint=hint)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise QCompilerError(
            f"is no readable state dict: {first_line(error)}", where=str(path), hint=hint
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        held = f"; it holds {', '.join(map(str, state))}" if isinstance(state, dict) else ""
        raise QCompilerError(f"is no state dict of tensors alone{held}", where=str(path), hint=hint)
    return state


def first_line(error: Exception) -> str:
    """One line of what an exception says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def fill_keras(tensor: Tensor, array: np.ndarray[Any, Any], depthwise: bool, where: str) -> None:
    """Copy a Keras array into a torch tensor, its axes in torch's order."""
    if array.ndim == 4:  # HWIO, or (H, W, C, 1), to OIHW
        array = array.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
    elif array.ndim == 2:
        array = array.T
    if array.shape != tuple(tensor.shape):
        raise QCompilerError(
            f"shape {array.shape} was found, {tuple(tensor.shape)} expected", where=where
        )
    with torch.no_grad():
        tensor.copy_(torch.from_numpy(np.ascontiguousarray(array)))
