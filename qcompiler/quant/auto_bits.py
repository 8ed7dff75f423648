"""Weight bits per layer from measured sensitivity, under a budget of size, cycles or logic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.optimize import Bounds, LinearConstraint, milp
from torch import Tensor

from qcompiler.errors import QCompilerError
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.progress import QUIET, Progress, tracked
from qcompiler.quant.config import QuantConfig
from qcompiler.quant.costs import CostTable, LayerWork
from qcompiler.quant.histogram import not_finite
from qcompiler.quant.ranges import weight_spec
from qcompiler.reference.nn import run_nn

Array = np.ndarray[Any, Any]

WIDTHS = tuple(range(2, 9))


@dataclass(frozen=True)
class Sensitivity:
    """What quantizing one layer's weights alone does to the network's output.

    Args:
        work: What the layer's cost depends on; its name is the node's.
        loss: Mean square error of the network's output over its variance, one per WIDTHS.
    """

    work: LayerWork
    loss: tuple[float, ...]

    @property
    def layer(self) -> str:
        return self.work.name


def measure(graph: Graph, samples: Array, progress: Progress = QUIET) -> list[Sensitivity]:
    """Quantize each layer of a float nn graph alone, at each width, and look at the output."""
    x = torch.from_numpy(samples)
    wanted = run_nn(graph, x)
    _check_finite(graph, x, wanted)
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
        found.append(Sensitivity(_work(graph, layer), tuple(losses)))
    return found


def _work(graph: Graph, layer: str) -> LayerWork:
    op, shape = graph.op(layer), graph.type(layer).shape
    pixels = (shape[1], shape[2]) if len(shape) == 3 else (1, 1)
    return LayerWork(layer, op.weight.shape, pixels, getattr(op, "groups", 1))


def _check_finite(graph: Graph, x: Tensor, output: Tensor) -> None:
    if torch.isfinite(output).all():
        return
    values = run_nn(graph, x, keep=list(graph))
    bad = next((n for n, value in values.items() if not torch.isfinite(value).all()), "output")
    raise not_finite(bad)


def allocate(
    found: list[Sensitivity],
    budget: float,
    kind: str = "size",
    pinned: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """The widths of least total loss within the budget: an exact multiple-choice knapsack.

    Losses of single layers are taken to add up (as in HAWQ-V3, Yao et al., arXiv 2011.10680,
    which solves the same integer program).

    Args:
        budget: The network may cost as much as with so many bits in every layer.
        kind: Measure of the cost, one of config.BUDGETS (see `costs`).
        pinned: Widths that are given; the others share what they leave.

    Raises:
        QCompilerError: The budget cannot be met, or the kind is unknown.
    """
    QuantConfig(budget=budget, budget_kind=kind)  # refuses what makes no sense
    pinned = pinned or {}
    for name, bits in pinned.items():
        if bits not in WIDTHS:
            raise QCompilerError(
                f"{bits} bits are outside {WIDTHS[0]} to {WIDTHS[-1]}, the widths of a budget",
                where=name,
            )
    table = CostTable([s.work for s in found], kind)
    cost = table.table[:, np.array(WIDTHS) - 1].ravel()  # a sign bit and WIDTHS - 1 planes
    most = float(np.interp(budget - 1, range(len(table.uniform)), table.uniform))
    # Losses may rise a hair with the width by chance; a wider layer is never the worse choice.
    loss = np.array([np.maximum.accumulate(s.loss[::-1])[::-1] for s in found])
    # In units of what the same width everywhere loses, or the solver's tolerances are too coarse.
    loss = loss / (loss[:, int(budget) - WIDTHS[0]].sum() or 1.0)
    layers, options = loss.shape
    allowed = [pinned.get(s.layer, bits) == bits for s in found for bits in WIDTHS]
    once = np.kron(np.eye(layers), np.ones(options))
    solved = milp(
        loss.ravel(),
        constraints=[
            LinearConstraint(once, 1, 1),
            LinearConstraint(cost[None] / most, 0, 1 + 1e-9),
        ],
        integrality=np.ones(layers * options),
        bounds=Bounds(0, np.array(allowed, np.float64)),
        options={"mip_rel_gap": 0.0},
    )
    if solved.x is None:
        raise QCompilerError(
            f"no widths are within {budget:g} bits on average: {solved.message}",
            hint="raise --budget, or give fewer layers a width of their own",
        )
    picks = solved.x.reshape(layers, options).argmax(axis=1)
    return {s.layer: WIDTHS[int(k)] for s, k in zip(found, picks, strict=True)}
