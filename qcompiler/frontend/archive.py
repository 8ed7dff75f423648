"""Looks into a file before torch reads it: is it a pt2 archive, and free of foreign pickles?"""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import zipfile
from pathlib import Path

import torch

from qcompiler.errors import QCompilerError

_HOW = "save it with torch.export.save(torch.export.export(model.eval(), (example,)), 'model.pt2')"
_LEGACY = "serialized_exported_program.json"  # how torch 2.6 and 2.7 wrote it

# what tensors, containers and numbers leave in a pickle, as "module name"
_PLAIN = ("torch ", "torch._", "collections ", "numpy", "__builtin__ ", "builtins ", "_codecs ")


def check_archive(path: Path) -> None:
    """Raise QCompilerError unless ``path`` is a pt2 archive that loads without running its code."""
    where = str(path)
    if not path.exists():
        raise QCompilerError("there is no such file", where=where)
    if not path.is_file():
        raise QCompilerError("this is no file", where=where, hint=_HOW)
    if path.stat().st_size == 0:
        raise QCompilerError("the file is empty", where=where, hint=_HOW)
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            pickled = file.read(1) == b"\x80"
        what = "was written by torch.save or pickle" if pickled else "is no zip archive"
        raise QCompilerError(f"the file {what}, not by torch.export.save", where=where, hint=_HOW)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_kind(archive, where)
            _check_pickles(archive, where)
    except (zipfile.BadZipFile, ValueError, KeyError) as error:
        raise QCompilerError(f"the archive is damaged: {error}", where=where) from None


def _check_kind(archive: zipfile.ZipFile, where: str) -> None:
    names = archive.namelist()
    formats = [name for name in names if name.split("/")[-1] == "archive_format"]
    if any(archive.read(name).strip() == b"pt2" for name in formats):
        if any("/models/" in name for name in names):
            return
        what = "the pt2 archive holds no exported program"
    elif _LEGACY in names:
        return
    elif any("/code/" in name for name in names):
        what = "this is a TorchScript file, written by torch.jit.save"
    elif pickles := [name for name in names if name.endswith("/data.pkl")]:
        what = _pickle_kind(archive.read(pickles[0]))
    else:
        what = "the zip archive is no pt2 file"
    raise QCompilerError(what, where=where, hint=_HOW)


def _pickle_kind(content: bytes) -> str:
    """What torch.save put into ``data.pkl``, read from its opcodes without unpickling."""
    names = [str(arg) for op, arg, _ in pickletools.genops(content) if op.name == "GLOBAL"]
    if models := [name for name in names if not name.startswith(_PLAIN)]:
        name = models[0].replace(" ", ".")
        return f"this is a pickled object ({name}) written by torch.save, which is not loaded"
    return "this is a state dict or another pickle written by torch.save: it has no network in it"


def _check_pickles(archive: zipfile.ZipFile, where: str) -> None:
    """torch.export.load falls back to full unpickling; every pickle must load without it."""
    names = archive.namelist()
    if len(set(names)) != len(names):
        raise QCompilerError("the archive holds two files of one name", where=where)
    suspects = {name for name in names if name.endswith(".pt")}
    for name in names:
        folder, _, file = name.rpartition("/")
        if file.startswith(("custom_obj", "opaque_obj")):
            raise QCompilerError(
                f"the archive holds a pickled object ({name}), which is not loaded", where=where
            )
        if file.endswith("_config.json") and folder.endswith(("/weights", "/constants")):
            entries = json.loads(archive.read(name)).get("config", {}).values()
            suspects |= {f"{folder}/{e['path_name']}" for e in entries if e.get("use_pickle")}
    for name in sorted(suspects):
        try:
            content = archive.read(name)
            if content:
                torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise QCompilerError(
                f"{name} in the archive holds more than tensors and is not loaded: "
                f"{str(error).splitlines()[0]}",
                where=where,
                hint="export the model again, without custom classes",
            ) from None
