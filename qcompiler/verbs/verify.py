"""The verb ``verify``: simulate a build and compare every stream with the integer reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qcompiler.arrays import check_inputs, read_inputs
from qcompiler.errors import QCompilerError, VerificationError
from qcompiler.flows.beats import Beats, unpack
from qcompiler.flows.bench import Bench
from qcompiler.flows.harness import Probe
from qcompiler.flows.layout import beats_of, place_of, raster, tensor_of, window_of
from qcompiler.flows.results import BenchResult, Mismatch
from qcompiler.flows.verilator import find_toolchain
from qcompiler.ir import hardware as hw
from qcompiler.ir import integer
from qcompiler.ir.hardware import StreamType
from qcompiler.ir.types import IntType
from qcompiler.progress import QUIET, Progress
from qcompiler.reference.integer import IntegerReference
from qcompiler.verbs.build import Build

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Stall:
    """Shares of stalled cycles at the two ends."""

    source: float
    sink: float


def lopsided(share: float) -> list[Stall]:
    """Runs for a stall share: none, then each end alone, which fills and drains the pipeline."""
    return [Stall(0, 0)] + ([Stall(share, 0), Stall(0, share)] if share else [])


@dataclass(frozen=True, eq=False)
class Verified:
    """What a clean verification showed.

    Args:
        frames: Frames compared in each run, extremes included.
        streams: Number of streams compared.
        beats: Beats compared, over all runs.
        cycles_per_frame: Between the ends of the last two frames without stalls (0 for one frame).
        latency: Cycles from the first input beat to the last output beat of the first frame.
        cycles: Cycles simulated, over all runs.
        seconds: Wall time of the simulator, over all runs.
        outputs: What the hardware put out, as real values, for the user's samples.
    """

    frames: int
    streams: int
    beats: int
    cycles_per_frame: int
    latency: int
    cycles: int
    seconds: float
    outputs: Array = field(repr=False)


def verify(
    build: Path | Build,
    inputs: Path | Array | None = None,
    *,
    frames: int | None = None,
    stalls: Sequence[Stall] = (Stall(0, 0),),
    extremes: bool = True,
    random_frames: int = 0,
    reset: bool = False,
    every_stream: bool = True,
    seed: int = 1,
    waves: bool = False,
    watchdog: int | None = None,
    progress: Progress = QUIET,
) -> Verified:
    """Simulate a build with cocotb and Verilator and compare every stream, beat by beat.

    Args:
        build: Folder that ``compile`` wrote.
        inputs: Samples as the network takes them, float (N, …), or an .npz file of them.
        frames: Use only the first so many samples.
        stalls: One run for each.
        extremes: Add a frame of all least and one of all largest codes.
        random_frames: Add frames of uniformly random codes.
        reset: Also reset in mid-frame, in a run of its own.
        every_stream: Watch line buffers, FIFOs, forks and adapters too, not only the streams on
            which a tensor of the network is made. A difference is then found closer to its
            cause; without it the simulation builds and runs about twice as fast.
        watchdog: Cycles without any transfer that count as a hang.
        waves: On a failure leave a VCD file of the failing frame.

    Raises:
        VerificationError: Names the first node, frame, pixel and channel that differs, and both
            values; or, for a hang, where each stream stands.
    """
    build = build if isinstance(build, Build) else Build.read(build)
    find_toolchain()  # before anything is written
    reference = IntegerReference(build.integer)
    codes, samples = stimulus(build, reference, inputs, frames, extremes, random_frames, seed)
    streams = build.streams()
    source = streams[next(iter(streams))]
    if not every_stream:
        streams = {w: s for w, s in streams.items() if s.order is None and w == s.tensor}
    progress.begin("computing the reference", 1)
    trace = reference.trace(codes)
    progress.end()
    progress.begin("building the simulation", 1)
    bench = build_bench(build, streams, waves)
    progress.end()
    port = build.manifest["ports"]
    bits = port["s_axis"]["padded_bits"]
    played = {"s_axis": Beats.from_frames(raster(codes, source.lanes), bits)}
    expected: dict[str, Beats | int] = {
        wire: beats_of(trace[stream.tensor], stream) for wire, stream in streams.items()
    }
    output = _port_stream(build)
    expected["m_axis"] = beats_of(trace[output.tensor], output)
    limit = watchdog or 20_000 + 4 * max(s.beats for s in streams.values())
    if not stalls:
        raise QCompilerError(
            "no run was asked for", where="stalls", hint="Stall(0, 0) is a run without stalls"
        )
    runs = [(stall, False) for stall in stalls] + ([(stalls[0], True)] if reset else [])
    results: list[BenchResult] = []
    progress.begin("simulating", len(runs))
    for number, (stall, restart) in enumerate(runs):
        at = max(results[0].cycles // 2, 1) if restart else None
        result = bench.run(
            played,
            expected,
            source_stall=stall.source,
            sink_stall=stall.sink,
            seed=seed + number,
            watchdog=limit,
            reset_at=at,
            capture=["m_axis"],
        )
        if not result.ok:
            raise _failure(build, {**streams, "m_axis": output}, result, stall)
        results.append(result)
        progress.advance()
    progress.end()
    captured = tensor_of(results[0].captured["m_axis"], output, output.elem.bits)
    outputs = reference.decode(torch.from_numpy(captured[:samples]))
    return Verified(
        frames=len(codes),
        streams=len(streams),
        beats=sum(s.accepted for r in results for s in r.streams.values()),
        cycles_per_frame=_interval(results[0]),
        latency=_latency(results[0]),
        cycles=sum(r.cycles for r in results),
        seconds=sum(r.seconds for r in results),
        outputs=outputs,
    )


def build_bench(
    build: Build, streams: dict[str, StreamType], waves: bool, toggles: bool = False
) -> Bench:
    """The simulation of a build, with a monitor on every stream of the core.

    With ``toggles`` it counts what switches in every net, in a folder of its own.
    """
    ports = build.manifest["ports"]
    widths = {name: p["lanes"] * p["padded_bits"] for name, p in ports.items()}
    probes = [Probe(w, f"dut.core.{w}", s.width, window_of(s)) for w, s in streams.items()]
    return Bench.build(
        dut=build.manifest["top"],
        sources=[build.folder / path for path in build.manifest["sources"]],
        inputs={"s_axis": widths["s_axis"]},
        outputs={"m_axis": widths["m_axis"]},
        probes=probes,
        build_dir=build.folder / ("sim_toggles" if toggles else "sim"),
        files={path: (build.folder / path).read_text() for path in build.manifest["memories"]},
        waves=waves,
        toggles=build.nodes() if toggles else None,
    )


def stimulus(
    build: Build,
    reference: IntegerReference,
    inputs: Path | Array | None,
    frames: int | None,
    extremes: bool,
    random_frames: int,
    seed: int,
) -> tuple[Array, int]:
    """Input codes (N, C, H, W), the user's samples first, and how many those are."""
    op = build.integer.op(build.integer.only(integer.Input))
    parts: list[Array] = []
    if inputs is not None:
        where = str(inputs) if isinstance(inputs, Path) else "inputs"
        samples = read_inputs(inputs) if isinstance(inputs, Path) else inputs
        features = op.shape[1:] == (1, 1) and samples.ndim != 4
        shape = op.shape[:1] if features else op.shape
        parts.append(reference.encode(check_inputs(samples, shape, where)[:frames]))
    count = len(parts[0]) if parts else 0
    if extremes:
        parts.append(np.stack([np.full(op.shape, v, np.int64) for v in (op.elem.lo, op.elem.hi)]))
    if random_frames:
        rng = np.random.default_rng(seed)
        parts.append(rng.integers(op.elem.lo, op.elem.hi + 1, (random_frames, *op.shape)))
    if not parts:
        raise QCompilerError(
            "there is nothing to simulate", hint="give --inputs, --random or --extremes"
        )
    return np.concatenate(parts), count


