"""The folding for a frame rate or a LUT budget that leaves the device enough block RAM."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from qcompiler.errors import QCompilerError
from qcompiler.estimate import savings
from qcompiler.estimate.capacity import capacity_error, larger, missing_blocks
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.devices import Device
from qcompiler.estimate.report import Report, estimate, total_cost
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.rates import bottleneck
from qcompiler.passes.base import run_passes
from qcompiler.passes.choices import Option
from qcompiler.passes.connect import burst_fifos
from qcompiler.passes.fifo_prices import FifoPrices, waiting
from qcompiler.passes.fold import ANY, FoldingSpace
from qcompiler.passes.fold_problem import FoldProblem, Pick
from qcompiler.passes.pipeline import connecting
from qcompiler.passes.pipelining import SLICE, sliced
from qcompiler.passes.within import Search

Array = np.ndarray[Any, Any]

OVERSIZE = "build it for simulation alone with --fps and --oversize"
DEFAULT_SHARE = 0.5  # of the device's LUT, where neither a rate nor a budget is asked for
TRIES = 4  # to fold anew when FIFOs turn out to take more than was thought
UNLIMITED = 1e12
FEWEST_BLOCKS = np.array([1e-4, 1e-6, 1.0, 1e-6])
"""Weights of LUT, FF, BRAM and DSP."""


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
        return "to make it fit: " + ", or ".join([*self._ways(report), larger(report)])

    def check_block_ram(self, report: Report) -> None:
        """Raise QCompilerError where the device has too little block RAM."""
        if missing_blocks(report):
            raise capacity_error(report, [*self._ways(report), OVERSIZE])

    def _ways(self, report: Report) -> list[str]:
        ways = [self._fewer_bits(report)]
        scales = sum(row.cost.dsp for row in report.rows if row.kind == hw.Scale.__name__)
        if scales and report.total.dsp > report.device.dsps:
            ways.insert(0, "compile with --requant exact, whose requantizers take no multipliers")
        if self.fitting_fps is not None:
            rate = int(self.fitting_fps) or f"{0.99 * self.fitting_fps:.3g}"
            ways.insert(0, f"ask for --fps {rate}, the most that LUT and BRAM allow")
        return ways

    def _fewer_bits(self, report: Report) -> str:
        """What fewer bits would save of what there is least of."""
        short = max(report.shortages, key=lambda shortage: shortage.ratio, default=None)
        if short is None or short.resource == "dsp":
            return "quantize to fewer bits"
        return savings.advice(self.graph, report.device.family, short.resource, short.missing)


def room_for(chip: Device, fps: float | None, lut: int | None) -> int:
    """LUTs that may be used: all for a frame rate, else the budget, else half of the device."""
    return chip.luts if fps is not None else lut or int(chip.luts * DEFAULT_SHARE)


class Room:
    """What a folding may take: LUTs, and all else of the device.

    Args:
        space: The foldings.
        chip: The device.
        luts: LUTs that may be used.
    """

    def __init__(self, space: FoldingSpace, chip: Device, luts: float) -> None:
        self.space, self.chip, self.luts = space, chip, luts
        self.limits = np.array([luts, chip.ffs, chip.brams, chip.dsps], np.float64)
        self.weights = np.array([1.0, 0.01, 1.0, 1.0]) / np.maximum(self.limits, 1.0)
        """The shares of the device that are used are to be least; flip-flops come with LUTs."""
        self._waiting = waiting(space.graph)
        self._behind: dict[Option, Array] = {}
        self._unknown = np.zeros(4)
        if self._fewest_multipliers() > chip.dsps:  # no folding saves them
            self.limits[3] = UNLIMITED
            self.weights[3] = 0.0

    @property
    def budget(self) -> str:
        """The LUTs that may be used, and where that comes from."""
        half = self.luts == room_for(self.chip, None, None)
        of = f", half of {self.chip.name}" if half else ""
        return f"the budget is {self.luts:.0f} LUT{of}"

    @property
    def more(self) -> str:
        """How to ask for more LUTs, if there are more."""
        if self.luts >= self.chip.luts:
            return ""
        return f"raise --lut (there are {self.chip.luts}), "

    def _fewest_multipliers(self) -> float:
        pick = self.problem(ANY).minimise(np.array([1e-6, 1e-6, 1e-6, 1.0]))
        return float(pick.total[3]) if pick is not None else np.inf

    def folding(self, cycles: int) -> Graph | None:
        """The folding in ``cycles`` of the least shares of the device, None if none has room."""
        problem = self.problem(cycles)
        for _ in range(TRIES):
            pick = Search(problem, self.weights, self.limits).cheapest()
            if pick is None:
                break
            graph = self.space.built(problem.built(pick))
            if (self.used(graph) <= self.limits).all():
                self._unknown = np.zeros(4)
                return graph
            problem = self._learned(cycles, graph, problem, pick)
        self._unknown = np.zeros(4)  # it was of networks of this speed
        return self._no_faster(cycles)

    def _no_faster(self, cycles: int) -> Graph | None:
        """A folding as slow as may be: a faster one may need more FIFO before a border."""
        problem = self.problem(cycles)
        slowest = max((o.cycles for node in problem.nodes for o in node.options), default=0)
        if slowest < cycles:
            problem = self.problem(slowest)
        for node in problem.nodes:
            exact = np.array([option.cycles == slowest for option in node.options])
            if exact.any():
                search = Search(problem, self.weights, self.limits)
                pick = search.cheapest(allowed={node.name: exact})
                if pick is not None:
                    graph = self.space.built(problem.built(pick))
                    if (self.used(graph) <= self.limits).all():
                        return graph
        return None

    def unlimited(self, cycles: int) -> Graph | None:
        """The folding in ``cycles`` of the least shares of the device, however much that is."""
        problem = self.problem(cycles)
        pick = problem.minimise(self.weights)
        return None if pick is None else self.space.built(problem.built(pick))

    def fastest(self) -> Graph | None:
        """The fastest folding that has room, None if there is none."""
        steps, low = [*self.space.steps(), ANY], 0
        while True:
            low = bisect_left(steps, True, low, key=self._has_room)
            if low == len(steps):
                return None
            found = self.folding(steps[low])
            if found is not None:
                return found
            low += 1  # what FIFOs take is known better now

    def short_of_blocks(self, cycles: int) -> bool:
        """A folding in ``cycles`` would have room if there were block RAM enough."""
        limits = np.where([False, False, True, False], UNLIMITED, self.limits)
        search = Search(self.problem(cycles), self.weights, limits)
        return search.cheapest(any_is_enough=True) is not None

    def with_lut_roms(self) -> Room:
        """The same room, for foldings with weights in LUTs instead of block RAM as well."""
        return Room(self.space.with_lut_roms(), self.chip, self.luts)

    def fastest_in_luts(self, found: Graph | None) -> Graph | None:
        """``found``, the fastest that has room, or a faster one with weights in LUTs."""
        faster = [n for n in self.space.steps() if found is None or n < bottleneck(found)[1]]
        if not faster or not self.short_of_blocks(faster[-1]):
            return found
        other = self.with_lut_roms().fastest()
        if other is None or (found is not None and bottleneck(other)[1] >= bottleneck(found)[1]):
            return found
        return other

    def fewest_cycles(self) -> int:
        """Per frame, of the fastest folding of all."""
        steps = self.space.steps()
        return steps[bisect_left(steps, True, key=lambda n: self.unlimited(n) is not None)]

    def cost(self, graph: Graph) -> Cost:
        """What a folded graph takes with its forks and FIFOs."""
        return total_cost(self.connected(graph), self.chip.family)

    def connected(self, graph: Graph) -> Graph:
        """A folded graph with its forks, registers and FIFOs."""
        return run_passes(graph, connecting(self.space.level))

    def used(self, graph: Graph) -> Array:
        """`cost` as float64 [LUT, FF, BRAM, DSP]."""
        cost = self.cost(graph)
        return np.array([cost.lut, cost.ff, cost.bram, cost.dsp], np.float64)

    def _has_room(self, cycles: int) -> bool:
        search = Search(self.problem(cycles), self.weights, self.limits)
        return search.cheapest(any_is_enough=True) is not None

    def problem(self, cycles: int, frame: int | None = None) -> FoldProblem:
        """All networks of so many cycles a frame.

        Args:
            cycles: At most so many.
            frame: For which FIFOs before borders are sized; ``cycles`` if it is None.
        """
        fifos = FifoPrices(self.space.choices, frame or cycles, self._waiting)
        fixed = fifos.forks + self._unknown
        choices, behind = self.space.choices, self._behind
        return FoldProblem(choices, lambda name: cycles, None, fifos, fixed, behind)

    def _learned(self, cycles: int, graph: Graph, old: FoldProblem, pick: Pick) -> FoldProblem:
        """The problem again, with what a network of it took: its FIFOs depend on the foldings."""
        self._waiting = waiting(graph)
        connected, options = self.connected(graph), old.built(pick)
        for source, fifo in burst_fifos(connected).items():
            streams = [connected.type(source)]
            price = self.space.choices.price(connected.op(fifo), streams, streams)
            if sliced(self.space.level):  # it is in the place of one that is known
                price = price - self.space.choices.price(SLICE, streams, streams)
            self._behind[options[source]] = price
        frame = bottleneck(graph)[1]
        more = self.used(graph) - self.problem(cycles, frame).total(pick.options)
        self._unknown = np.maximum(self._unknown + more, 0.0)
        return self.problem(cycles, frame)


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
    wanted = int(clock * 1e6 / fps * (1 + 1e-9))  # a rate that divides the clock is not cut off
    usual = room.unlimited(wanted)
    if usual is None:
        raise _too_fast(room, wanted, fps, clock)
    folded, fitting = room.folding(wanted), None
    if folded is None:
        folded, fitting = _fallback(room, wanted, usual, clock)
    name, cycles = bottleneck(folded)
    limit = f"the rate asked for ({wanted} cycles a frame); slowest module: {name}, {cycles} cycles"
    return Solution(folded, limit, fitting)


def _fallback(room: Room, wanted: int, usual: Graph, clock: float) -> tuple[Graph, float | None]:
    """Where no folding for the rate has room: the fastest if it will do, or weights in LUTs.

    Returns:
        The folding, ``usual`` where none has room, and then the best rate that has, if any.
    """
    fastest = room.fastest()
    if fastest is not None and bottleneck(fastest)[1] <= wanted:
        return fastest, None
    if room.short_of_blocks(wanted):
        folded = room.with_lut_roms().folding(wanted)
        if folded is not None:
            return folded, None
    fastest = room.fastest_in_luts(fastest)
    if fastest is None:
        return usual, None
    if bottleneck(fastest)[1] <= wanted:
        return fastest, None
    return usual, clock * 1e6 / bottleneck(fastest)[1]


def _too_fast(room: Room, wanted: int, fps: float, clock: float) -> QCompilerError:
    """The error that says what bounds the rate: a module, or lanes that do not go together."""
    slowest = room.space.bounds()[0]
    least = max(room.fewest_cycles(), slowest.cycles)
    why = "takes" if least == slowest.cycles else "and what is between it and its neighbours take"
    best = clock * 1e6 / least
    reachable = int(best) or f"{0.99 * best:.3g}"
    return QCompilerError(
        f"{fps:g} frames/s at {clock:g} MHz leave {wanted} cycles a frame, but {slowest.node} "
        f"{why} {least} when fully unfolded: at most {best:.1f} frames/s",
        where=slowest.node,
        hint=f"ask for --fps {reachable}, raise --clock, or shrink that layer",
    )


def _for_budget(room: Room) -> Solution:
    found = room.fastest_in_luts(room.fastest())
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
    least = room.cost(room.space.fold(ANY))
    if least.lut > room.luts:
        return QCompilerError(
            f"the smallest folding takes about {ceil(least.lut)} LUT, {room.budget}",
            hint=f"{room.more}name a larger --target",
        )
    blocks = estimate(room.connected(room.space.fold(ANY, FEWEST_BLOCKS)), room.chip)
    space = room.with_lut_roms().space
    saving = estimate(room.connected(space.fold(ANY, FEWEST_BLOCKS)), room.chip)
    if missing_blocks(saving):  # what holds them is told with the weights
        return capacity_error(blocks, ["quantize to fewer bits", OVERSIZE])
    return QCompilerError(
        f"the smallest folding takes about {saving.total.bram} BRAM and {ceil(saving.total.lut)} "
        f"LUT, {room.chip.name} has {room.chip.brams} BRAM and {room.budget}",
        hint=f"{room.more}quantize to fewer bits, or name a larger --target",
    )
