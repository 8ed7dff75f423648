"""What the FIFOs around a module take, known before the network is folded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.rates import bottleneck
from qcompiler.passes.choices import Array, Choices
from qcompiler.passes.connect import SLACK, border_depth, joins
from qcompiler.passes.demands import Demands, dominators, fifo_depth

Waiting = Mapping[str, list[int]]
"""Pixels that wait on each input of a join."""


def waiting(graph: Graph) -> dict[str, list[int]]:
    """Of a folded graph without forks and FIFOs.

    Lanes change nothing, and foldings only what a gate computed from a whole frame takes.
    """
    origins, (_, frame) = dominators(graph), bottleneck(graph)
    return {n: Demands(graph, origins[n], frame).waiting(n) for n in joins(graph)}


class FifoPrices:
    """FIFOs before joins and borders, and forks.

    Args:
        choices: Of the network.
        cycles: Per frame.
        pixels: `waiting`.
    """

    def __init__(self, choices: Choices, cycles: int, pixels: Waiting) -> None:
        self.choices, self.cycles, self.pixels = choices, cycles, pixels
        self.forks = np.zeros(4)
        graph = choices.graph
        for name in graph:
            users = graph.users(name)
            if len(users) > 1:
                stream = graph.type(name)
                many = [stream] * len(users)
                self.forks = self.forks + choices.price(hw.Fork(len(users)), [stream], many)

    def __call__(self, name: str, lanes: int) -> Array:
        """float64 [LUT, FF, BRAM, DSP] of the FIFOs before a module of so many lanes."""
        total = np.zeros(4)
        for slot, depth in enumerate(self._depths(name, lanes)):
            if depth:
                stream = self._stream(name, slot, lanes)
                total = total + self.choices.price(hw.Fifo(depth), [stream], [stream])
        return total

    def slower(self, name: str, lanes: int, pace: float) -> Array:
        """What the FIFO before a border takes more if it is followed by an adapter.

        Args:
            name: The module before the adapter.
            lanes: Of the module.
            pace: Cycles that the adapter takes for a pixel.
        """
        op, known = self.choices.graph.op(name), np.zeros(4)
        depths = self._depths(name, lanes) if isinstance(op, hw.Pad) else []
        if not depths:
            return known
        stream = self._stream(name, 0, lanes)
        if depths[0]:
            known = self.choices.price(hw.Fifo(depths[0]), [stream], [stream])
        depth = border_depth(op, stream, self.cycles, pace)
        return self.choices.price(hw.Fifo(depth), [stream], [stream]) - known if depth else known

    def _stream(self, name: str, slot: int, lanes: int) -> hw.StreamType:
        stream: hw.StreamType = self.choices.graph.type(self.choices.sources(name)[slot])
        return replace(stream, lanes=lanes)

    def _depths(self, name: str, lanes: int) -> list[int]:
        graph = self.choices.graph
        if name in self.pixels:
            return [
                fifo_depth(pixels, self._stream(name, slot, lanes), SLACK)
                for slot, pixels in enumerate(self.pixels[name])
            ]
        op = graph.op(name)
        if isinstance(op, hw.Pad):
            before = graph.inputs(name)[0].node
            if isinstance(graph.op(before), hw.Source) and len(graph.users(before)) == 1:
                return []  # the network input may wait
            return [border_depth(op, self._stream(name, 0, lanes), self.cycles)]
        return []
