"""The points of a sweep: what each is, what came of it, and how it is kept on disk."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from qcompiler import __version__
from qcompiler.arrays import Array
from qcompiler.errors import QCompilerError
from qcompiler.ir.graph import Graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.quant.config import QuantConfig
from qcompiler.reference.integer import IntegerReference
from qcompiler.verbs.compile import Target
from qcompiler.verbs.compile import compile as compile_network
from qcompiler.verbs.quantize import quantize

BATCH = 64
Accuracy = dict[str, float]
"""``snr_db`` and ``agreement`` against the float network on calibration data, ``top1`` on a test
set, each where it is known; ``agreement`` and ``top1`` are shares."""


@dataclass(frozen=True)
class Point:
    """One network on one device for one goal.

    Args:
        network: Its label, such as ``w4a8`` or the name of its folder.
        device: Name of the device.
        fps: Frames per second to reach, None for a budget.
        lut: LUT budget, None for a rate.
    """

    network: str
    device: str
    fps: float | None
    lut: int | None


@dataclass(frozen=True)
class Outcome:
    """What came of a point; ``refused`` says why there is no design, the figures are then 0."""

    cycles: int = 0
    clock_mhz: float = 0.0
    fps: float = 0.0
    latency_us: float = 0.0
    lut: float = 0.0
    ff: float = 0.0
    bram: int = 0
    dsp: int = 0
    fits: bool = False
    short: str = ""
    limit: str = ""
    refused: str = ""


@dataclass(frozen=True)
class Result:
    point: Point
    outcome: Outcome
    accuracy: Accuracy

    @property
    def built(self) -> bool:
        return not self.outcome.refused


def evaluate(graph: Graph, target: Target) -> Outcome:
    """Fold a quantized network for a target and estimate what it takes; nothing is written."""
    try:
        found = compile_network(graph, target)
    except QCompilerError as error:
        return Outcome(refused=str(error).splitlines()[0])
    report, total = found.report, found.report.total
    return Outcome(
        report.cycles,
        found.clock_mhz,
        report.frames_per_second(found.clock_mhz),
        report.latency_seconds(found.clock_mhz) * 1e6,
        total.lut,
        total.ff,
        total.bram,
        total.dsp,
        report.fits,
        "; ".join(report.shortfalls),
        found.limit,
    )


def quantized(
    floating: Graph, samples: Array, config: QuantConfig, test: tuple[Array, Array] | None
) -> tuple[Graph, Accuracy]:
    """A float network quantized, and how good it is."""
    result = quantize(floating, samples, config)
    found = {"snr_db": result.signal_to_noise_db, "agreement": result.agreement}
    return result.graph, found | measured(result.graph, test)


def measured(graph: Graph, test: tuple[Array, Array] | None) -> Accuracy:
    """``top1`` of the integer network on images and labels, if there are any."""
    if test is None:
        return {}
    images, labels = test
    reference = IntegerReference(run_passes(graph, [Integerize()]))
    right = 0
    for start in range(0, len(images), BATCH):
        batch = slice(start, start + BATCH)
        scores = reference.decode(reference(reference.encode(images[batch])))
        right += int((scores.reshape(len(scores), -1).argmax(1) == labels[batch]).sum())
    return {"top1": right / len(labels)}


# ---- on disk ---------------------------------------------------------------------------------


def key(*parts: Any) -> str:
    """Of everything that a result depends on: another setting is another file."""
    text = json.dumps([__version__, *parts], sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()[:20]


def digest(*paths: Path) -> str:
    """Of the contents of files, and of all files of folders."""
    found = sha256()
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            found.update(file.name.encode() + b"\0")
            found.update(sha256(file.read_bytes()).digest())
    return found.hexdigest()


def save(path: Path, document: dict[str, Any]) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(f".{path.name}.{os.getpid()}")
    work.write_text(json.dumps(document, indent=1) + "\n")
    os.replace(work, path)


def load(path: Path) -> dict[str, Any] | None:
    """What `save` wrote; None where there is nothing, or nothing whole."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def save_outcome(path: Path, point: Point, outcome: Outcome) -> None:
    save(path, {"point": asdict(point), "outcome": asdict(outcome)})


def load_outcome(path: Path) -> Outcome | None:
    document = load(path)
    try:
        return Outcome(**document["outcome"]) if document else None
    except (KeyError, TypeError):
        return None


def check_test(images: Array, labels: Array | None, where: str) -> tuple[Array, Array]:
    """A labelled set, or an error that says what is missing."""
    if labels is None:
        raise QCompilerError(
            "holds no array called labels",
            where=where,
            hint="write it with numpy.savez(path, images=..., labels=...)",
        )
    if labels.dtype.kind not in "iu" or labels.shape != (len(images),):
        raise QCompilerError(
            f"holds labels of dtype {labels.dtype} and shape {labels.shape}; one integer for each "
            f"of the {len(images)} images was expected",
            where=where,
        )
    return images, labels.astype(np.int64)
