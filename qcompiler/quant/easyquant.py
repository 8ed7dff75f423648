"""EasyQuant: scales of weights and activations searched by the cosine of layer outputs.

Wu, Tang, Zhao, Zhang, Fu and Zhang, "EasyQuant: Post-training Quantization via Scale
Optimization", arXiv 2006.16669. Equation 1: for each layer, maximize the mean over images of
cos(O, Oq), O the float output (behind the ReLU where one follows), Oq that of the quantized
network run from the image.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.progress import QUIET, Progress
from qcompiler.quant.consumers import Consumer, consumers, run_consumer, tied
from qcompiler.quant.walk import Walk
from qcompiler.reference.nn import Weights, run_nn
from qcompiler.reference.quantizer import fake_quantize

Array = np.ndarray[Any, Any]

SPAN = (0.5, 2.0)  # of the starting scale; the paper's alpha and beta
GAIN = 1e-5  # an alternation that raises the cosine by less is the last
CLEAR = 1e-7  # float32 cosines closer than this are a tie


@dataclass(frozen=True)
class Step:
    """Cosine of one quantizer's consumers before and after its search, and what was tried."""

    node: str
    layers: tuple[str, ...]  # those that read the quantizer
    before: float
    after: float
    candidates: int


@dataclass(frozen=True)
class EasyQuant:
    """Alternate between the weight scales (per channel) and the activation scale, layer by layer.

    Works on a graph that already has quantizers; weights start at the largest magnitude,
    activations at the KL threshold. The starting scale is a candidate and ties keep the incumbent,
    so no layer's cosine falls.

    Args:
        floating: The same network without quantizers.
        samples: (N, …) float32; the paper takes 50.
        candidates: Scales tried for each search, evenly between half and twice the start.
        rounds: Most alternations of a layer.
        seconds: Time to stay within; layers then get fewer candidates, the last ones none.
        steps: Filled with one entry per quantizer.
    """

    floating: Graph
    samples: Array
    candidates: int = 100
    rounds: int = 2
    seconds: float | None = None
    progress: Progress = QUIET
    steps: list[Step] = field(default_factory=list, compare=False)
    name: ClassVar[str] = "easyquant"

    def run(self, graph: Graph) -> Graph:
        walk = Walk(graph, torch.from_numpy(self.samples))
        sites = [n for n in graph.find(nn.Quantizer)]
        ways = {n: consumers(graph, n) for n in sites}
        ends = sorted({way.end for every in ways.values() for way in every})
        targets = run_nn(self.floating, torch.from_numpy(self.samples), keep=ends)
        pace = Pace(self.seconds, sum(1 + len(w) for w in ways.values()), self.candidates)
        self.progress.begin("easyquant: searching scales", len(sites))
        for node in sites:
            search = _Search(graph, node, ways[node], walk.until(node), targets)
            count = pace.next(1 + len(ways[node]))
            before = search.score()
            if count:
                search.alternate(count, self.rounds)
            self.steps.append(Step(node, search.layers, before, search.score(), count))
            self.progress.advance()
        self.progress.end()
        return graph


@dataclass
class Pace:
    """Shares out time among searches: all candidates until the clock says otherwise."""

    seconds: float | None
    parts: int
    candidates: int
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.began, self.done, self.spent = self.clock(), 0, 0.0

    def next(self, parts: int) -> int:
        """Candidates for a search that is `parts` of the whole."""
        self.spent = self.clock() - self.began
        self.done, before = self.done + parts, self.done
        if self.seconds is None:
            return self.candidates
        if not before:
            return self.candidates if self.seconds > 0 else 0
        left = (self.seconds - self.spent) / (self.parts - before)
        share = left / max(self.spent / before, 1e-9)
        return int(max(0.0, min(1.0, share)) * self.candidates)


