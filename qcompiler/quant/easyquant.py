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
from qcompiler.quant.borders import needed_values, rescaled
from qcompiler.quant.consumers import Consumer, consumers, lone_layer, run_consumer, tied
from qcompiler.quant.ranges import scaled
from qcompiler.quant.walk import Walk
from qcompiler.reference.nn import Weights, run_nn
from qcompiler.reference.quantizer import fake_quantize

Array = np.ndarray[Any, Any]

SPAN = (0.5, 2.0)  # of the starting scale; the paper's alpha and beta
GAIN = 1e-5  # an alternation that raises the cosine by less is the last
CLEAR = 1e-7  # cosines of float32 outputs closer than this are a tie


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
        ways = {n: consumers(graph, n) for n in graph.find(nn.Quantizer)}
        ways |= {n: [lone_layer(graph, n)] for n in self._left_over(graph, ways)}
        steps = [n for n in graph if n in ways]
        ends = sorted({way.end for every in ways.values() for way in every})
        targets = run_nn(self.floating, torch.from_numpy(self.samples), keep=ends)
        pace = Pace(self.seconds, sum(1 + len(w) for w in ways.values()), self.candidates)
        self.progress.begin("easyquant: searching scales", len(steps))
        for node in steps:
            search = _Search(graph, node, ways[node], walk.until(node), targets)
            count = pace.next(1 + len(ways[node]))
            before = search.score()
            if count:
                search.alternate(count, self.rounds)
            self.steps.append(Step(node, search.layers, before, search.score(), count))
            self.progress.advance()
        self.progress.end()
        return graph

    @staticmethod
    def _left_over(graph: Graph, ways: dict[str, list[Consumer]]) -> list[str]:
        """Layers that no single quantizer feeds, such as those behind a concat."""
        seen = {way.sum for every in ways.values() for way in every}
        return [n for n in graph if _weighted(graph.op(n)) and n not in seen]


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
    """The scales of one quantizer and of the weights behind it, or of one layer's weights alone."""

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
        spec = graph.op(node).spec if isinstance(graph.op(node), nn.Quantizer) else None
        signs = spec is not None and spec.hi - spec.lo == 1 and bool(np.any(spec.offset))
        # A cosine does not see the scale of -s and +s.
        self.fixed = spec is None or signs or tied(graph, node) or not ways
        self.needed = needed_values(graph, node)
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
        x = self._codes(spec)
        found = [
            cosine(run_consumer(self.graph, way, self.weights, x), self.targets[way.end])
            for way in self.ways
        ]
        return float(np.mean(found))

    def _codes(self, spec: nn.QuantSpec | None = None) -> Tensor:
        """What the consumers read."""
        op = self.graph.op(self.node)
        return fake_quantize(spec or op.spec, self.x) if isinstance(op, nn.Quantizer) else self.x

    def _activations(self, trials: Array) -> None:
        start = self.graph.op(self.node).spec
        best, spec = self.score(), start
        for trial in trials:
            candidate = rescaled(start, trial, self.needed)
            if (score := self.score(candidate)) > best + CLEAR:
                best, spec = score, candidate
        self.graph.replace(self.node, nn.Quantizer(spec))

    def _weights(self, way: Consumer, trials: Array) -> None:
        """All channels at once: one run a trial, each channel keeps its own best."""
        assert way.sum is not None
        op, whole = self.graph.op(way.sum), self.score()
        start: nn.QuantSpec = op.weight_quant
        x = self._codes()
        weight, target = torch.from_numpy(op.weight).float(), self.targets[way.end]

        def scores(spec: nn.QuantSpec) -> Tensor:
            rounded = fake_quantize(spec, weight)
            return channel_cosine(run_consumer(self.graph, way, self.weights, x, rounded), target)

        best, factor = scores(start), np.ones(len(weight))
        for trial in trials:
            found = scores(scaled(start, trial))
            better = found > best + CLEAR
            factor = np.where(better.numpy(), trial, factor)
            best = torch.where(better, found, best)
        self.graph.replace(way.sum, replace(op, weight_quant=scaled(start, factor)))
        if self.score() < whole:  # better channel by channel, worse as one output
            self.graph.replace(way.sum, op)


def _weighted(op: Any) -> bool:
    return isinstance(op, nn.Conv | nn.Linear) and op.weight_quant is not None


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
    aa, bb, ab = (v.sum(-1, dtype=torch.float64) for v in (a * a, b * b, a * b))
    cosines = ab / (aa.sqrt() * bb.sqrt()).clamp_min(1e-300)
    return torch.where((aa == 0) & (bb == 0), 1.0, cosines)
