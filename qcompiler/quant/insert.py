"""The pass that puts quantizers into an nn graph: where they go, and what widths they get."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from qcompiler.errors import QCompilerError
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.quant.borders import bordered_spec, hard_swish_spec, needed_values
from qcompiler.quant.config import QuantConfig
from qcompiler.quant.histogram import Extremes, Histogram, Range
from qcompiler.quant.kinds import ELEMENTWISE, MOVES, SUMS
from qcompiler.quant.ranges import calibrated, weight_spec

Array = np.ndarray[Any, Any]

Observer = Callable[[Graph, Iterable[str]], Iterable[tuple[str, Array]]]


@dataclass(frozen=True)
class Site:
    """A value that gets a quantizer; ``layer`` is the node that a user names for its width."""

    node: str
    layer: str
    bits: int


def find_sites(graph: Graph, config: QuantConfig) -> list[Site]:
    """The values to quantize: the input, and the end of the elementwise chain behind every sum."""
    sites = []
    for name in graph:
        op = graph.op(name)
        if isinstance(op, nn.Input):
            sites.append(Site(name, name, config.input_bits))
        elif isinstance(op, SUMS) or (isinstance(op, ELEMENTWISE) and not _in_chain(graph, name)):
            end = _chain_end(graph, name)
            if all(isinstance(graph.op(user), nn.Quantizer) for user, _ in graph.users(end)):
                continue  # trained
            sites.append(Site(end, name, _width(graph, end, name, config)))
    return sites


def _chain_end(graph: Graph, name: str) -> str:
    while True:
        users = graph.users(name)
        if len(users) != 1 or not isinstance(graph.op(users[0][0]), ELEMENTWISE):
            return name
        name = users[0][0]


def _in_chain(graph: Graph, name: str) -> bool:
    """Whether an elementwise op is reached by the chain of a sum before it."""
    source = graph.inputs(name)[0].node
    if len(graph.users(source)) != 1:
        return False
    if isinstance(graph.op(source), SUMS):
        return True
    return isinstance(graph.op(source), ELEMENTWISE)


def _final_users(graph: Graph, name: str) -> list[Any]:
    """Ops that read a value, looking through ops that only move codes."""
    found: list[Any] = []
    for user, _ in graph.users(name):
        op = graph.op(user)
        found += _final_users(graph, user) if isinstance(op, MOVES) else [op]
    return found


def _width(graph: Graph, end: str, layer: str, config: QuantConfig) -> int:
    users = _final_users(graph, end)
    if any(isinstance(op, nn.Output) for op in users):
        return config.output_bits
    bits = config.activation_bits(layer)
    if users and all(isinstance(op, nn.Add | nn.Quantizer) for op in users):
        return max(bits, config.residual_bits)
    return bits


@dataclass(frozen=True)
class InsertQuantizers:
    """Quantize weights per output channel and activations per tensor.

    Args:
        observer: Yields (node, values) of the float network on the calibration set for the nodes
            asked for; values of one node may come in several pieces.
        dead: Filled with the nodes that are zero on the whole calibration set.
    """

    config: QuantConfig
    observer: Observer
    dead: list[str] = field(default_factory=list, compare=False)
    name: ClassVar[str] = "insert-quantizers"

    def run(self, graph: Graph) -> Graph:
        sites = find_sites(graph, self.config)
        self._check_layers(graph, sites)
        groups = _tie_concats(graph, sites)
        bits = {site.node: max(other.bits for other in groups[site.node]) for site in sites}
        swish = {n: _all_swish(graph, groups[n]) for n in groups}
        ranges = self._ranges(graph, bits, swish)
        needed = {node: needed_values(graph, node) for node in groups}
        for site in sites:
            span, values = ranges[site.node], needed[site.node]
            for other in groups[site.node]:
                span, values = span.union(ranges[other.node]), values | needed[other.node]
            make = hard_swish_spec if swish[site.node] else bordered_spec
            spec = make(span, bits[site.node], values, site.layer)
            graph.insert(graph.fresh(f"{site.node}_q"), nn.Quantizer(spec), site.node)
        for layer in [*graph.find(nn.Conv), *graph.find(nn.Linear)]:
            op = graph.op(layer)
            if op.weight_quant is not None:
                continue  # trained
            width = self.config.weight_bits(layer)
            spec = weight_spec(op.weight, width, self.config.method, self.config.percentile)
            graph.replace(layer, replace(op, weight_quant=spec))
        return graph

    def _check_layers(self, graph: Graph, sites: list[Site]) -> None:
        """Raise if the layer table asks for something that would have no effect."""
        layers = [*graph.find(nn.Conv), *graph.find(nn.Linear)]
        settable = [s.layer for s in sites if not isinstance(graph.op(s.layer), nn.Input)]
        if unknown := [name for name in self.config.layers if name not in settable]:
            raise QCompilerError(
                f"the layer table names {', '.join(unknown)}, which the network does not have",
                hint=f"its layers are {', '.join(layers)}",
            )
        for name, bits in self.config.layers.items():
            if bits.weights is not None and name not in layers:
                raise QCompilerError(
                    "the layer table gives it weight bits, but it has no weights",
                    where=name,
                    hint=f"for the width of its codes write '{name}: {{activations: BITS}}'",
                )

    def _ranges(
        self, graph: Graph, bits: dict[str, int], swish: dict[str, bool]
    ) -> dict[str, Range]:
        """Range of each node to be quantized; looks at the data once for ends, once for counts.

        That of an h-swish output is its distance from the least one. Methods that look for a
        threshold see its positive values alone, as behind a ReLU.
        """
        least = {node: nn.HardSwish.least if swish[node] else 0.0 for node in bits}
        ends = {node: Extremes(node) for node in bits}
        for node, values in self.observer(graph, bits):
            ends[node].add(values - least[node])
        zero = {node: Range(-low, -low) for node, low in least.items()}
        self.dead.extend(node for node, end in ends.items() if end.span == zero[node])
        if self.config.method == "max-abs":
            return {node: end.span for node, end in ends.items()}
        method, percentile = self.config.method, self.config.percentile
        cut = {n: -low if method != "mse" else 0.0 for n, low in least.items()}
        counts = {node: Histogram(ends[node].span.above(cut[node])) for node in bits}
        for node, values in self.observer(graph, bits):
            seen = values - least[node]
            counts[node].add(np.maximum(seen - cut[node], 0) if cut[node] else seen)
        found = {n: calibrated(counts[n], bits[n], method, percentile) for n in bits}
        return {n: Range(span.lo, span.hi + cut[n]) for n, span in found.items()}


def _tie_concats(graph: Graph, sites: list[Site]) -> dict[str, list[Site]]:
    """For each site all that must share its quantizer, because a concat joins their codes."""
    by_node = {site.node: site for site in sites}
    group: dict[str, set[str]] = {site.node: {site.node} for site in sites}
    for name in graph.find(nn.Concat):
        members: set[str] = set()
        for value in graph.inputs(name):
            members |= _sources(graph, value.node, by_node)
        merged = set().union(*(group[m] for m in members)) if members else set()
        for member in merged:
            group[member] = merged
    return {node: [by_node[m] for m in sorted(group[node])] for node in by_node}


def _all_swish(graph: Graph, group: list[Site]) -> bool:
    return all(isinstance(graph.op(site.node), nn.HardSwish) for site in group)


def _sources(graph: Graph, name: str, sites: dict[str, Site]) -> set[str]:
    if name in sites:
        return {name}
    if isinstance(graph.op(name), nn.Quantizer):
        return set()  # trained: the trainer saw to one step for all
    found: set[str] = set()
    for value in graph.inputs(name):
        found |= _sources(graph, value.node, sites)
    return found
