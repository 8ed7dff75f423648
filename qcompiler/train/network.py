"""The model of a run: imported, filled with weights, checked against the data."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.models.weights import first_line
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
            raise QCompilerError(f"{path}() failed: {first_line(error)}", where="model") from error
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
                f"{name} cannot be imported: {first_line(error)}", where="model", hint=HINT
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


def check_output(
    model: nn.Module, samples: Tensor, classes: int, named: bool, where: str = "model"
) -> None:
    """Run the model on a few samples: it must give one logit a class.

    Args:
        named: The data names its classes, so that the number is sure.
        where: What the model is, for messages.
    """
    shape = tuple(samples.shape[1:])
    try:
        with torch.no_grad():
            logits = model.eval()(samples[:2])
    except Exception as error:  # the user's code can raise anything
        raise QCompilerError(
            f"cannot take images of shape {shape}: {first_line(error)}", where=where
        ) from error
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise QCompilerError(f"gives {found}; logits (N, classes) were expected", where=where)
    if logits.shape[1] != classes:
        raise QCompilerError(
            f"gives {logits.shape[1]} logits, the data has {classes} classes",
            where=where,
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
