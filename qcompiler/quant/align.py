"""Bring the two sides of every addition onto steps with a small whole-number ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qcompiler.errors import GraphError
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.quant.kinds import MOVES

WIDEN = 1.03  # a step may grow by this factor for a ratio of smaller numbers
MOST = 64


def small_ratio(ratio: float) -> tuple[int, int]:
    """Least (n, m) with n/m in (ratio/WIDEN, ratio], for a ratio of 1 or more."""
    for m in range(1, MOST + 1):
        n = int(ratio * m * (1 + 1e-12))
        if n and ratio * m / n <= WIDEN:
            return n, m
    return max(int(ratio * MOST), 1), MOST


@dataclass(frozen=True)
class AlignResiduals:
    """Make additions exact: the finer side's step becomes coarse/(n/m), a little wider than it was.

    The side that only feeds this addition is moved; where both sides are spoken for, a quantizer of
    its own is put before the addition. So both branches share the step ``coarse/n`` exactly, and
    the alignment error of docs/numerics.md §3 is zero.

    Args:
        keep: Quantizers that stay as they are, trained ones.
    """

    keep: frozenset[str] = frozenset()
    name: ClassVar[str] = "align-residuals"

    def run(self, graph: Graph) -> Graph:
        fixed = set(self.keep)
        for name in graph.find(nn.Add):
            sides = [_quantizer(graph, v.node) for v in graph.inputs(name)]
            if sides[0] == sides[1]:
                continue
            steps = [float(graph.op(side).spec.step_out) for side in sides]
            fine = 0 if steps[0] < steps[1] else 1
            free = [
                k for k in (fine, 1 - fine) if sides[k] not in fixed and _private(graph, sides[k])
            ]
            if not free:
                slot = 1
                old = graph.op(sides[slot]).spec
                spec = nn.QuantSpec.uniform(old.step_out, old.lo, old.hi, old.offset)
                new = graph.fresh(f"{name}_align")
                graph.add(new, nn.Quantizer(spec), [graph.inputs(name)[slot]])
                graph.reconnect(name, slot, new)
                sides[slot], free = new, [slot]
            moved = free[0]
            self._move(graph, sides[moved], steps[moved], steps[1 - moved])
            fixed.update(sides)
        return graph

    def _move(self, graph: Graph, node: str, step: float, anchor: float) -> None:
        """Widen ``step`` to a small ratio with ``anchor``."""
        if step <= anchor:
            n, m = small_ratio(anchor / step)
            new = anchor * m / n
        else:
            # the mover is the coarser side: round its multiple of the anchor's step up
            m = 1
            while -(-step * m // anchor) * anchor / m > step * WIDEN and m < MOST:
                m += 1
            new = anchor * -(-step * m // anchor) / m
        spec = graph.op(node).spec
        step_in, offset = new * (spec.step_in / spec.step_out), spec.offset * (new / step)
        wider = nn.QuantSpec(step_in, np.asarray(new), offset, spec.lo, spec.hi)
        graph.replace(node, nn.Quantizer(wider))


def _quantizer(graph: Graph, name: str) -> str:
    """The quantizer whose codes a value carries, through ops that only move codes."""
    while isinstance(graph.op(name), MOVES):
        name = graph.inputs(name)[0].node
    if not isinstance(graph.op(name), nn.Quantizer):
        raise GraphError("an addition needs quantized inputs", where=name)
    return name


def _private(graph: Graph, name: str) -> bool:
    """Whether a value reaches one addition and nothing else (a concat's steps are tied)."""
    while True:
        users = graph.users(name)
        if len(users) != 1:
            return False
        op = graph.op(users[0][0])
        if isinstance(op, nn.Add):
            return True
        if not isinstance(op, MOVES) or isinstance(op, nn.Concat):
            return False
        name = users[0][0]
