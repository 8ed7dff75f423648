"""After the last epoch: integers, their accuracy, and the folder that ``compile`` takes."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from qcompiler.errors import QCompilerError
from qcompiler.folders import new_folder
from qcompiler.ir.store import write_graph
from qcompiler.progress import Progress
from qcompiler.quant.qat.method import Finalized, Method
from qcompiler.train.accuracy import hard_accuracy
from qcompiler.train.config import TrainConfig
from qcompiler.train.dataset import TrainData
from qcompiler.train.folder import CALIBRATION, FLOAT_MODEL, FLOAT_WEIGHTS, GRAPH
from qcompiler.train.loop import Choice
from qcompiler.train.pixels import Pixels
from qcompiler.train.plain import Plain
from qcompiler.train.result import Trained, write_result

MARKER = "graph.json"
SAMPLES = 256  # training images that set the ranges which training did not


def finish(
    config: TrainConfig,
    method: Method,
    model: nn.Module,
    data: TrainData,
    pixels: Pixels,
    soft: float,
    progress: Progress,
    choice: Choice | None = None,
) -> Trained:
    """Make integers of a trained model, measure them and write everything.

    Args:
        model: Trained, on the CPU.
        soft: Its accuracy on the test images.
        choice: What validation images chose.
    """
    model.eval()
    samples = pixels(data.train.images[:SAMPLES])
    folder, images = config.checkpoint_dir, len(data.test)
    result = Trained(folder, method.name, config.epochs, images, soft)
    if method.name == Plain.name:
        write_float(model, samples, folder)
    else:
        made = _finalize(method, model, samples, progress)
        hard = hard_accuracy(made.graph, data.test, pixels, progress)
        with new_folder(folder / GRAPH, MARKER) as work:
            write_graph(made.graph, work)
        figures = (soft, hard, made.bits, made.gap, made.layers)
        result = Trained(folder, method.name, config.epochs, images, *figures)
    if choice is not None:
        result = replace(result, kept=choice.kept, validation_accuracy=choice.accuracy)
    write_result(result)
    return result


def _finalize(
    method: Method, model: nn.Module, samples: torch.Tensor, progress: Progress
) -> Finalized:
    progress.begin("making integers")
    try:
        return method.finalize(model, np.ascontiguousarray(samples.numpy(), np.float32))
    finally:
        progress.end()


def write_float(model: nn.Module, samples: torch.Tensor, folder: Path) -> None:
    """What `qcompiler quantize` takes (network, calibration set), and weights to start from."""
    try:
        torch.save(model.state_dict(), folder / FLOAT_WEIGHTS)
        np.savez(folder / CALIBRATION, images=samples.numpy())
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(model, (samples[:2],))
            torch.export.save(program, folder / FLOAT_MODEL)
    except OSError as error:
        raise QCompilerError(f"cannot be written: {error.strerror}", where=str(folder)) from error
