"""Corrections after quantization: biases, or the statistics that a batch norm would have taken.

Rounding shifts the mean of a layer's output and changes its spread. Both can be put right for
nothing, since the bias and the scale of a channel are constants of its requantizer. Nagel et al.,
"Data-Free Quantization through Weight Equalization and Bias Correction", arXiv 1906.04721 (§4.2,
here with the empirical means of the calibration set); Sun et al. 2019 re-estimate batch norms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.progress import QUIET, Progress, tracked
from qcompiler.quant.walk import Walk
from qcompiler.reference.nn import run_nn
from qcompiler.reference.quantizer import codes, values

Array = np.ndarray[Any, Any]
MOST_GAIN = 1.5  # a spread that differs by more than this is left alone: the channel hardly moves


@dataclass(frozen=True)
class Correct:
    """Match each layer's output to the float network's, channel by channel, front to back.

    Args:
        floating: The same network without quantizers.
        samples: (N, …) float32.
        what: ``bias`` (means) or ``batch-norm`` (means and standard deviations).
    """

    floating: Graph
    samples: Array
    what: str
    progress: Progress = QUIET
    name: ClassVar[str] = "correct"

    def run(self, graph: Graph) -> Graph:
        x = torch.from_numpy(self.samples)
        layers = [n for n in graph if isinstance(graph.op(n), nn.Conv | nn.Linear)]
        targets = run_nn(self.floating, x, keep=layers)
        walk = Walk(graph, x)
        for layer in tracked(layers, f"correcting: {self.what}", len(layers), self.progress):
            got = walk.result(layer)
            graph.replace(layer, self._corrected(graph.op(layer), got, targets[layer]))
        return graph

    def _corrected(self, op: Any, got: Tensor, wanted: Tensor) -> Any:
        """The op whose output has the wanted mean, and spread where that is asked for."""
        (mean_q, std_q), (mean, std) = _statistics(got), _statistics(wanted)
        bias = np.zeros(len(op.weight)) if op.bias is None else np.asarray(op.bias, np.float64)
        if self.what == "bias":
            return replace(op, bias=bias + mean - mean_q)
        gain = np.divide(std, std_q, out=np.ones_like(std), where=std_q > 0)
        gain = np.where((gain < MOST_GAIN) & (gain > 1 / MOST_GAIN), gain, 1.0)
        spec = op.weight_quant
        wider = nn.QuantSpec.uniform(spec.step_out * gain, spec.lo, spec.hi, spec.offset * gain)
        # Weights of the same codes on the new steps: an offset would move where they round.
        weight = values(wider, codes(spec, op.weight))
        return replace(op, weight=weight, weight_quant=wider, bias=mean + gain * (bias - mean_q))


def _statistics(y: Tensor) -> tuple[Array, Array]:
    """Mean and standard deviation of each channel of (N, C, …), float64."""
    flat = y.transpose(0, 1).flatten(1).double()
    return flat.mean(1).numpy(), flat.std(1, correction=0).numpy()
