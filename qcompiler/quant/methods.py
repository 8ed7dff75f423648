"""The passes of each quantization method, in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from qcompiler.ir.graph import Graph
from qcompiler.passes.base import Pass
from qcompiler.progress import QUIET, Progress
from qcompiler.quant.align import AlignResiduals
from qcompiler.quant.config import QuantConfig
from qcompiler.quant.correct import Correct
from qcompiler.quant.easyquant import EasyQuant
from qcompiler.quant.insert import InsertQuantizers, Observer
from qcompiler.quant.reconstruct import Reconstruct

Array = np.ndarray[Any, Any]


def method_passes(
    config: QuantConfig,
    floating: Graph,
    samples: Array,
    observer: Observer,
    progress: Progress = QUIET,
) -> list[Pass]:
    """From a float nn graph (as PREPARE leaves it) to a quantized one.

    Args:
        floating: The graph that the passes will run on; searches compare with it.
        samples: The calibration set, float32 (N, …); searches use the first ``config.samples``.
        observer: Yields float values of nodes, for ranges.
    """
    few = samples[: config.samples]
    passes: list[Pass] = [InsertQuantizers(config, observer)]
    if config.method in ("easyquant", "reconstruct"):
        search = EasyQuant(
            floating, few, config.candidates, seconds=config.seconds, progress=progress
        )
        passes.append(search)
    if config.method == "reconstruct":
        passes.append(Reconstruct(floating, few, config.iterations, progress=progress))
    passes.append(AlignResiduals())  # after all that learns steps
    if config.correct != "none":
        passes.append(Correct(floating, few, config.correct, progress))
    return passes
