"""The cheapest engine of each layer at a number of cycles per frame."""

from __future__ import annotations

from collections.abc import Sequence

from qcompiler.estimate.devices import Device
from qcompiler.estimate.engines import engine_price
from qcompiler.ir.graph import Graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.engines import BITSERIAL, KINDS, Engines, can
from qcompiler.passes.fold import FoldingSpace
from qcompiler.passes.folding import Folding, Worth, cheapest
from qcompiler.passes.pipeline import TO_HARDWARE
from qcompiler.progress import QUIET, Progress, tracked


def choose_engines(
    graph: Graph,
    fixed: dict[str, str],
    layers: Sequence[str],
    cycles: int,
    chip: Device,
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
        able = [n for n in layers if can(graph, n, kind)]
        if not able:
            continue
        trial = {**dict.fromkeys(fixed, BITSERIAL), **dict.fromkeys(able, kind)}
        engines = Engines(trial)
        passes = [engines.first, *TO_HARDWARE[:-1], engines.lowering]
        lowered = run_passes(graph, passes)
        space = FoldingSpace(lowered, engine_price(chip.family)).weighing(worth)
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
