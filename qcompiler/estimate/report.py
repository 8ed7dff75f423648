"""What a folded design costs and how fast it is, before anything is rendered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qcompiler.estimate.cost import Cost
from qcompiler.estimate.devices import Device
from qcompiler.estimate.model import module_cost
from qcompiler.estimate.timing import frame_latency
from qcompiler.ir.graph import Graph
from qcompiler.ir.rates import bottleneck, node_cycles

SHOWN = 4  # modules that are named


@dataclass(frozen=True)
class Row:
    """One node.

    Args:
        node: Its name.
        kind: Name of its op.
        cost: Its resources.
        cycles: Cycles per frame that it is busy.
    """

    node: str
    kind: str
    cost: Cost
    cycles: int


@dataclass(frozen=True)
class Shortage:
    """What a device has too little of.

    Args:
        resource: ``lut``, ``ff``, ``bram`` or ``dsp``.
        need: How much is needed.
        have: How much there is.
    """

    resource: str
    need: float
    have: int

    @property
    def missing(self) -> float:
        """How much is missing."""
        return self.need - self.have

    @property
    def ratio(self) -> float:
        """Need over what there is."""
        return self.need / self.have if self.have else float("inf")


@dataclass(frozen=True)
class Report:
    """The estimate of a whole design.

    Args:
        device: What it is for.
        rows: One for each node, in the order of the data.
        total: Sum of the rows.
        bottleneck: Node with the most cycles per frame.
        cycles: Its cycles: the distance of frames in steady state.
        latency: Cycles from the first input beat of a frame to its last output beat.
    """

    device: Device
    rows: tuple[Row, ...]
    total: Cost
    bottleneck: str
    cycles: int
    latency: int

    def frames_per_second(self, clock_mhz: float | None = None) -> float:
        """Frames per second in steady state at a clock in MHz (default: the device's)."""
        return (clock_mhz or self.device.clock_mhz) * 1e6 / self.cycles

    def latency_seconds(self, clock_mhz: float | None = None) -> float:
        """Latency of one frame, s, at a clock in MHz (default: the device's)."""
        return self.latency / ((clock_mhz or self.device.clock_mhz) * 1e6)

    @property
    def utilization(self) -> dict[str, float]:
        """Per cent of the device in use, by resource; infinite where it has none and needs some."""
        return {name: _percent(need, have) for name, need, have in self._needs()}

    @property
    def fits(self) -> bool:
        """The device has enough of everything."""
        return not self.shortages

    @property
    def shortages(self) -> tuple[Shortage, ...]:
        """What the device has too little of."""
        return tuple(
            Shortage(name.lower(), need, have) for name, need, have in self._needs() if need > have
        )

    @property
    def shortfalls(self) -> tuple[str, ...]:
        """What the device has too little of, one text each, and the modules that take most."""
        return tuple(
            f"{short.need:.0f} {short.resource.upper()} needed, {self.device.name} has "
            f"{short.have}, {short.missing:.0f} too few ({self._takers(short.resource)})"
            for short in self.shortages
        )

    def _takers(self, resource: str) -> str:
        """The modules that take most of a resource."""
        most = sorted(self.rows, key=lambda row: (-getattr(row.cost, resource), row.node))
        amounts = [(row.node, getattr(row.cost, resource)) for row in most]
        named = [f"{node} {amount:.0f}" for node, amount in amounts[:SHOWN] if amount]
        rest = sum(amount for _, amount in amounts[SHOWN:])
        return ", ".join([*named, *([f"others {rest:.0f}"] if rest else [])])

    def _needs(self) -> tuple[tuple[str, float, int], ...]:
        total, device = self.total, self.device
        return (
            ("LUT", total.lut, device.luts),
            ("FF", total.ff, device.ffs),
            ("BRAM", total.bram, device.brams),
            ("DSP", total.dsp, device.dsps),
        )


def _percent(need: float, have: int) -> float:
    if need == 0:
        return 0.0
    return 100.0 * need / have if have else float("inf")


def total_cost(graph: Graph, family: str) -> Cost:
    """Cost of a folded hardware graph, without timing."""
    return Cost.sum(_row(graph, name, family).cost for name in graph)


def estimate(graph: Graph, device: Device) -> Report:
    """Price every node of a folded hardware graph and time the pipeline."""
    rows = tuple(_row(graph, name, device.family) for name in graph)
    name, cycles = bottleneck(graph)
    return Report(
        device,
        rows,
        Cost.sum(row.cost for row in rows),
        name,
        cycles,
        frame_latency(graph),
    )


def _row(graph: Graph, name: str, family: str) -> Row:
    op: Any = graph.op(name)
    inputs, outputs = [graph.type(v) for v in graph.inputs(name)], graph.types(name)
    cost = module_cost(op, inputs, outputs, family)
    return Row(name, type(op).__name__, cost, node_cycles(graph, name))
