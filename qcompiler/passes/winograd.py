"""Chooses Winograd for named convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from qcompiler.errors import GraphError
from qcompiler.ir import integer
from qcompiler.ir.graph import Graph
from qcompiler.ir.products import OPERAND_BITS, signed_bits
from qcompiler.ir.types import IntType
from qcompiler.ir.winograd import tile


def eligible(op: integer.IntegerOp) -> str | None:
    """Why ``op`` cannot be computed by Winograd, or None where it can."""
    if not isinstance(op, integer.Conv):
        return f"it is no convolution but {type(op).__name__}"
    if op.weight.shape[2:] != (3, 3):
        return f"its kernel is {op.weight.shape[2]}x{op.weight.shape[3]}, not 3x3"
    if op.stride != (1, 1):
        return f"its stride is {op.stride[0]}x{op.stride[1]}, not 1"
    if op.dilation != (1, 1):
        return f"its dilation is {op.dilation[0]}x{op.dilation[1]}, not 1"
    if op.groups != 1:
        return f"it has {op.groups} groups, not 1"
    return None


def too_wide(op: integer.Conv, m: int, x: IntType) -> str | None:
    """Why the transformed operands do not fit a multiplier, or None where they do.

    Args:
        op: An eligible convolution.
        m: Outputs of a tile in one dimension.
        x: Type of its input codes.
    """
    ranges = tile(m).ranges(op.weight, x)
    found = {"weights": ranges.kernel, "inputs": ranges.data}
    widths = {what: signed_bits(kind) for what, kind in found.items()}
    if max(widths.values()) <= OPERAND_BITS:
        return None
    both = " and ".join(f"{what} of {bits} bits" for what, bits in widths.items())
    return f"transformed {both} do not fit signed multipliers of {OPERAND_BITS} bits"


@dataclass(frozen=True)
class UseWinograd:
    """The named convolutions become ``WinogradConv``, with the same values.

    Args:
        layers: For each layer the outputs of its tiles in one dimension, 2 or 4.

    Raises:
        GraphError: From ``run``, for a layer that is not there, is not eligible, or whose
            transformed operands are too wide for a multiplier.
    """

    layers: Mapping[str, int]
    name: ClassVar[str] = "use-winograd"

    def run(self, graph: Graph) -> Graph:
        for name, m in self.layers.items():
            if name not in graph:
                raise GraphError("there is no such layer to use Winograd for", where=name)
            op = graph.op(name)
            if (reason := eligible(op)) is not None:
                hint = "leave the layer to another engine"
                raise GraphError(f"Winograd does not fit: {reason}", where=name, hint=hint)
            if reason := too_wide(op, m, graph.type(graph.inputs(name)[0]).integers):
                smaller = "use tiles of 2x2, or " if m > 2 else ""
                hint = f"{smaller}quantize the layer to fewer bits, or leave it to another engine"
                raise GraphError(f"Winograd {m}x{m}: {reason}", where=name, hint=hint)
            graph.replace(name, integer.WinogradConv(op.weight, m, op.padding, op.pad_code))
        return graph
