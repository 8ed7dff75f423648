"""Which engine computes each convolution: what a user may ask for, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qcompiler.errors import QCompilerError
from qcompiler.ir import integer
from qcompiler.ir.graph import Graph
from qcompiler.ir.hardware.depthwise import is_depthwise
from qcompiler.ir.hardware.hardwired import unwirable
from qcompiler.ir.products import products_within
from qcompiler.ir.types import IntType
from qcompiler.ir.winograd import tile
from qcompiler.passes.base import Pass
from qcompiler.passes.lower_hardware import LowerHardware
from qcompiler.passes.winograd import UseWinograd, eligible, too_wide

BITSERIAL, DEPTHWISE, DIRECT, AUTO = "bitserial", "depthwise", "direct", "auto"
HARDWIRED = "hardwired"
WINOGRAD = {"winograd": 2, "winograd4": 4}
"""Engines by Winograd, and the outputs of their tiles in one dimension."""
KINDS = (DEPTHWISE, BITSERIAL, DIRECT, *WINOGRAD, HARDWIRED)
"""All engines; of two at one price, `auto` takes the first."""
ENGINES = (*KINDS, AUTO)
DEFAULT = "default"
"""Stands for all layers that are not named."""


def parse_engines(entries: Sequence[str]) -> dict[str, str]:
    """``layer=engine`` or ``engine``, which is for all layers that no entry names."""
    found: dict[str, str] = {}
    for entry in entries:
        layer, _, engine = entry.rpartition("=")
        layer = layer or DEFAULT
        if layer in found:
            raise QCompilerError(f"an engine for {layer} is given twice", where="--engine")
        found[layer] = engine
    check_engines(found)
    return found


def check_engines(wanted: Mapping[str, str]) -> None:
    for layer, engine in wanted.items():
        if engine not in ENGINES:
            raise QCompilerError(
                f"engine {engine!r} is unknown",
                where=layer,
                hint=f"choose one of {', '.join(ENGINES)}, for example --engine conv1=winograd",
            )


def engine_of_layers(
    graph: Graph, wanted: Mapping[str, str], partial_bits: int | None = None
) -> dict[str, str]:
    """The engine of every convolution of an integer graph.

    Without a default, and where the default engine cannot compute a layer, that is the `usual` one;
    an engine that was asked for by name is not replaced, and refused later where it cannot.
    """
    layers = graph.find(integer.Conv)
    if unknown := [n for n in wanted if n not in layers and n != DEFAULT]:
        raise QCompilerError(
            f"the network has no layer {', '.join(unknown)}",
            where="engines",
            hint=f"its layers are {', '.join(layers)}",
        )
    fallback = wanted.get(DEFAULT)

    def engine(layer: str) -> str:
        if layer in wanted:
            return wanted[layer]
        if fallback == AUTO or (fallback and can(graph, layer, fallback, partial_bits)):
            return fallback
        return usual(graph, layer)

    return {layer: engine(layer) for layer in layers}


def usual(graph: Graph, layer: str) -> str:
    """The bit-serial engine of a layer: the depthwise array where it can be that."""
    return DEPTHWISE if can(graph, layer, DEPTHWISE) else BITSERIAL


def can(graph: Graph, layer: str, engine: str, partial_bits: int | None = None) -> bool:
    """Whether an engine can compute a layer, with partial sums of so many bits if any."""
    op, x = graph.op(layer), graph.type(graph.inputs(layer)[0]).integers
    if engine == BITSERIAL:
        return True
    if engine == DEPTHWISE:
        return is_depthwise(op.weight, op.groups)
    if engine == DIRECT:
        kernel = IntType(int(op.weight.min()), int(op.weight.max()))
        return partial_bits is None or products_within(partial_bits, x, kernel) > 0
    if engine == HARDWIRED:
        return unwirable(op.weight, op.groups) is None
    m = WINOGRAD[engine]
    if eligible(op) is not None or too_wide(op, m, x) is not None:
        return False
    ranges = tile(m).ranges(op.weight, x)
    return partial_bits is None or products_within(partial_bits, ranges.data, ranges.kernel) > 0


@dataclass(frozen=True)
class Engines:
    """The passes that give each layer its engine.

    Args:
        layers: Engine by layer, without ``auto``.
        partial_bits: Width of the partial sums of engines of multipliers; None for none.
    """

    layers: Mapping[str, str]
    partial_bits: int | None = None

    @property
    def first(self) -> Pass:
        """For the integer graph, before its padding is made explicit."""
        return UseWinograd({n: WINOGRAD[e] for n, e in self.layers.items() if e in WINOGRAD})

    @property
    def lowering(self) -> Pass:
        """To the hardware dialect."""

        def of(kind: str) -> frozenset[str]:
            return frozenset(layer for layer, engine in self.layers.items() if engine == kind)

        return LowerHardware(of(DIRECT), self.partial_bits, of(DEPTHWISE), of(HARDWIRED))
