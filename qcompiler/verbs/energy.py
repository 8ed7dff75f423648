"""The verb ``energy``: switched bits of a build in simulation, priced in relative units."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from qcompiler.errors import QCompilerError, VerificationError
from qcompiler.estimate.devices import FAMILIES, device
from qcompiler.estimate.energy import TABLE, Constants, Switched, read_constants
from qcompiler.estimate.energy_activity import inside
from qcompiler.estimate.energy_site import Site, Traffic
from qcompiler.flows.beats import Beats
from qcompiler.flows.layout import raster
from qcompiler.flows.results import BenchResult
from qcompiler.flows.verilator import find_toolchain
from qcompiler.ir import hardware as hw
from qcompiler.progress import QUIET, Progress
from qcompiler.reference.integer import IntegerReference
from qcompiler.verbs.build import Build
from qcompiler.verbs.verify import build_bench, stimulus

Array = np.ndarray[Any, Any]
FILE = "energy.json"
RANDOM_FRAMES = 2

_WIRES = (hw.Straight, hw.Fork, hw.Slice)
"""Modules whose data outputs are their data inputs: the nets of the module before."""


@dataclass(frozen=True)
class NodeEnergy:
    """What a node takes in a frame.

    Args:
        node: Its name.
        op: Name of its op.
        switched: Bits by kind: streams and accesses counted, logic inferred.
        energy: Of these, relative units.
        toggles: The same with all nets counted, None where they were not.
        toggles_energy: Of those, relative units.
    """

    node: str
    op: str
    switched: Switched
    energy: float
    toggles: Switched | None = None
    toggles_energy: float | None = None


@dataclass(frozen=True)
class EnergyReport:
    """Switching of a design.

    Args:
        frames: Frames simulated; all figures are per frame.
        cycles: Cycles simulated.
        data: Where the frames came from.
        constants: Energy of each kind.
        nodes: In the order of the data.
        total: Their sum; the node is ``total``.
    """

    frames: int
    cycles: int
    data: str
    constants: Constants
    nodes: tuple[NodeEnergy, ...]
    total: NodeEnergy

    @property
    def counted(self) -> bool:
        """All nets were counted."""
        return self.total.toggles is not None


def energy(
    build: Path | Build,
    inputs: Path | Array | None = None,
    *,
    frames: int | None = None,
    toggles: bool = False,
    constants: Path | None = None,
    seed: int = 1,
    progress: Progress = QUIET,
) -> EnergyReport:
    """Simulate frames without stalls and count what switches; writes ``BUILD/energy.json``.

    Args:
        build: Folder that ``compile`` wrote.
        inputs: Samples as the network takes them, float (N, …), or an .npz file of them; without
            them frames of random codes.
        frames: Use only the first so many samples; of random ones `RANDOM_FRAMES` if not given.
        toggles: Count every net of every instance, too, in a simulation of its own.
        constants: Table of energies; None takes ``estimate/energy.toml``.
        seed: Of the random frames.

    Raises:
        QCompilerError: No build, inputs of another shape, or a damaged table.
        VerificationError: The design hangs.
        ToolMissingError: No Verilator or no compiler.
    """
    build = build if isinstance(build, Build) else Build.read(build)
    table = read_constants(constants or TABLE)
    if frames is not None and frames < 1:
        raise QCompilerError(f"{frames} frames were asked for", hint="simulate at least one")
    find_toolchain()
    random = 0 if inputs is not None else frames or RANDOM_FRAMES
    reference = IntegerReference(build.integer)
    codes, samples = stimulus(build, reference, inputs, frames, False, random, seed)
    progress.begin("building the simulation", 1)
    bench = build_bench(build, build.streams(), False, toggles)
    progress.end()
    streams = build.streams()
    source = streams[next(iter(streams))]
    bits = build.manifest["ports"]["s_axis"]["padded_bits"]
    expected: dict[str, Beats | int] = {w: s.beats * len(codes) for w, s in streams.items()}
    expected["m_axis"] = build.manifest["ports"]["m_axis"]["beats_per_frame"] * len(codes)
    progress.begin("simulating", 1)
    result = bench.run(
        {"s_axis": Beats.from_frames(raster(codes, source.lanes), bits)},
        expected,
        seed=seed,
        watchdog=20_000 + 4 * max(s.beats for s in streams.values()),
    )
    progress.end()
    if not result.ok:
        raise VerificationError(
            result.explain(), where=build.manifest["top"], hint="run `qcompiler verify` on it"
        )
    data = f"{samples} samples" if samples else f"{random} frames of random codes"
    report = _report(build, result, len(codes), data, table)
    _write(report, build.folder / FILE)
    return report


def _report(
    build: Build, result: BenchResult, frames: int, data: str, table: Constants
) -> EnergyReport:
    graph, traffic = build.hardware, _traffic(build, result, frames)
    family = device(build.manifest["target"]["device"]).family
    nodes = []
    for name in graph:
        op, fed = graph.op(name), graph.inputs(name)
        if isinstance(op, hw.Sink):
            continue
        own = [traffic[name, port] for port in range(len(graph.types(name)))]
        x = traffic[fed[0].node, fed[0].port] if fed else own[0]
        types = [graph.type(value) for value in fed]
        chip = family if family in FAMILIES else FAMILIES[0]
        found = inside(Site(op, types, graph.types(name), x, own[0], chip))
        if not isinstance(op, _WIRES):
            found += Switched(stream=sum(t.switched for t in own))
        nodes.append(NodeEnergy(name, type(op).__name__, found, table.energy(found)))
    if result.toggles:
        nodes = [_counted(node, result, frames, table) for node in nodes]
    return EnergyReport(frames, result.cycles, data, table, tuple(nodes), _total(nodes, table))


def _traffic(build: Build, result: BenchResult, frames: int) -> dict[tuple[str, int], Traffic]:
    found = {}
    for value, (wire, stream) in zip(build.values(), build.streams().items(), strict=True):
        state = result.streams[wire]
        switched, ones = state.switched / frames, state.ones / frames
        found[value.node, value.port] = Traffic(stream.beats, stream.width, switched, ones)
    return found


def _counted(node: NodeEnergy, result: BenchResult, frames: int, table: Constants) -> NodeEnergy:
    """With the nets of the node as they were counted; a node without nets has none.

    Between beats the harness has random bits at the input: those of beats stay.
    """
    if node.op == hw.Source.__name__:
        return replace(node, toggles=node.switched, toggles_energy=node.energy)
    nets = result.toggles.get(node.node)
    stream = nets.stream / frames if nets and node.op not in {k.__name__ for k in _WIRES} else 0.0
    found = replace(node.switched, stream=stream, logic=nets.logic / frames if nets else 0.0)
    return replace(node, toggles=found, toggles_energy=table.energy(found))


def _total(nodes: list[NodeEnergy], table: Constants) -> NodeEnergy:
    total = Switched.sum(node.switched for node in nodes)
    counted = [node.toggles for node in nodes if node.toggles is not None]
    toggles = Switched.sum(counted) if counted else None
    energy = None if toggles is None else table.energy(toggles)
    return NodeEnergy("total", "", total, table.energy(total), toggles, energy)


def _write(report: EnergyReport, path: Path) -> None:
    """The report as JSON; the file appears whole or not at all."""
    document: Mapping[str, Any] = asdict(report)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(document, indent=1) + "\n")
        os.replace(temporary, path)
    except OSError as error:
        raise QCompilerError(f"cannot be written: {error.strerror}", where=str(path)) from None
