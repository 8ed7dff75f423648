"""The verb ``demo``: every step on real data that comes with scikit-learn."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qcompiler.flows.verilator import find_toolchain
from qcompiler.folders import check_target
from qcompiler.models.data import Split
from qcompiler.models.digits import DigitsNet, train_digits
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.progress import QUIET, Progress
from qcompiler.quant.config import LayerBits, QuantConfig
from qcompiler.reference.integer import IntegerReference
from qcompiler.verbs.compile import Compiled, Target
from qcompiler.verbs.compile import compile as compile_network
from qcompiler.verbs.quantize import Quantized, quantize
from qcompiler.verbs.verify import Verified, lopsided, verify

MARKER = "digits.pt2"
CALIBRATION = 256
STALL = 0.3
MIXED = QuantConfig(
    weights=4,
    activations=4,
    input_bits=8,
    layers={
        "conv1": LayerBits(weights=8, activations=6),
        "block_project": LayerBits(weights=6),
        "conv2": LayerBits(weights=3),
        "fc": LayerBits(weights=8),
    },
)
TARGET = Target(device="ecp5-85k", fps=20_000, top="digits")


@dataclass(frozen=True, eq=False)
class Demo:
    """What the demo did.

    Accuracies are top-1 shares; ``rtl`` is over the simulated images alone.
    """

    folder: Path
    quantized: Quantized
    compiled: Compiled
    verified: Verified
    images: int
    held_out: int
    float_all: float
    integer_all: float
    float_images: float
    integer_images: float
    rtl_images: float
    seconds: dict[str, float] = field(default_factory=dict)


def demo(out: Path, *, images: int = 20, progress: Progress = QUIET) -> Demo:
    """Train a residual CNN on handwritten digits and take it all the way to simulated Verilog.

    Args:
        out: Folder for the model, the graphs, the Verilog and the images.
        images: Held-out images to simulate.
    """
    check_target(out, MARKER)
    find_toolchain()  # before the minutes of training
    seconds: dict[str, float] = {}
    model, train, test = _train(progress, seconds)
    out.mkdir(parents=True, exist_ok=True)
    batch = torch.export.Dim("batch", max=4096)
    example = (train.images[:2],)
    program = torch.export.export(model, example, dynamic_shapes=({0: batch},))
    torch.export.save(program, out / MARKER)
    np.savez(out / "calibration.npz", images=train.images[:CALIBRATION].numpy())
    np.savez(
        out / "images.npz", images=test.images[:images].numpy(), labels=test.labels[:images].numpy()
    )
    with _timed(seconds, "quantize"):
        quantized = quantize(
            out / MARKER, out / "calibration.npz", MIXED, out=out / "net.qc", progress=progress
        )
    with _timed(seconds, "compile"):
        compiled = compile_network(out / "net.qc", TARGET, out=out / "build", progress=progress)
    with _timed(seconds, "verify"):
        verified = verify(
            out / "build",
            out / "images.npz",
            stalls=lopsided(STALL),
            reset=True,
            progress=progress,
        )
    reference = IntegerReference(run_passes(quantized.graph, [Integerize()]))
    with torch.inference_mode():
        floating = model(test.images)
    whole = torch.from_numpy(reference.decode(reference(reference.encode(test.images.numpy()))))
    some = Split(test.images[:images], test.labels[:images])
    return Demo(
        folder=out,
        quantized=quantized,
        compiled=compiled,
        verified=verified,
        images=len(some),
        held_out=len(test),
        float_all=test.accuracy(floating),
        integer_all=test.accuracy(whole),
        float_images=some.accuracy(floating[:images]),
        integer_images=some.accuracy(whole[:images]),
        rtl_images=some.accuracy(torch.from_numpy(verified.outputs)),
        seconds=seconds,
    )


def _train(progress: Progress, seconds: dict[str, float]) -> tuple[DigitsNet, Split, Split]:
    begun = False

    def step(epoch: int, epochs: int, loss: float) -> None:
        nonlocal begun
        if not begun:
            progress.begin("training on handwritten digits", epochs)
            begun = True
        progress.advance()

    with _timed(seconds, "train"):
        model, data = train_digits(progress=step)
    progress.end()
    return model, data.train, data.test


class _timed:
    """Adds the wall time of a block to a table."""

    def __init__(self, table: dict[str, float], name: str) -> None:
        self.table, self.name = table, name

    def __enter__(self) -> None:
        self.start = time.perf_counter()

    def __exit__(self, *error: Any) -> None:
        self.table[self.name] = time.perf_counter() - self.start
