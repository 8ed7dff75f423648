"""Checkpoints: everything a run needs to go on, in one file that is whole or not there."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from qcompiler.errors import QCompilerError

FORMAT = 1
NAME, TEMPORARY = "checkpoint.pt", ".checkpoint.pt.part"


@dataclass(frozen=True)
class Sums:
    """What the steps of the running epoch add up to, for its row of the log."""

    loss: float = 0.0
    penalty: float = 0.0
    right: float = 0.0
    images: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Position:
    """Where a run is: ``step`` steps of epoch ``epoch`` (from 0) are done."""

    epoch: int = 0
    step: int = 0
    sums: Sums = field(default_factory=Sums)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A run at one moment.

    Args:
        asked: The configuration as it was given: another one is another run.
        config: The same with what the data decided: mean, deviation, augmentation.
        digest: Of the data.
        log: Bytes of each log file that count.
        accuracy: Of the soft network after the last finished epoch, None before the first.
        model: State dict.
        optimizer: State dict.
        average: State of the weights' running mean; empty where there is none.
    """

    asked: dict[str, Any]
    config: dict[str, Any]
    digest: str
    position: Position
    log: dict[str, int]
    accuracy: float | None
    model: dict[str, Any]
    optimizer: dict[str, Any]
    average: dict[str, Any] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """All epochs are trained, measured and logged."""
        return self.position.epoch >= int(self.asked["epochs"])


def write_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Replace the folder's checkpoint; a crash at any moment leaves the old or the new one."""
    document = {f.name: getattr(checkpoint, f.name) for f in fields(checkpoint)}
    position = document.pop("position")
    document |= {"format": FORMAT, "epoch": position.epoch, "step": position.step}
    document["sums"] = {f.name: getattr(position.sums, f.name) for f in fields(Sums)}
    buffer = io.BytesIO()  # torch turns a full disk into an error of its own
    torch.save(document, buffer)
    write_whole(folder / NAME, buffer.getvalue(), folder / TEMPORARY)


def write_whole(path: Path, content: bytes, temporary: Path) -> None:
    """Write a file so that it appears with all its content, on disk, or not at all."""
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise QCompilerError(
            f"cannot be written: {error.strerror}",
            where=str(path),
            hint="make room and run the same command again: it goes on from the last checkpoint",
        ) from error


def read_checkpoint(folder: Path) -> Checkpoint:
    """The folder's checkpoint; a damaged one raises QCompilerError and is left as it is."""
    path = folder / NAME
    try:
        with zipfile.ZipFile(path) as archive:
            if (bad := archive.testzip()) is not None:  # torch itself does not compare checksums
                raise ValueError(f"{bad} has another checksum")
        found = torch.load(path, map_location="cpu", weights_only=True)
        if found["format"] != FORMAT:
            raise ValueError(f"its format is {found['format']}, this version reads {FORMAT}")
        sums = Sums(**found["sums"])
        position = Position(int(found["epoch"]), int(found["step"]), sums)
        found.setdefault("average", {})  # runs of earlier versions had none
        names = [f.name for f in fields(Checkpoint) if f.name != "position"]
        return Checkpoint(position=position, **{name: found[name] for name in names})
    except (
        *(OSError, EOFError, RuntimeError, ValueError, TypeError, LookupError),
        *(pickle.UnpicklingError, zipfile.BadZipFile),
    ) as error:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise QCompilerError(
            f"this checkpoint cannot be read: {text}",
            where=str(path),
            hint="put a copy of it back, take another --checkpoint-dir, or start over "
            "with --restart",
        ) from error
