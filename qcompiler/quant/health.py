"""What may be wrong with a calibration set or a network, found before it shows as bad codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from qcompiler.errors import QCompilerError
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph

Array = np.ndarray[Any, Any]

LEAST_SAMPLES = 8  # below, a histogram says more about the samples than about the network


def check_samples(samples: Array, method: str, where: str) -> None:
    """Refuse a calibration set from which the method would learn nothing.

    Raises:
        QCompilerError: Too few samples for a method that looks at distributions, or samples that
            are all the same, or that hold one value each.
    """
    if method != "max-abs" and len(samples) < LEAST_SAMPLES:
        raise QCompilerError(
            f"holds {len(samples)} sample(s), too few for the method {method}, "
            f"which needs {LEAST_SAMPLES} or more",
            where=where,
            hint="give more samples (64 are plenty), or take --method max-abs",
        )
    flat = samples.reshape(len(samples), -1)
    if flat.shape[1] > 1 and (flat == flat[:, :1]).all():
        raise QCompilerError(
            "every sample is one constant value: no range can be learned from them",
            where=where,
            hint="give real inputs of the network, preprocessed as in training",
        )
    if len(samples) > 1 and (flat == flat[:1]).all():
        raise QCompilerError(
            f"all {len(samples)} samples are the same",
            where=where,
            hint="give different inputs, drawn at random from the training set",
        )


def zero_weights(graph: Graph) -> list[str]:
    """Notes on layers that have no weight but zeros: they quantize, and compute nothing."""
    notes = []
    for name in graph:
        op = graph.op(name)
        if isinstance(op, nn.Conv | nn.Linear) and not np.any(op.weight):
            notes.append(f"{name}: all its weights are zero; it adds its bias and nothing else")
    return notes


def dead_note(node: str) -> str:
    """Of a value that is zero on the whole calibration set."""
    return f"{node}: always zero on the calibration set; its codes carry nothing (step set to 1)"
