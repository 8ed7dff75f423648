"""Block-wise reconstruction: weights learn whether to round up or down, activations their step.

Rounding is learned as in AdaRound (Nagel et al., arXiv 2004.10568, eq. 21-24): a weight is
``floor(w/s) + h(v)`` with the rectified sigmoid h, and a regularizer drives h to 0 or 1. Whole
residual blocks are fitted at once (BRECQ, Li et al., arXiv 2102.05426), the steps of the
activations inside with them by LSQ's gradient (Esser et al., arXiv 1902.08153), while half of the
activations at random stay unrounded (QDrop, Wei et al., arXiv 2203.05740).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.progress import QUIET, Progress
from qcompiler.quant.blocks import Block, find_blocks
from qcompiler.quant.borders import needed_values
from qcompiler.quant.consumers import tied
from qcompiler.quant.soft import SoftQuantizer, SoftWeight, sharpness
from qcompiler.quant.walk import Walk
from qcompiler.reference.nn import KERNELS, Weights, apply_layer, run_nn

Array = np.ndarray[Any, Any]

BATCH = 32
WARM = 0.2  # share of the iterations without the regularizer
WEIGHT_RATE, STEP_RATE = 1e-2, 1e-3  # of Adam
PRESSURE = 0.01  # of the regularizer


@dataclass(frozen=True)
class Fit:
    """Mean square error of a block's output before and after its reconstruction."""

    block: str
    before: float
    after: float


@dataclass(frozen=True)
class Reconstruct:
    """Fit the rounding of each block on its float outputs, front to back.

    Args:
        floating: The same network without quantizers.
        samples: (N, …) float32.
        iterations: Of Adam for each block, on batches of 32.
        drop: Share of the activations that stay unrounded in each iteration.
        seed: Of batches and drops.
        fits: Filled with one entry per block. A block whose error did not fall keeps what it had.
    """

    floating: Graph
    samples: Array
    iterations: int = 600
    drop: float = 0.5
    seed: int = 0
    progress: Progress = QUIET
    fits: list[Fit] = field(default_factory=list, compare=False)
    name: ClassVar[str] = "reconstruct"

    def run(self, graph: Graph) -> Graph:
        x = torch.from_numpy(self.samples)
        blocks = find_blocks(graph)
        targets = run_nn(self.floating, x, keep={block.end for block in blocks})
        walk = Walk(graph, x)
        self.progress.begin("reconstructing blocks", len(blocks) * self.iterations)
        for block in blocks:
            fit = _BlockFit(graph, block, walk.until(block.start), targets[block.end], self)
            self.fits.append(fit.run())
        self.progress.end()
        return graph


class _BlockFit:
    def __init__(
        self, graph: Graph, block: Block, x: Tensor, target: Tensor, how: Reconstruct
    ) -> None:
        self.graph, self.block, self.x, self.target, self.how = graph, block, x, target, how
        self.rng = torch.Generator().manual_seed(how.seed)
        self.fixed = Weights(torch.float32)
        nodes = (block.start, *block.nodes)
        self.weights = {n: SoftWeight(graph.op(n)) for n in nodes if _learns(graph.op(n))}
        self.quantizers = {
            n: SoftQuantizer(graph.op(n).spec, learns=not _fixed(graph, n))
            for n in nodes
            if isinstance(graph.op(n), nn.Quantizer)
        }

    def run(self) -> Fit:
        before = self._hard_error()
        kept = {n: self.graph.op(n) for n in (*self.weights, *self.quantizers)}
        with torch.enable_grad():
            self._train()
        if not self._finite():
            return Fit(self.block.end, before, before)
        for name, weight in self.weights.items():
            self.graph.replace(name, weight.settled())
        for name, quantizer in self.quantizers.items():
            self.graph.replace(name, nn.Quantizer(quantizer.settled()))
        self.fixed = Weights(torch.float32)
        after = self._hard_error()
        if not after < before:
            for name, op in kept.items():
                self.graph.replace(name, op)
            after = before
        return Fit(self.block.end, before, after)

    def _finite(self) -> bool:
        """Whether the fit has not diverged."""
        learned = [w.v for w in self.weights.values()]
        learned += [q.log_step for q in self.quantizers.values()]
        return all(bool(torch.isfinite(v).all()) for v in learned)

    def _train(self) -> None:
        steps = [q.log_step for q in self.quantizers.values() if q.learns]
        groups = [
            {"params": [w.v for w in self.weights.values()], "lr": WEIGHT_RATE},
            {"params": steps, "lr": STEP_RATE},
        ]
        adam = torch.optim.Adam([g for g in groups if g["params"]])
        scale = 1 / float(self.target.var().clamp_min(1e-12))
        for turn in range(self.how.iterations):
            pick = torch.randperm(len(self.x), generator=self.rng)[:BATCH]
            loss = scale * (self._soft(self.x[pick]) - self.target[pick]).square().mean()
            done = turn / self.how.iterations
            if done > WARM:
                power = sharpness((done - WARM) / (1 - WARM))
                size = sum(w.v.numel() for w in self.weights.values())
                loss = loss + PRESSURE * sum(w.unsettled(power) for w in self.weights.values()) / (
                    size
                )
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            self.how.progress.advance()

    def _soft(self, x: Tensor) -> Tensor:
        """The block with learnable rounding, half of its activations unrounded."""
        live = {self.block.start: self._dropped(self.block.start, x)}
        for name in self.block.nodes:
            op = self.graph.op(name)
            inputs = [live[v.node] for v in self.graph.inputs(name)]
            if name in self.weights:
                bias = self.fixed.bias(op)
                live[name] = apply_layer(op, self.weights[name].soft(), bias, inputs[0])
            elif name in self.quantizers:
                live[name] = self._dropped(name, inputs[0])
            else:
                live[name] = KERNELS[type(op)](op, self.fixed, *inputs)
        return live[self.block.end]

    def _dropped(self, name: str, x: Tensor) -> Tensor:
        rounded = self.quantizers[name](x)
        if not self.how.drop:
            return rounded
        keep = torch.rand(x.shape, generator=self.rng) < self.how.drop
        return torch.where(keep, x, rounded)

    @torch.no_grad()
    def _hard_error(self) -> float:
        live = {self.graph.inputs(self.block.start)[0].node: self.x}
        for name in (self.block.start, *self.block.nodes):
            op = self.graph.op(name)
            inputs = [live[v.node] for v in self.graph.inputs(name)]
            live[name] = KERNELS[type(op)](op, self.fixed, *inputs)
        return float((live[self.block.end] - self.target).square().mean())


def _fixed(graph: Graph, quantizer: str) -> bool:
    """Whether another step would lose a code that a concat or a border needs."""
    return tied(graph, quantizer) or any(needed_values(graph, quantizer))


def _learns(op: Any) -> bool:
    return isinstance(op, nn.Conv | nn.Linear) and op.weight_quant is not None
