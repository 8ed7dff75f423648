"""The engine of each layer: as asked for, or the cheapest at a number of cycles per frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qcompiler.errors import QCompilerError
from qcompiler.estimate.devices import Device
from qcompiler.estimate.engines import engine_price
from qcompiler.ir.graph import Graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.engines import AUTO, BITSERIAL, KINDS, Engines, can, engine_of_layers
from qcompiler.passes.fold import ANY, FoldingSpace, bottleneck
from qcompiler.passes.folding import Folding, Worth, cheapest
from qcompiler.passes.pipeline import TO_HARDWARE
from qcompiler.progress import QUIET, Progress, tracked
from qcompiler.verbs.goal import solve

ROUNDS = 6  # in which engines for a budget are chosen anew for half of the cycles


@dataclass(frozen=True)
class Aim:
    """What engines are chosen for: a device, MHz, and a frame rate or a LUT budget."""

    chip: Device
    clock: float
    fps: float | None = None
    lut: int | None = None
    partial_bits: int | None = None


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
    start = layers | dict.fromkeys(undecided, BITSERIAL)
    if not undecided:
        return Engines(layers, aim.partial_bits)

    def decide(cycles: int) -> dict[str, str]:
        return choose_engines(graph, start, undecided, cycles, aim.chip, aim.partial_bits, progress)

    if aim.fps is not None:
        return Engines(decide(int(aim.clock * 1e6 / aim.fps)), aim.partial_bits)
    best, reached = start, _cycles(graph, start, aim)
    for _ in range(ROUNDS):
        tried = decide(ANY if reached == ANY else reached // 2)
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


def choose_engines(
    graph: Graph,
    fixed: dict[str, str],
    layers: Sequence[str],
    cycles: int,
    chip: Device,
    partial_bits: int | None = None,
    progress: Progress = QUIET,
) -> dict[str, str]:
    """Engine of every layer: those in ``fixed``, and for ``layers`` the cheapest in ``cycles``.

    A block RAM and a multiplier are worth the LUTs that the device has for each. Where no engine
    reaches the cycles, the fastest is taken.

    Args:
        graph: Integer graph, padding not yet explicit.
    """
    worth = Worth(chip.luts / max(chip.brams, 1), chip.luts / max(chip.dsps, 1))
    best: dict[str, tuple[tuple[bool, float], str]] = {}
    for kind in tracked(KINDS, "comparing engines", len(KINDS), progress):
        able = [n for n in layers if can(graph, n, kind, partial_bits)]
        if not able:
            continue
        trial = {**dict.fromkeys(fixed, BITSERIAL), **dict.fromkeys(able, kind)}
        engines = Engines(trial, partial_bits)
        space = FoldingSpace(lower(graph, engines)[1], engine_price(chip.family)).weighing(worth)
        for name in able:
            rank = _rank(space.engines[name], cycles, worth)
            if name not in best or rank < best[name][0]:
                best[name] = (rank, kind)
    return {**fixed, **{name: kind for name, (_, kind) in best.items()}}


def _rank(front: list[Folding], cycles: int, worth: Worth) -> tuple[bool, float]:
    """Late engines after those in time; by price, or by cycles if late."""
    pick = cheapest(front, cycles)
    if pick is None:
        return True, float(front[-1].cycles)
    return False, pick.price(worth)
