"""The engine of each layer: as asked for, or the cheapest at a number of cycles per frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qcompiler.errors import QCompilerError
from qcompiler.estimate.devices import Device
from qcompiler.estimate.engines import module_price
from qcompiler.ir.graph import Graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.choices import Site
from qcompiler.passes.engines import (
    AUTO,
    BITSERIAL,
    KINDS,
    Engines,
    can,
    engine_of_layers,
    usual,
)
from qcompiler.passes.fold import FoldingSpace
from qcompiler.passes.pipeline import TO_HARDWARE
from qcompiler.passes.pipelining import BALANCED
from qcompiler.progress import QUIET, Progress, tracked
from qcompiler.verbs.goal import solve


@dataclass(frozen=True)
class Aim:
    """What engines are chosen for: a device, MHz, and a frame rate or a LUT budget; and how."""

    chip: Device
    clock: float
    fps: float | None = None
    lut: int | None = None
    partial_bits: int | None = None
    pipeline: str = BALANCED


def lower(
    graph: Graph, engines: Engines, after: Callable[[str, Graph], None] | None = None
) -> tuple[Graph, Graph]:
    """The integer graph that the hardware must equal, and the hardware graph, unfolded."""
    integer = run_passes(graph, [engines.first, *TO_HARDWARE[:-1]], after=after)
    return integer, run_passes(integer, [engines.lowering], after=after)


def decide_engines(
    graph: Graph, wanted: Mapping[str, str], aim: Aim, progress: Progress = QUIET
) -> Engines:
    """The engine of every layer, ``auto`` decided by the folding search.

    Args:
        graph: Integer graph, padding not yet explicit.
        wanted: Engine by layer (qcompiler/passes/engines.py).
    """
    layers = engine_of_layers(graph, wanted, aim.partial_bits)
    undecided = [name for name, engine in layers.items() if engine == AUTO]
    start = layers | {name: usual(graph, name) for name in undecided}
    if not undecided:
        return Engines(layers, aim.partial_bits)
    lowered = lower(graph, Engines(start, aim.partial_bits))[1]
    sites = engine_sites(graph, start, undecided, aim, progress)
    space = FoldingSpace(lowered, module_price(aim.chip.family), sites, aim.pipeline)
    try:
        found = solve(space, aim.chip, aim.clock, fps=aim.fps, lut=aim.lut).graph
    except QCompilerError:  # the final folding says so, with the engines that it has
        return Engines(start, aim.partial_bits)
    return Engines(start | {n: found.op(n).title for n in undecided}, aim.partial_bits)


def engine_sites(
    graph: Graph,
    start: Mapping[str, str],
    layers: Sequence[str],
    aim: Aim,
    progress: Progress = QUIET,
) -> dict[str, list[Site]]:
    """Every engine that can compute each of the layers.

    Args:
        graph: Integer graph, padding not yet explicit.
        start: An engine for every layer of the graph.
    """
    sites: dict[str, list[Site]] = {name: [] for name in layers}
    for kind in tracked(KINDS, "comparing engines", len(KINDS), progress):
        able = [n for n in layers if can(graph, n, kind, aim.partial_bits)]
        if not able:
            continue
        trial = {**dict.fromkeys(start, BITSERIAL), **dict.fromkeys(able, kind)}
        lowered = lower(graph, Engines(trial, aim.partial_bits))[1]
        for name in able:
            sites[name].append(Site.of(lowered, name))
    return sites
