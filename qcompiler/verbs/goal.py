"""The folding for a frame rate or a LUT budget that leaves the device enough block RAM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qcompiler.errors import QCompilerError
from qcompiler.estimate.capacity import capacity_error, missing_blocks
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.devices import Device
from qcompiler.estimate.model import module_cost
from qcompiler.estimate.report import Report, estimate, total_cost
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.passes.base import Pass, run_passes
from qcompiler.passes.choose_search import ChooseSearch
from qcompiler.passes.fold import ANY, FoldingSpace, bottleneck
from qcompiler.passes.folding import Worth
from qcompiler.passes.pipeline import CONNECT

Types = Sequence[hw.StreamType]

OVERSIZE = "build it for simulation alone with --fps and --oversize"
DEFAULT_SHARE = 0.5  # of the device's LUT, where neither a rate nor a budget is asked for
DEARER, CHEAPER = (4.0, 16.0), (0.0,)
"""Times that a block RAM is worth its usual LUTs, where block RAM or LUTs alone are short."""


@dataclass(frozen=True)
class Solution:
    """A folding that reaches its goal.

    Args:
        graph: The folded graph, before forks and FIFOs.
        limit: What bounds the frame rate, one sentence.
        fitting_fps: Where LUT or block RAM are short, the best rate that is not, if there is one.
    """

    graph: Graph
    limit: str
    fitting_fps: float | None = None

    def advice(self, report: Report) -> str:
        """What to do where the device has too little; empty where it has enough."""
        if report.fits:
            return ""
        return "to make it fit: " + ", or ".join([*self._ways(report), "name a larger --target"])

    def check_block_ram(self, report: Report) -> None:
        """Raise QCompilerError where the device has too little block RAM."""
        if missing_blocks(report):
            raise capacity_error(report, [*self._ways(report), OVERSIZE])

    def _ways(self, report: Report) -> list[str]:
        ways = ["quantize to fewer bits"]
        if report.total.dsp > report.device.dsps:
            ways.insert(0, "compile with --requant exact, whose requantizers take no multipliers")
        if self.fitting_fps is not None:
            rate = int(self.fitting_fps) or f"{0.99 * self.fitting_fps:.3g}"
            ways.insert(0, f"ask for --fps {rate}, the most that LUT and BRAM allow")
        return ways


def room_for(chip: Device, fps: float | None, lut: int | None) -> int:
    """LUTs that may be used: all for a frame rate, else the budget, else half of the device."""
    return chip.luts if fps is not None else lut or int(chip.luts * DEFAULT_SHARE)


def worth(chip: Device, luts: float) -> Worth:
    """A block RAM and a multiplier are worth the LUTs that there are for each."""
    return Worth(luts / max(chip.brams, 1), luts / max(chip.dsps, 1))


def connecting(chip: Device, luts: float) -> list[Pass]:
    """The passes from a folded graph to what is built.

    Args:
        luts: LUTs that may be used; they decide what a block RAM is worth.
    """
    prices = worth(chip, luts)

    def price(op: hw.Threshold, inputs: Types, outputs: Types) -> float:
        cost = module_cost(op, inputs, outputs, chip.family)
        return prices.price(cost.lut, cost.bram, cost.dsp)

    return [ChooseSearch(price), *CONNECT]  # first: FIFOs are as deep as the searches ask for


@dataclass(frozen=True)
class Room:
    """What a folding may take: LUTs, and all block RAMs of the device.

    Args:
        space: The foldings.
        chip: The device.
        luts: LUTs that may be used.
    """

    space: FoldingSpace
    chip: Device
    luts: float

    def folding(self, cycles: int) -> Graph | None:
        """The cheapest folding in ``cycles`` that has room, None if none was found.

        The cheapest uses the least shares of LUTs and block RAMs. Where only one of the two is
        short, that one is made dearer, step by step.
        """
        graph, short = self._try(1.0, cycles)
        if not short:
            return graph
        for factor in {frozenset({"lut"}): CHEAPER, frozenset({"bram"}): DEARER}.get(short, ()):
            graph, now = self._try(factor, cycles)
            if not now:
                return graph
            if now != short:
                return None
        return None

    def weighted(self, factor: float) -> FoldingSpace:
        """All foldings, a block RAM at ``factor`` times what it is usually worth."""
        usual = worth(self.chip, self.luts)
        return self.space.weighing(Worth(factor * usual.block, usual.multiplier))

    def cost(self, graph: Graph) -> Cost:
        """What a folded graph takes with its forks and FIFOs."""
        return total_cost(self.connected(graph), self.chip.family)

    def connected(self, graph: Graph) -> Graph:
        return run_passes(graph, connecting(self.chip, self.luts))

    def _try(self, factor: float, cycles: int) -> tuple[Graph, frozenset[str]]:
        """The cheapest folding, and what is short for it.

        Multipliers count where engines take them; those of requantizers no folding saves.
        """
        graph = self.weighted(factor).balanced(cycles)
        cost, chip = self.cost(graph), self.chip
        engines = any(isinstance(graph.op(n), hw.MultiplierArray | hw.Winograd) for n in graph)
        over = {
            "lut": cost.lut > self.luts,
            "bram": cost.bram > chip.brams,
            "dsp": engines and cost.dsp > chip.dsps,
        }
        return graph, frozenset(what for what, short in over.items() if short)


def solve(
    space: FoldingSpace, chip: Device, clock: float, *, fps: float | None, lut: int | None
) -> Solution:
    """Fold for a rate, or for a budget.

    Args:
        space: The foldings.
        chip: The device.
        clock: MHz.
        fps: Frames per second; None to use up ``lut`` instead.
        lut: LUT budget; None with ``fps`` None takes half of the device.

    Raises:
        QCompilerError: No folding reaches the rate, or none has room in the budget and the
            device's block RAMs. A folding for a rate that takes more than the device has is no
            error.
    """
    room = Room(space, chip, room_for(chip, fps, lut))
    return _for_budget(room) if fps is None else _for_rate(room, fps, clock)


def _for_rate(room: Room, fps: float, clock: float) -> Solution:
    wanted = int(clock * 1e6 / fps)
    slowest = room.space.bounds()[0]
    if slowest.cycles > wanted:
        best = clock * 1e6 / slowest.cycles
        reachable = int(best) or f"{0.99 * best:.3g}"
        raise QCompilerError(
            f"{fps:g} frames/s at {clock:g} MHz leave {wanted} cycles a frame, but "
            f"{slowest.node} takes {slowest.cycles} when fully unfolded: at most {best:.1f} "
            "frames/s",
            where=slowest.node,
            hint=f"ask for --fps {reachable}, raise --clock, or shrink that layer",
        )
    folded, fitting = room.folding(wanted), None
    if folded is None:
        other = room.space.fastest(room.folding)
        if other is not None and bottleneck(other)[1] <= wanted:
            folded = other
        else:
            folded = room.weighted(1.0).balanced(wanted)
            fitting = clock * 1e6 / bottleneck(other)[1] if other is not None else None
    name, cycles = bottleneck(folded)
    limit = f"the rate asked for ({wanted} cycles a frame); slowest module: {name}, {cycles} cycles"
    return Solution(folded, limit, fitting)


def _for_budget(room: Room) -> Solution:
    found = room.space.fastest(room.folding)
    if found is None:
        raise _no_room(room)
    name, cycles = bottleneck(found)
    floor = room.space.bounds()[0]
    if cycles == floor.cycles:
        return Solution(found, f"{floor.node}: {cycles} cycles a frame even when fully unfolded")
    limit = f"the budget of {room.luts:.0f} LUT and the {room.chip.brams} BRAM of {room.chip.name}"
    return Solution(found, f"{limit}; slowest module: {name}, {cycles} cycles")


def _no_room(room: Room) -> QCompilerError:
    """The error that says what the smallest folding takes."""
    least = room.cost(room.weighted(0.0).balanced(ANY))
    if least.lut > room.luts:
        return QCompilerError(
            f"the smallest folding takes about {least.lut:.0f} LUT, the budget is {room.luts:.0f}",
            hint="raise --lut or name a larger --target",
        )
    saving = estimate(room.connected(room.weighted(1.0).balanced(ANY)), room.chip)
    if missing_blocks(saving):
        return capacity_error(saving, ["quantize to fewer bits", OVERSIZE])
    return QCompilerError(
        f"the smallest folding takes about {saving.total.bram} BRAM and {saving.total.lut:.0f} "
        f"LUT, {room.chip.name} has {room.chip.brams} BRAM and the budget is {room.luts:.0f} LUT",
        hint="raise --lut, quantize to fewer bits, or name a larger --target",
    )
