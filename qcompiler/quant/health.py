"""What may be wrong with a calibration set or a network, found before it shows as bad codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from qcompiler.errors import QCompilerError
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.quant.config import QuantConfig

Array = np.ndarray[Any, Any]

LEAST_SAMPLES = 8  # below, a histogram says more about the samples than about the network


def check_float(graph: Graph) -> None:
    """Refuse a network that has quantizers already."""
    for name in graph:
        op = graph.op(name)
        if isinstance(op, nn.Quantizer) or getattr(op, "weight_quant", None) is not None:
            raise QCompilerError(
                "this network is quantized already",
                where=name,
                hint="compile it as it is, or quantize the float network",
            )


def check_samples(samples: Array, config: QuantConfig, where: str) -> None:
    """Refuse a calibration set from which nothing would be learned.

    Raises:
        QCompilerError: Too few samples for a method that looks at distributions, or samples that
            are all the same, or that hold one value each.
    """
    statistics = {
        f"the method {config.method}": config.method != "max-abs",
        f"the correction {config.correct}": config.correct != "none",
        "a budget": config.budget is not None,
    }
    for what, needed in statistics.items():
        if needed and len(samples) < LEAST_SAMPLES:
            raise QCompilerError(
                f"holds {len(samples)} sample(s), too few for {what}, "
                f"which needs {LEAST_SAMPLES} or more",
                where=where,
                hint="give more samples (64 are plenty), or take --method max-abs and nothing else",
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
        if not isinstance(op, nn.Conv | nn.Linear):
            continue
        live = np.any(op.weight.reshape(len(op.weight), -1), axis=1)
        if not live.any():
            notes.append(f"{name}: all its weights are zero; it adds its bias and nothing else")
        elif not live.all():
            notes.append(f"{name}: {int((~live).sum())} of its output channels have no weights")
    return notes


def dead_note(node: str) -> str:
    """Of a value that is zero on the whole calibration set."""
    return f"{node}: always zero on the calibration set; its codes carry nothing (step set to 1)"
