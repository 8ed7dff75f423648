"""Arrays that users bring: calibration sets, test images, labels."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from qcompiler.errors import QCompilerError
from qcompiler.ir.types import Shape

Array = np.ndarray[Any, Any]
NAMES = ("images", "inputs", "x", "data")
HINT = "write it with numpy.savez(path, images=...)"


def read_inputs(path: Path) -> Array:
    """The input array of an .npz or .npy file.

    Its only array, or the one called images, inputs, x or data.
    """
    archive = _load(path)
    if isinstance(archive, np.ndarray):
        return archive
    for name in NAMES:
        if name in archive:
            return archive[name]
    if len(archive) == 1:
        return next(iter(archive.values()))
    raise QCompilerError(
        f"holds the arrays {', '.join(archive)}, none of them called {', '.join(NAMES)}",
        where=str(path),
        hint="save the inputs with numpy.savez(path, images=...)",
    )


def read_labels(path: Path) -> Array | None:
    """The ``labels`` array of an .npz file, None if it has none."""
    archive = _load(path)
    return None if isinstance(archive, np.ndarray) else archive.get("labels")


def read_archive(path: Path, hint: str = "") -> dict[str, Array]:
    """Every array of an .npz file; ``hint`` says how such a file is written."""
    archive = _load(path, hint)
    if isinstance(archive, np.ndarray):
        raise QCompilerError("is one array without names", where=str(path), hint=hint)
    return archive


def _load(path: Path, hint: str = HINT) -> Array | dict[str, Array]:
    if not path.is_file():
        raise QCompilerError("there is no such file", where=str(path), hint=hint)
    if path.stat().st_size == 0:
        raise QCompilerError("the file is empty", where=str(path), hint=hint)
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        what = "is not an .npz or .npy file of plain arrays"
        raise QCompilerError(what, where=str(path), hint=hint) from error


def check_inputs(array: Array, shape: Shape, where: str) -> Array:
    """``array`` as float32 (N, *shape), or an error that says what the network takes."""
    wanted = f"the network takes float arrays of shape (N, {', '.join(map(str, shape))})"
    if array.dtype.kind != "f":
        raise QCompilerError(
            f"has dtype {array.dtype}; {wanted}",
            where=where,
            hint="apply the preprocessing of the training first, and save the result as float32",
        )
    if array.ndim != len(shape) + 1 or array.shape[1:] != shape:
        hint = ""
        if array.ndim == 4 and len(shape) == 3 and (array.shape[3], *array.shape[1:3]) == shape:
            hint = "the channels come last; bring them forward with images.transpose(0, 3, 1, 2)"
        raise QCompilerError(f"has shape {array.shape}; {wanted}", where=where, hint=hint)
    if len(array) == 0:
        raise QCompilerError(f"holds no sample; {wanted}", where=where)
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array).reshape(len(array), -1).all(axis=1)).argmax())
        raise QCompilerError(
            f"holds NaN or infinity (first in sample {bad})",
            where=where,
            hint="leave such samples out, or mend the preprocessing",
        )
    return array
