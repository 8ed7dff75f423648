"""The folder of a run: new, its own to go on with, or someone else's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from qcompiler.errors import QCompilerError
from qcompiler.train.checkpoint import NAME, TEMPORARY, Checkpoint, read_checkpoint
from qcompiler.train.config import TrainConfig
from qcompiler.train.log import CSV, JSONL

GRAPH, RESULT = "net.qc", "result.json"
FLOAT_MODEL, FLOAT_WEIGHTS, CALIBRATION = "model.pt2", "weights.pt", "calibration.npz"
OURS = (CSV, JSONL, RESULT, GRAPH, FLOAT_MODEL, FLOAT_WEIGHTS, CALIBRATION, TEMPORARY)

# May differ when a run goes on: where things lie (the data's content counts), how it computes.
FREE = ("data", "test", "checkpoint_dir", "checkpoint_every", "threads", "device")


def identity(config: TrainConfig) -> dict[str, Any]:
    """What makes a run this one and no other, besides the data."""
    return {name: value for name, value in config.json().items() if name not in FREE}


def open_run(config: TrainConfig, restart: bool = False) -> Checkpoint | None:
    """The checkpoint to go on from; None where the run is new.

    Args:
        restart: The run that is there, whole or damaged, is not wanted.

    Raises:
        QCompilerError: The folder holds something else, a damaged checkpoint or another run.
    """
    folder = config.checkpoint_dir
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise QCompilerError("is a file, a folder was expected", where=str(folder))
    if not (folder / NAME).is_file():
        if strangers := sorted(p.name for p in folder.iterdir() if p.name != TEMPORARY):
            raise QCompilerError(
                f"holds {', '.join(strangers[:3])} but no run, and is left alone",
                where=str(folder),
                hint="name a new or empty folder with --checkpoint-dir",
            )
        return None
    if restart:
        return None
    found = read_checkpoint(folder)
    asked = identity(config)
    usual = identity(TrainConfig(config.data, folder))  # for options newer than the run
    before = {name: found.asked.get(name, usual[name]) for name in asked}
    differing = [
        f"{name} {_text(before[name])}, now {_text(value)}"
        for name, value in asked.items()
        if before[name] != value
    ]
    if differing:
        raise QCompilerError(
            f"holds a run with another configuration: {'; '.join(differing)}",
            where=str(folder),
            hint="give the same options to go on, another --checkpoint-dir for a new run, "
            "or --restart to throw the old one away",
        )
    return found


def check_data(found: Checkpoint, digest: str, config: TrainConfig) -> None:
    """Raise if a run would go on with other images or labels than it began with."""
    if found.digest != digest:
        raise QCompilerError(
            "the images, the labels or their split differ from those that this run began with",
            where=str(config.data if config.test is None else f"{config.data}, {config.test}"),
            hint="give the old files to go on, another --checkpoint-dir for a new run, "
            "or --restart to throw the old one away",
        )


def create(folder: Path) -> None:
    """Make the folder, and those above it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise QCompilerError(f"cannot be made: {error.strerror}", where=str(folder)) from error


def clear(folder: Path) -> None:
    """Remove a run's results, in whatever state; the next checkpoint takes the place of its own."""
    for name in OURS:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _text(value: Any) -> str:
    return "unset" if value is None or value == {} else f"{value}"
