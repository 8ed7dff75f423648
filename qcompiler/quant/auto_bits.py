"""Weight bits per layer from measured sensitivity, under a budget of size or cycles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.optimize import Bounds, LinearConstraint, milp

from qcompiler.errors import QCompilerError
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.progress import QUIET, Progress, tracked
from qcompiler.quant.ranges import weight_spec
from qcompiler.reference.nn import run_nn

Array = np.ndarray[Any, Any]

WIDTHS = tuple(range(2, 9))
BUDGETS = ("size", "cycles")


@dataclass(frozen=True)
class Sensitivity:
    """What quantizing one layer's weights alone does to the network's output.

    Args:
        layer: Node name.
        weights: How many it has.
        products: Multiplications per frame.
        loss: Mean square error of the network's output over its variance, one per WIDTHS.
    """

    layer: str
    weights: int
    products: int
    loss: tuple[float, ...]


def measure(graph: Graph, samples: Array, progress: Progress = QUIET) -> list[Sensitivity]:
    """Quantize each layer of a float nn graph alone, at each width, and look at the output."""
    x = torch.from_numpy(samples)
    wanted = run_nn(graph, x)
    scale = float(wanted.double().var(correction=0)) or 1.0
    layers = [n for n in graph if isinstance(graph.op(n), nn.Conv | nn.Linear)]
    found = []
    for layer in tracked(layers, "measuring sensitivity", len(layers), progress):
        op, trial = graph.op(layer), graph.copy()
        losses = []
        for bits in WIDTHS:
            spec = weight_spec(op.weight, bits, "mse", 100.0)
            trial.replace(layer, replace(op, weight_quant=spec))
            losses.append(float((run_nn(trial, x) - wanted).double().square().mean()) / scale)
        pixels = int(np.prod(graph.type(layer).shape[1:]))
        found.append(Sensitivity(layer, op.weight.size, op.weight.size * pixels, tuple(losses)))
    return found


def allocate(found: list[Sensitivity], budget: float, kind: str = "size") -> dict[str, int]:
    """The widths of least total loss within the budget: an exact multiple-choice knapsack.

    Losses of single layers are taken to add up (as in HAWQ-V3, Yao et al., arXiv 2011.10680,
    which solves the same integer program).

    Args:
        budget: Average bits of a weight (``size``), or of a product (``cycles``: what a bit-serial
            array spends on a frame).
        kind: One of BUDGETS.

    Raises:
        QCompilerError: The budget is below the least width, or the kind unknown.
    """
    if kind not in BUDGETS:
        raise QCompilerError(
            f"budget {kind!r} is unknown", hint=f"choose one of {', '.join(BUDGETS)}"
        )
    if not WIDTHS[0] <= budget <= 8:
        raise QCompilerError(
            f"a budget of {budget:g} bits is outside [{WIDTHS[0]}, 8]",
            hint="it is the average over all weights (or products); try --budget 4.0",
        )
    size = np.array([s.weights if kind == "size" else s.products for s in found], np.float64)
    widths = np.array(WIDTHS, np.float64)
    # Losses may rise a hair with the width by chance; a wider layer is never the worse choice.
    loss = np.array([np.maximum.accumulate(s.loss[::-1])[::-1] for s in found])
    layers, options = loss.shape
    once = np.kron(np.eye(layers), np.ones(options))
    cost = np.kron(size / size.sum(), widths)
    solved = milp(
        loss.ravel(),
        constraints=[LinearConstraint(once, 1, 1), LinearConstraint(cost[None], 0, budget + 1e-9)],
        integrality=np.ones(layers * options),
        bounds=Bounds(0, 1),
    )
    if solved.x is None:
        raise QCompilerError(f"no widths were found within {budget:g} bits: {solved.message}")
    picks = solved.x.reshape(layers, options).argmax(axis=1)
    return {s.layer: WIDTHS[int(k)] for s, k in zip(found, picks, strict=True)}
