"""Codes that must exist: those of borders and of the zero of products, and h-swish's least."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import numpy as np

from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.quant.histogram import Range
from qcompiler.quant.kinds import MOVES
from qcompiler.quant.ranges import activation_spec, scaled


def needed_values(graph: Graph, node: str) -> frozenset[float]:
    """Values that codes of ``node`` must stand for exactly, looking through what moves codes."""
    found: set[float] = set()
    for user, _ in graph.users(node):
        op = graph.op(user)
        if isinstance(op, nn.Pad):
            found.add(op.value)
        if isinstance(op, nn.Mul):
            found.add(0.0)
        elif isinstance(op, nn.Conv | nn.AvgPool) and any(op.padding):
            found.add(getattr(op, "pad_value", 0.0))
        elif isinstance(op, MOVES):
            found |= needed_values(graph, user)
    return frozenset(found)


def bordered_spec(span: Range, bits: int, needed: Set[float]) -> nn.QuantSpec:
    """The quantizer of a range with a code for each value that is needed.

    A value besides zero makes the step a whole part of it.
    """
    for value in needed:
        span = span.union(Range(value, value)) if value else span
    return _refitted(activation_spec(span, bits), 1.0, needed)


def hard_swish_spec(span: Range, bits: int, needed: Set[float]) -> nn.QuantSpec:
    """Unsigned codes for an h-swish output.

    Code 0 is -3/8 where a border needs that, else the multiple of the step next to it, so that
    zero has a code.

    Args:
        span: Of the output plus 3/8, which is never negative.
    """
    spec, least = activation_spec(span, bits), nn.HardSwish.least
    step = float(spec.step_in)
    if least not in needed:
        return replace(spec, offset=np.asarray(step * round(least / step)))
    return _refitted(replace(spec, offset=np.asarray(least)), 1.0, needed)


def rescaled(spec: nn.QuantSpec, factor: float, needed: Set[float]) -> nn.QuantSpec:
    """The same codes on steps ``factor`` times as large, or near it: needed values keep codes."""
    return _refitted(spec, factor, needed) if any(needed) else scaled(spec, factor)


def _refitted(spec: nn.QuantSpec, factor: float, needed: Set[float]) -> nn.QuantSpec:
    """The offset stays; the step becomes a whole part of the way from there to a needed value."""
    step, offset = float(spec.step_out) * factor, float(spec.offset)
    for way in sorted({abs(value - offset) for value in needed if any(needed)} - {0.0}):
        step = way / max(round(way / step), 1)
    return replace(spec, step_in=step * (spec.step_in / spec.step_out), step_out=np.asarray(step))
