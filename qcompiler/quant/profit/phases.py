"""PROFIT's schedule: stages in a row, as a pure function of the settings and of what is done."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from qcompiler.quant.profit.config import ProfitConfig

WARMUP = 0.2  # share of a stage in which the rate rises
ONCE = 0.1  # share of the training in which it rises, where it rises once
LEAST = 0.1  # of the rate, where that begins
LAST = 1e-3  # of the rate, at the end of a stage
THIRDS = 2  # of the convolutions that get frozen, one after another


@dataclass(frozen=True)
class Phase:
    """A stage of the training, with momentum and a cosine of its own.

    Args:
        length: In parts of the whole training.
        activations: Bits, 0: not quantized.
        weights: The same.
        trains: Whether weights train, or only norms, biases and scales.
        samples: Whether it measures AIWQ, at a constant rate.
        frozen: Thirds of the convolutions whose weights stay, the most unstable first.
    """

    length: float
    activations: int = 0
    weights: int = 0
    trains: bool = True
    samples: bool = False
    frozen: int = 0

    def rate(self, done: float) -> float:
        """Factor of the learning rate where a share ``done`` of the stage is over."""
        return 1.0 if self.samples else _cosine(done, WARMUP if self.trains else 0.0)


def _cosine(done: float, warmup: float) -> float:
    """Factor of the learning rate: a rise over ``warmup``, then a cosine."""
    if done < warmup:
        return LEAST + (1 - LEAST) * done / warmup
    fall = 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))
    return LAST + (1 - LAST) * fall


class Schedule:
    """The stages of a training: float, activations down, weights down, the last width frozen."""

    def __init__(self, config: ProfitConfig) -> None:
        self.phases = tuple(_phases(config))
        self.restarts = config.restarts
        ends = list(accumulate(phase.length for phase in self.phases))
        self.starts = [0.0, *(end / ends[-1] for end in ends[:-1])]

    def index(self, done: float) -> int:
        """Number of the stage after a share ``done``, 0 to 1, of the training."""
        return bisect_right(self.starts, done) - 1

    def rate(self, done: float) -> float:
        """Factor of the learning rate."""
        if not self.restarts:
            return _cosine(done, ONCE)
        k = self.index(done)
        end = self.starts[k + 1] if k + 1 < len(self.starts) else 1.0
        return self.phases[k].rate((done - self.starts[k]) / (end - self.starts[k]))

    def width(self, done: float) -> int:
        """How often bits have changed so far."""
        bits = [(p.activations, p.weights) for p in self.phases[: self.index(done) + 1]]
        return sum(a != b for a, b in pairwise(bits))


def _phases(c: ProfitConfig) -> Iterator[Phase]:
    train, bn = Phase(c.train_epochs), Phase(c.bn_epochs, trains=False)
    now = Phase(0)
    if c.float_stage:
        yield train
    *wider, last = _widths(c)
    for activations, weights in wider:
        now = replace(now, activations=activations, weights=weights)
        yield from _around(c, now, bn, [train])
    now = replace(now, activations=last[0], weights=last[1])
    middle = [Phase(c.sample_epochs, samples=c.freeze)]
    middle += [replace(train, frozen=k if c.freeze else 0) for k in range(THIRDS + 1)]
    yield from _around(c, now, bn, middle)


def _widths(c: ProfitConfig) -> list[tuple[int, int]]:
    """Bits of activations and of weights, stage after stage; 0: not quantized."""
    first, then = c.activation_stairs, c.weight_stairs
    if not c.together or not first:
        return [*((a, 0) for a in first), *((first[-1] if first else 0, w) for w in then)]
    stages = max(len(first), len(then))
    both = ([*stairs, *[stairs[-1]] * (stages - len(stairs))] for stairs in (first, then))
    return list(zip(*both, strict=True))


def _around(c: ProfitConfig, now: Phase, bn: Phase, middle: list[Phase]) -> Iterator[Phase]:
    """Stages of one width: without weights, with them, without them."""
    for phase in ([bn] if c.bn_stages else []) + middle + ([bn] if c.bn_stages else []):
        yield replace(phase, activations=now.activations, weights=now.weights)
