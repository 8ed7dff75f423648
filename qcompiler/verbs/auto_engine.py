"""The engine of each layer: as asked for, or the cheapest at a number of cycles per frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qcompiler.errors import QCompilerError
from qcompiler.estimate.devices import Device
from qcompiler.estimate.engines import engine_price
from qcompiler.ir.graph import Graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.engines import (
    AUTO,
    BITSERIAL,
    KINDS,
    Engines,
    can,
    engine_of_layers,
    usual,
)
from qcompiler.passes.fold import ANY, FoldingSpace, bottleneck
from qcompiler.passes.folding import Folding, Worth, cheapest
from qcompiler.passes.pipeline import TO_HARDWARE
from qcompiler.progress import QUIET, Progress, tracked
from qcompiler.verbs.goal import room_for, solve, worth

ROUNDS = 6  # in which engines for a budget are chosen anew for half of the cycles


@dataclass(frozen=True)
class Aim:
    """What engines are chosen for: a device, MHz, and a frame rate or a LUT budget."""

    chip: Device
    clock: float
    fps: float | None = None
    lut: int | None = None
    partial_bits: int | None = None

    @property
    def worth(self) -> Worth:
        """What block RAMs and multipliers are worth, as for the folding that follows."""
        return worth(self.chip, room_for(self.chip, self.fps, self.lut))


def lower(
    graph: Graph, engines: Engines, after: Callable[[str, Graph], None] | None = None
) -> tuple[Graph, Graph]:
    """The integer graph that the hardware must equal, and the hardware graph, unfolded."""
    integer = run_passes(graph, [engines.first, *TO_HARDWARE[:-1]], after=after)
    return integer, run_passes(integer, [engines.lowering], after=after)


def decide_engines(
    graph: Graph, wanted: Mapping[str, str], aim: Aim, progress: Progress = QUIET
) -> Engines:
    """The engine of every layer, ``auto`` decided at the cycles per frame that are asked for.

    For a budget, first at the cycles of bit-serial arrays, then at half of what was reached, as
    long as that is faster.

    Args:
        graph: Integer graph, padding not yet explicit.
        wanted: Engine by layer (qcompiler/passes/engines.py).
    """
    layers = engine_of_layers(graph, wanted, aim.partial_bits)
    undecided = [name for name, engine in layers.items() if engine == AUTO]
    start = layers | {name: usual(graph, name) for name in undecided}
    if not undecided:
        return Engines(layers, aim.partial_bits)

    fronts = engine_fronts(graph, start, undecided, aim, progress)
    if aim.fps is not None:
        cycles = int(aim.clock * 1e6 / aim.fps)
        return Engines(start | cheapest_engines(fronts, cycles, aim.worth), aim.partial_bits)
    best, reached = start, _cycles(graph, start, aim)
    for _ in range(ROUNDS):
        wanted_cycles = ANY if reached == ANY else reached // 2
        tried = start | cheapest_engines(fronts, wanted_cycles, aim.worth)
        cycles = _cycles(graph, tried, aim)
        if cycles >= reached:
            break
        best, reached = tried, cycles
    return Engines(best, aim.partial_bits)


def _cycles(graph: Graph, layers: dict[str, str], aim: Aim) -> int:
    """Cycles per frame of these engines in the budget; ANY where they have no room."""
    space = FoldingSpace(
        lower(graph, Engines(layers, aim.partial_bits))[1], engine_price(aim.chip.family)
    )
    try:
        return bottleneck(solve(space, aim.chip, aim.clock, fps=None, lut=aim.lut).graph)[1]
    except QCompilerError:
        return ANY


Fronts = dict[str, dict[str, list[Folding]]]
"""For each layer and each engine that can compute it, the foldings worth having."""


def engine_fronts(
    graph: Graph,
    start: dict[str, str],
    layers: Sequence[str],
    aim: Aim,
    progress: Progress = QUIET,
) -> Fronts:
    """The foldings of each of the layers with every engine.

    Args:
        graph: Integer graph, padding not yet explicit.
        start: An engine for every layer of the graph.
    """
    fronts: Fronts = {name: {} for name in layers}
    for kind in tracked(KINDS, "comparing engines", len(KINDS), progress):
        able = [n for n in layers if can(graph, n, kind, aim.partial_bits)]
        if not able:
            continue
        trial = {**dict.fromkeys(start, BITSERIAL), **dict.fromkeys(able, kind)}
        lowered = lower(graph, Engines(trial, aim.partial_bits))[1]
        space = FoldingSpace(lowered, engine_price(aim.chip.family)).weighing(aim.worth)
        for name in able:
            fronts[name][kind] = space.engines[name]
    return fronts


def cheapest_engines(fronts: Fronts, cycles: int, prices: Worth) -> dict[str, str]:
    """For each layer the cheapest engine in so many cycles; if none is in time, the fastest."""
    return {
        name: min(kinds, key=lambda kind: (_rank(kinds[kind], cycles, prices), KINDS.index(kind)))
        for name, kinds in fronts.items()
    }


def _rank(front: list[Folding], cycles: int, prices: Worth) -> tuple[bool, float]:
    """Late engines after those in time; by price, or by cycles if late."""
    pick = cheapest(front, cycles)
    if pick is None:
        return True, float(front[-1].cycles)
    return False, pick.price(prices)
