"""Codes that must exist: those of borders and of the zero of products, and h-swish's least."""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import replace

import numpy as np

from qcompiler.errors import QCompilerError
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.quant.histogram import Range
from qcompiler.quant.kinds import MOVES
from qcompiler.quant.ranges import activation_spec, scaled

WHOLE = 1e-9  # how near a code is to a whole number, for rounding in float64


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


def bordered_spec(span: Range, bits: int, needed: Set[float], where: str = "") -> nn.QuantSpec:
    """The quantizer of a range with a code for each value that is needed.

    A value besides zero makes the step a whole part of it, never so much less that range is lost.

    Args:
        where: The layer, for the error where no step has a code for each and holds the range.
    """
    for value in needed:
        span = span.union(Range(value, value)) if value else span
    return _refitted(activation_spec(span, bits), needed, where)


def hard_swish_spec(span: Range, bits: int, needed: Set[float], where: str = "") -> nn.QuantSpec:
    """Unsigned codes for an h-swish output.

    Code 0 is -3/8 where a border needs that, else the multiple of the step next to it, so that
    zero has a code.

    Args:
        span: Of the output plus 3/8, which is never negative.
        where: As for ``bordered_spec``.
    """
    least = nn.HardSwish.least
    span = span.union(Range(0.0, -least)) if 0.0 in needed else span
    spec = activation_spec(span, bits)
    step = float(spec.step_in)
    if least not in needed:
        return replace(spec, offset=np.asarray(step * round(least / step)))
    return _refitted(replace(spec, offset=np.asarray(least)), needed, where)


def rescaled(spec: nn.QuantSpec, factor: float, needed: Set[float]) -> nn.QuantSpec:
    """The same codes on steps ``factor`` times as large, or near it: needed values keep codes.

    Steps so large that they do not are not taken: the quantizer is returned as it is.
    """
    if not any(needed):
        return scaled(spec, factor)
    step = _step_with(spec, float(spec.step_out) * factor, needed)
    return spec if step is None else _on_step(spec, step)


def _refitted(spec: nn.QuantSpec, needed: Set[float], where: str) -> nn.QuantSpec:
    """The offset stays, the step becomes one that has codes for what is needed."""
    if not any(needed):
        return spec
    step = _step_with(spec, float(spec.step_out), needed)
    if step is None:
        values = ", ".join(f"{value:g}" for value in sorted(needed | {float(spec.offset)}))
        top = spec.hi * float(spec.step_out) + float(spec.offset)
        raise QCompilerError(
            f"no {spec.hi - spec.lo + 1} codes at equal steps reach {top:.4g} with one for each of "
            f"{values}, which paddings, products or the quantizer's offset need",
            where=where,
            hint="give its activations more bits, or pad with the same value everywhere",
        )
    return _on_step(spec, step)


def _step_with(spec: nn.QuantSpec, step: float, needed: Set[float]) -> float | None:
    """The least step from ``step`` on that leads from the offset to each needed value.

    It may be less by what moves the last code by half a step: values at the end of the range then
    err no more than rounding errs. A larger step costs resolution, a smaller one would clip; where
    the way to a value is shorter than the step there is none.
    """
    ways = sorted({abs(value - float(spec.offset)) for value in needed} - {0.0})
    if not ways:
        return step
    most = min(math.floor(ways[0] / step * (1 + 0.5 / spec.hi)), spec.hi)
    for parts in range(most, 0, -1):
        codes = [way * parts / ways[0] for way in ways]
        if max(codes) < spec.hi + 0.5 and all(abs(c - round(c)) < WHOLE for c in codes):
            return ways[0] / parts
    return None


def _on_step(spec: nn.QuantSpec, step: float) -> nn.QuantSpec:
    return replace(spec, step_in=step * (spec.step_in / spec.step_out), step_out=np.asarray(step))