def _failure(
    build: Build,
    streams: dict[str, StreamType],
    result: BenchResult,
    stall: Stall,
) -> VerificationError:
    where = f"{build.manifest['top']} (stalls: source {stall.source:g}, sink {stall.sink:g})"
    hint = f"waves: {result.waves}" if result.waves else "run again with --waves for a waveform"
    wrong = {m.stream: m for m in reversed(result.mismatches)}
    for wire, stream in streams.items():
        if wire in wrong:
            text = explain(wire, stream, wrong[wire])
            return VerificationError(text, where=where, hint=hint)
    if result.protocol_errors:
        return VerificationError(str(result.protocol_errors[0]), where=where, hint=hint)
    waiting = {name: s for name, s in result.streams.items() if s.valid != s.ready}
    stuck = [f"    {name}: {state}" for name, state in waiting.items()]
    full = [name for name in streams if _is_full_fifo(build, name, result)]
    text = f"the design hangs at cycle {result.cycles}; streams that wait:\n" + "\n".join(stuck)
    if full:
        text += f"\n  FIFOs that are full: {', '.join(full)}"
    return VerificationError(text, where=where, hint=hint)


def _is_full_fifo(build: Build, wire: str, result: BenchResult) -> bool:
    """A FIFO whose input waits although its output has beats."""
    if wire not in build.hardware or not isinstance(build.hardware.op(wire), hw.Fifo):
        return False
    feeder = build.hardware.inputs(wire)[0]
    many = len(build.hardware.types(feeder.node)) > 1
    state = result.streams.get(f"{feeder.node}_{feeder.port}" if many else feeder.node)
    return state is not None and state.valid and not state.ready


def explain(wire: str, stream: StreamType, m: Mismatch) -> str:
    """The first wrong value of a stream in the network's own terms."""
    place = place_of(stream, m.index)
    what = f"{wire} (tensor {stream.tensor}, beat {m.index}, cycle {m.cycle})"
    if m.expected is None:
        return f"{what}: one beat too many, in {place}"
    got = unpack(m.got, stream.elem.bits, stream.lanes, stream.elem.signed)
    want = unpack(m.expected, stream.elem.bits, stream.lanes, stream.elem.signed)
    for lane, (g, w) in enumerate(zip(got, want, strict=True)):
        if g != w:
            pixel = f"pixel ({place.row}, {place.column})"
            at = f"frame {place.frame}, {pixel}, channel {place.channel + lane}"
            return f"first difference at {what}: {at}: hardware {g}, reference {w}"
    flag = "comes" if m.got_last else "is missing"
    return f"first difference at {what}: {place}: the values agree but tlast {flag}"


def _port_stream(build: Build) -> StreamType:
    """The output port: the last stream with its lanes padded to whole bytes."""
    stream: StreamType = build.hardware.type(build.hardware.only(hw.Sink))
    bits = build.manifest["ports"]["m_axis"]["padded_bits"]
    half = 1 << (bits - 1)
    elem = IntType(-half, half - 1) if stream.elem.signed else IntType(0, 2 * half - 1)
    return replace(stream, elem=elem)


def _interval(result: BenchResult) -> int:
    ends = result.frame_ends["m_axis"]
    return ends[-1] - ends[-2] if len(ends) > 1 else 0


def _latency(result: BenchResult) -> int:
    return result.frame_ends["m_axis"][0] - result.frame_starts["s_axis"][0] + 1
