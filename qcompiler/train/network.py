"""The model of a run: imported, filled with weights, checked against the data."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from qcompiler.arrays import read_archive
from qcompiler.errors import QCompilerError
from qcompiler.train.batches import derived

NAMES = "; an array `classes` beside the labels names those of which there is no image"
HINT = "write package.module:function, a callable without arguments that returns an nn.Module"


def make_model(path: str, seed: int) -> nn.Module:
    """Call ``package.module:function``; its random numbers come from ``seed`` alone.

    Modules of the current folder are found too. Raises QCompilerError if it gives no nn.Module.
    """
    module_name, colon, name = path.partition(":")
    if not colon or not module_name or not name:
        raise QCompilerError(f"{path!r} is no model path", where="model", hint=HINT)
    make: Any = _import(module_name)
    for part in name.split("."):
        if not hasattr(make, part):
            raise QCompilerError(f"{module_name} has no {name}", where="model", hint=HINT)
        make = getattr(make, part)
    if not callable(make) or isinstance(make, nn.Module):
        raise QCompilerError(
            f"{path} is of type {type(make).__name__}, no function", where="model", hint=HINT
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived(seed))
        try:
            model = make()
        except Exception as error:  # the user's code can raise anything
            raise QCompilerError(f"{path}() failed: {_first(error)}", where="model") from error
    if not isinstance(model, nn.Module):
        raise QCompilerError(
            f"{path}() returned {type(model).__name__}, no nn.Module", where="model", hint=HINT
        )
    return model


def _import(name: str) -> Any:
    with _current_folder():
        try:
            return importlib.import_module(name)
        except Exception as error:  # the user's code can raise anything
            raise QCompilerError(
                f"{name} cannot be imported: {_first(error)}", where="model", hint=HINT
            ) from error


@contextmanager
def _current_folder() -> Iterator[None]:
    """As ``python -m`` has it: an installed command does not look there."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


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
        raise QCompilerError(f"is no state dict: {_first(error)}", where=str(path)) from None


def _state_dict(path: Path) -> dict[str, Tensor]:
    hint = "save it with torch.save(model.state_dict(), path)"
    if not path.is_file():
        raise QCompilerError("there is no such file", where=str(path), hint=hint)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise QCompilerError(
            f"is no readable state dict: {_first(error)}", where=str(path), hint=hint
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        held = f"; it holds {', '.join(map(str, state))}" if isinstance(state, dict) else ""
        raise QCompilerError(f"is no state dict of tensors alone{held}", where=str(path), hint=hint)
    return state


def check_output(model: nn.Module, samples: Tensor, classes: int, named: bool) -> None:
    """Run the model on a few samples: it must give one logit a class.

    Args:
        named: The data names its classes, so that the number is sure.
    """
    shape = tuple(samples.shape[1:])
    try:
        with torch.no_grad():
            logits = model.eval()(samples[:2])
    except Exception as error:  # the user's code can raise anything
        raise QCompilerError(
            f"cannot take images of shape {shape}: {_first(error)}", where="model"
        ) from error
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise QCompilerError(f"gives {found}; logits (N, classes) were expected", where="model")
    if logits.shape[1] != classes:
        raise QCompilerError(
            f"gives {logits.shape[1]} logits, the data has {classes} classes",
            where="model",
            hint="give a model with as many outputs as there are classes"
            + ("" if named else NAMES),
        )


def layout(model: nn.Module, samples: Tensor) -> torch.memory_format:
    """``channels_last``, a fifth faster on CPU, where the model's forward takes such images."""
    if samples.dim() == 4:
        try:
            with torch.no_grad():
                model.eval()(samples[:2].contiguous(memory_format=torch.channels_last))
            return torch.channels_last
        except RuntimeError:  # such as x.view(len(x), -1)
            pass
    return torch.contiguous_format


def _first(error: Exception) -> str:
    """One line of what an exception says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