def _trials(count: int, again: bool) -> Array:
    """Step sizes to try, over the start's: one over evenly spaced scales.

    A layer's first search covers SPAN, every later one the tenth on either side of its incumbents.
    """
    return 1 / (np.linspace(0.9, 1.1, max(count // 4, 1)) if again else np.linspace(*SPAN, count))


class _Search:
    """The scales of one quantizer and of the weights behind it."""

    def __init__(
        self,
        graph: Graph,
        node: str,
        ways: list[Consumer],
        x: Tensor,
        targets: dict[str, Tensor],
    ) -> None:
        self.graph, self.node, self.ways, self.x = graph, node, ways, x
        self.targets = targets
        self.weights = Weights(torch.float32)
        self.fixed = tied(graph, node) or not ways
        self.layers = tuple(w.sum for w in ways if w.sum and _weighted(graph.op(w.sum)))

    def alternate(self, count: int, rounds: int) -> None:
        score = self.score()
        for turn in range(rounds):
            trials = _trials(count, again=turn > 0)
            for way in self.ways:
                if way.sum in self.layers:
                    self._weights(way, trials)
            if not self.fixed:
                self._activations(trials)
            score, before = self.score(), score
            if score - before < GAIN:
                return

    def score(self, spec: nn.QuantSpec | None = None) -> float:
        """Mean cosine over the consumers."""
        if not self.ways:
            return 1.0
        x = fake_quantize(spec or self.graph.op(self.node).spec, self.x)
        found = [
            cosine(run_consumer(self.graph, way, self.weights, x), self.targets[way.end])
            for way in self.ways
        ]
        return float(np.mean(found))

    def _activations(self, trials: Array) -> None:
        start = self.graph.op(self.node).spec
        best, spec = self.score(), start
        for trial in trials:
            candidate = scaled(start, trial)
            if (score := self.score(candidate)) > best + CLEAR:
                best, spec = score, candidate
        self.graph.replace(self.node, nn.Quantizer(spec))

    def _weights(self, way: Consumer, trials: Array) -> None:
        """All channels at once: one run a trial, each channel keeps its own best."""
        assert way.sum is not None
        op, whole = self.graph.op(way.sum), self.score()
        start: nn.QuantSpec = op.weight_quant
        x = fake_quantize(self.graph.op(self.node).spec, self.x)
        weight, target = torch.from_numpy(op.weight).float(), self.targets[way.end]

        def scores(spec: nn.QuantSpec) -> Tensor:
            rounded = fake_quantize(spec, weight)
            return channel_cosine(run_consumer(self.graph, way, self.weights, x, rounded), target)

        best, factor = scores(start), np.ones(len(weight))
        for trial in trials:
            found = scores(scaled(start, trial))
            factor = np.where((found > best + CLEAR).numpy(), trial, factor)
            best = torch.maximum(best, found)
        self.graph.replace(way.sum, replace(op, weight_quant=scaled(start, factor)))
        if self.score() < whole:  # better channel by channel, worse as one output
            self.graph.replace(way.sum, op)


def _weighted(op: Any) -> bool:
    return isinstance(op, nn.Conv | nn.Linear) and op.weight_quant is not None


def scaled(spec: nn.QuantSpec, factor: float | Array) -> nn.QuantSpec:
    """The same codes on steps that are `factor` times as large."""
    steps = spec.step_in * factor, spec.step_out * factor
    return nn.QuantSpec(*steps, spec.offset * factor, spec.lo, spec.hi)


def cosine(got: Tensor, wanted: Tensor) -> float:
    """Mean over images of the cosine between two outputs (N, …); 1 where both are zero."""
    return float(_cosines(got.flatten(1), wanted.flatten(1)).mean())


def channel_cosine(got: Tensor, wanted: Tensor) -> Tensor:
    """For each channel (N, C, …) the mean over images; over all images at once of single values."""
    if got.ndim == 2 or got.shape[2:].numel() == 1:
        return _cosines(got.flatten(1).T, wanted.flatten(1).T)
    return _cosines(got.flatten(2), wanted.flatten(2)).mean(0)


def _cosines(a: Tensor, b: Tensor) -> Tensor:
    """Along the last axis."""
    aa, bb, ab = (a * a).sum(-1), (b * b).sum(-1), (a * b).sum(-1)
    cosines = ab / (aa * bb).sqrt().clamp_min(1e-30)
    return torch.where((aa == 0) & (bb == 0), 1.0, cosines)
