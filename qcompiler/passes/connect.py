"""Forks where a stream has several readers, and FIFOs before joins."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import ClassVar

from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.rates import bottleneck, node_cycles
from qcompiler.passes.demands import Demands, dominators

SLACK = 2  # beats, for what the count of pixels cannot know


@dataclass(frozen=True)
class InsertForks:
    """One fork for every stream that several modules read."""

    name: ClassVar[str] = "insert-forks"

    def run(self, graph: Graph) -> Graph:
        for name in graph:
            users = graph.users(name)
            if len(users) < 2:
                continue
            fork = graph.fresh(f"{name}_fork")
            graph.add(fork, hw.Fork(len(users)), [name])
            for port, (user, slot) in enumerate(users):
                graph.reconnect(user, slot, Value(fork, port))
        return graph


@dataclass(frozen=True)
class SizeFifos:
    """Put a FIFO on every input of a join, deep enough that no join deadlocks or slows the frame.

    All data of a join pass one node, its origin. For pixel t the join needs n_i(t) pixels of input
    i, and those D_i(n_i(t)) pixels of the origin (`Demands`), so the origin must have advanced to
    S(t) = max_i D_i(n_i(t)). By then input i may have produced every pixel k with D_i(k) <= S(t),
    of which the join has taken n_i(t-1): the FIFO holds the rest. The windows behind the other
    inputs are given one output row of prefetch, so that they load the next row while their arrays
    work on this one; without that the design would run, at half the speed.

    A gate that is computed from the whole frame takes L cycles more. What waits for it is a frame
    and what comes in L cycles: L / (cycles per frame) of the next.
    """

    slack: int = SLACK
    name: ClassVar[str] = "size-fifos"

    def run(self, graph: Graph) -> Graph:
        self._before_borders(graph)
        self._behind_bursts(graph)
        origins, (_, frame) = dominators(graph), bottleneck(graph)
        for name in joins(graph):
            demands = Demands(graph, origins[name], frame)
            for slot, depth in enumerate(demands.depths(name, self.slack)):
                _put_before(graph, name, slot, depth, f"{name}_fifo{slot}")
        return graph

    def _before_borders(self, graph: Graph) -> None:
        """A FIFO for what comes while a Pad writes one frame's bottom and the next one's top.

        Without it the module before would stall there, once a frame.
        """
        _, frame = bottleneck(graph)
        for name in graph.find(hw.Pad):
            value = graph.inputs(name)[0]
            if _is_input(graph, value.node):
                continue
            pace = _cycles_behind(graph, name) / graph.type(name).pixels
            depth = border_depth(graph.op(name), graph.type(value), frame, pace, self.slack)
            if depth:
                _put_before(graph, name, 0, depth, f"{name}_fifo")

    def _behind_bursts(self, graph: Graph) -> None:
        """A FIFO for results that come faster than on average, if what takes them is slower.

        It would stall the array whose output folds take different times, and the pool over a frame
        whose sums all come with the last pixel, and all that reads the pool's input with it.
        """
        for name in graph.find(hw.BitSerialArray):
            op, y = graph.op(name), graph.type(name)
            if len(op.lists) == 1 or _cycles_behind(graph, name) <= op.pace * y.beats:
                continue
            _put_behind(graph, name, len(op.lists))
        _, frame = bottleneck(graph)
        for name in graph.find(hw.GlobalSum):
            x, y = graph.type(graph.inputs(name)[0]), graph.type(name)
            if y.beats > 1 and _cycles_behind(graph, name) > frame // x.pixels:
                _put_behind(graph, name, y.beats)


def joins(graph: Graph) -> list[str]:
    """The modules that wait for several inputs."""
    return [n for n in graph if isinstance(graph.op(n), hw.Add | hw.Concat | hw.Multiply)]


def border_depth(
    pad: hw.Pad, x: hw.StreamType, frame: int, pace: float = 0.0, slack: int = SLACK
) -> int:
    """Beats of the FIFO before a border in the middle of a network; 0 where it needs none.

    Args:
        pad: The border.
        x: Of its input.
        frame: Cycles from one frame to the next.
        pace: Cycles that what is behind takes for a pixel, such as an adapter to fewer lanes.
        slack: Beats more.
    """
    top, left, bottom, right = pad.border
    pause = (top + bottom) * (x.shape[2] + left + right) + left + right
    coming = ceil(pause * max(pace, x.words) * x.beats / frame)
    return max(2, coming + x.words + slack) if coming > 1 else 0


def burst_fifos(graph: Graph) -> dict[str, str]:
    """FIFOs behind modules whose results come in bursts: FIFO by module.

    Args:
        graph: As `SizeFifos` leaves it.
    """
    before, found = set(joins(graph)), {}
    for name in graph.find(hw.Fifo):
        source, ((user, _),) = graph.inputs(name)[0].node, graph.users(name)
        bursts = isinstance(graph.op(source), hw.Engine | hw.GlobalSum)
        if bursts and user not in before:
            found[source] = name
    return found


def fifo_bits(graph: Graph) -> tuple[int, int]:
    """Bits of all FIFOs, and if every one before a join held a whole frame of its stream.

    That is what is safe without knowing when the streams of a join come: the branch that is first
    waits until the other one has seen all of the frame. A FIFO that holds more than a frame, as for
    a gate that is computed from one, counts as it is.

    Args:
        graph: As `SizeFifos` leaves it.
    """
    own, worst, before = 0, 0, set(joins(graph))
    for name in graph.find(hw.Fifo):
        stream, depth = graph.type(name), graph.op(name).depth
        waits = any(user in before for user, _ in graph.users(name))
        own += depth * stream.width
        worst += (max(depth, stream.beats) if waits else depth) * stream.width
    return own, worst


def _is_input(graph: Graph, name: str) -> bool:
    """The network input, which may wait, or an adapter behind it."""
    while isinstance(graph.op(name), hw.Adapter):
        name = graph.inputs(name)[0].node
    return isinstance(graph.op(name), hw.Source)


def _put_before(graph: Graph, name: str, slot: int, depth: int, fifo: str) -> None:
    """A FIFO on an input of a node; one that is there is made as deep."""
    value = graph.inputs(name)[slot]
    there = graph.op(value.node)
    if isinstance(there, hw.Fifo):
        graph.replace(value.node, hw.Fifo(max(there.depth, depth)))
    else:
        graph.reconnect(name, slot, graph.add(graph.fresh(fifo), hw.Fifo(depth), [value]))


def _put_behind(graph: Graph, name: str, depth: int) -> None:
    """A FIFO between a node and its reader."""
    ((user, slot),) = graph.users(name)  # there are forks
    if isinstance(graph.op(user), hw.Fifo):
        name, slot = user, 0
        ((user, slot),) = graph.users(user)
    _put_before(graph, user, slot, max(2, depth), f"{name}_fifo")


def _cycles_behind(graph: Graph, name: str) -> int:
    """Most cycles a frame that a node's beats take behind it, up to the next line buffers."""
    most, reached, waiting = 0, {name}, [name]
    while waiting:
        node = waiting.pop()
        most = max([most, *(stream.beats for stream in graph.types(node))])
        most = most if node == name else max(most, node_cycles(graph, node))
        users = {user for user, _ in graph.users(node)} - reached
        reached |= users
        waiting += [user for user in users if not isinstance(graph.op(user), hw.Window)]
    return most
