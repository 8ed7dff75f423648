"""The log of a run: a row an epoch, in log.csv and log.jsonl, never one twice."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import nn

from qcompiler.errors import QCompilerError

CSV, JSONL = "log.csv", "log.jsonl"


@runtime_checkable
class LayerColumns(Protocol):
    """What a method may have besides: figures of each layer for log.jsonl."""

    def layer_columns(self, model: nn.Module) -> dict[str, dict[str, float]]:
        """Layer to name to figure."""


@dataclass(frozen=True)
class Row:
    """One epoch.

    Args:
        epoch: From 1.
        lr: Learning rate of its last step.
        train_loss: Mean cross entropy of its steps, with augmentation and label smoothing.
        train_accuracy: The same images, 0 to 1.
        test_accuracy: Of the trained (soft) network after it, 0 to 1.
        penalty: Mean of what the method added to the loss.
        seconds: The epoch took, measuring included.
        method: The method's own figures.
    """

    epoch: int
    lr: float
    train_loss: float
    train_accuracy: float
    test_accuracy: float
    penalty: float
    seconds: float
    method: Mapping[str, float] = field(default_factory=dict)

    def flat(self) -> dict[str, Any]:
        """Columns in the order of the file."""
        row = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "method"}
        seconds = row.pop("seconds")
        return {**row, **self.method, "seconds": round(seconds, 3)}


class Log:
    """Appends rows; opened at a checkpoint's position, it forgets what came later.

    Args:
        position: Bytes of each file that count, by name; none at the start.
    """

    def __init__(self, folder: Path, position: Mapping[str, int]) -> None:
        self.folder = folder
        for name in (CSV, JSONL):
            path = folder / name
            if path.is_file() and path.stat().st_size > position.get(name, 0):
                os.truncate(path, position.get(name, 0))

    def position(self) -> dict[str, int]:
        paths = {name: self.folder / name for name in (CSV, JSONL)}
        return {name: path.stat().st_size for name, path in paths.items() if path.is_file()}

    def add(self, row: Row, layers: Mapping[str, Mapping[str, float]]) -> None:
        """Write a row to both files, on disk before it returns."""
        flat = row.flat()
        text = io.StringIO()
        writer = csv.DictWriter(text, list(flat), lineterminator="\n")
        if not self.position().get(CSV):
            writer.writeheader()
        writer.writerow(flat)
        self._append(CSV, text.getvalue())
        line = {**flat, "layers": layers} if layers else flat
        self._append(JSONL, json.dumps(line) + "\n")

    def _append(self, name: str, text: str) -> None:
        path = self.folder / name
        try:
            with path.open("a") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise QCompilerError(
                f"cannot be written: {error.strerror}",
                where=str(path),
                hint="make room and run the same command again: it goes on from the checkpoint",
            ) from error
