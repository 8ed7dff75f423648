"""What a float network computes from the calibration set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch

from qcompiler.ir.graph import Graph
from qcompiler.progress import QUIET, Progress, tracked
from qcompiler.quant.insert import Observer
from qcompiler.reference.nn import run_nn

Array = np.ndarray[Any, Any]
BATCH = 64


def observer(samples: Array, progress: Progress = QUIET) -> Observer:
    """What a float nn graph computes from the samples, batch by batch."""

    def observe(graph: Graph, nodes: Iterable[str]) -> Iterator[tuple[str, Array]]:
        wanted = list(nodes)
        starts = range(0, len(samples), BATCH)
        for start in tracked(starts, "observing activations", len(starts), progress):
            batch = torch.from_numpy(samples[start : start + BATCH])
            kept = run_nn(graph, batch, keep=wanted)
            for node in wanted:
                yield node, kept[node].numpy()

    return observe
