"""What a simulation showed: wrong beats, broken protocol, hangs, and when frames came and went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from qcompiler.flows.beats import Beats
from qcompiler.flows.toggles import Toggles


@dataclass(frozen=True)
class Mismatch:
    """The first wrong beat of a stream; `expected` is None for a beat too many."""

    stream: str
    index: int
    cycle: int
    got: int
    got_last: bool
    expected: int | None
    expected_last: bool

    def __str__(self) -> str:
        where = f"{self.stream}: beat {self.index} (cycle {self.cycle})"
        got = f"{self.got:#x}{' last' if self.got_last else ''}"
        if self.expected is None:
            return f"{where} is one too many: got {got}"
        wanted = f"{self.expected:#x}{' last' if self.expected_last else ''}"
        return f"{where}: got {got}, expected {wanted}"


@dataclass(frozen=True)
class ProtocolFault:
    """The first stalled beat of a stream that did not hold still."""

    stream: str
    index: int
    cycle: int
    fault: Literal["withdrawn", "data", "last"]
    held: int  # {last, data}
    got: int

    def __str__(self) -> str:
        where = f"{self.stream}: beat {self.index} (cycle {self.cycle})"
        if self.fault == "withdrawn":
            return f"{where} was stalled and its valid was withdrawn"
        change = f"{self.fault} changed from {self.held:#x} to {self.got:#x}"
        return f"{where} was stalled and its {change}"


@dataclass(frozen=True)
class StreamState:
    """Where a stream stood at the end of a run."""

    accepted: int
    expected: int | None
    blocked: int  # cycles in which a beat waited
    valid: bool
    ready: bool
    switched: int = 0  # bits that differ between one beat and the next, all beats together
    ones: int = 0  # bits that are set, likewise

    def __str__(self) -> str:
        of = "" if self.expected is None else f" of {self.expected}"
        return f"{self.accepted}{of} beats, valid={self.valid:d} ready={self.ready:d}"


@dataclass(frozen=True)
class BenchResult:
    """What one run showed. Cycles count from the end of the first reset."""

    cycles: int
    hang: bool
    mismatches: list[Mismatch]  # the earliest first; at most one wrong and one extra a stream
    protocol_errors: list[ProtocolFault]
    streams: dict[str, StreamState]
    frame_starts: dict[str, list[int]]  # cycle of each frame's first beat, after the last reset
    frame_ends: dict[str, list[int]]  # and of its last beat
    captured: dict[str, Beats]
    seconds: float  # of simulation, without start-up
    folder: Path  # the stimulus, expected beats, report and log of the run
    waves: Path | None = None
    toggles: dict[str, Toggles] = field(default_factory=dict)  # by node, of a build that counts
    expected_hang: bool = False
    inputs: frozenset[str] = field(default_factory=frozenset)

    @property
    def accepted(self) -> dict[str, int]:
        """Beats taken, by stream."""
        return {name: state.accepted for name, state in self.streams.items()}

    @property
    def first_input(self) -> int | None:
        """Cycle of the first beat that the DUT took."""
        starts = [self.frame_starts[n][0] for n in self.inputs if self.frame_starts.get(n)]
        return min(starts, default=None)

    @property
    def faults(self) -> list[Mismatch | ProtocolFault]:
        """Wrong beats and broken protocol together, the earliest first."""
        faults: list[Mismatch | ProtocolFault] = [*self.protocol_errors, *self.mismatches]
        return sorted(faults, key=lambda fault: fault.cycle)

    @property
    def ok(self) -> bool:
        """Every beat came, was right and kept the protocol."""
        return not (self.mismatches or self.protocol_errors or self.hang != self.expected_hang)

    def explain(self) -> str:
        """What went wrong, the earliest first; of a hang, where every stream stands."""
        lines = [str(fault) for fault in self.faults]
        if self.hang and not self.expected_hang:
            lines.append(f"the design hangs at cycle {self.cycles}:")
            lines += [f"  {name}: {state}" for name, state in self.streams.items()]
        if self.expected_hang and not self.hang:
            lines.append("the run ended although a hang was expected")
        if self.waves is not None:
            lines.append(f"waves: {self.waves}")
        return "\n".join(lines) if lines else "no fault"


def start_of_failing_frame(result: BenchResult) -> int:
    """The cycle, or a little before, at which the inputs began the frame that went wrong first."""
    fault = result.faults[0].cycle if result.faults else result.cycles
    outputs = [e for name, e in result.frame_ends.items() if name not in result.inputs]
    whole = min((sum(end < fault for end in ends) for ends in outputs), default=0)
    inputs = [s for name, s in result.frame_starts.items() if name in result.inputs]
    starts = [cycles[whole] for cycles in inputs if len(cycles) > whole]
    return max(min(starts, default=0) - 2, 0)


def read_report(
    found: Mapping[str, Any],
    *,
    inputs: frozenset[str],
    totals: Mapping[str, int | None],
    captured: Mapping[str, Beats],
    folder: Path,
    expected_hang: bool,
) -> BenchResult:
    """Turn what sim/bench.py wrote into a result; `totals` gives the streams and their order."""
    mismatches: list[Mismatch] = []
    faults: list[ProtocolFault] = []
    states: dict[str, StreamState] = {}
    starts: dict[str, list[int]] = {}
    ends: dict[str, list[int]] = {}
    for event in found["events"]:
        name = event.get("stream", "")
        match event["event"]:
            case "mismatch":
                mismatches.append(_mismatch(name, event))
            case "protocol":
                held, got = int(event["held"], 16), int(event["got"], 16)
                fault = event["fault"].strip()
                faults.append(ProtocolFault(name, event["index"], event["cycle"], fault, held, got))
            case "start":
                starts.setdefault(name, []).append(event["cycle"])
            case "end":
                ends.setdefault(name, []).append(event["cycle"])
            case "reset":
                starts, ends = {}, {}
            case "summary":
                valid, ready = bool(event["valid"]), bool(event["ready"])
                states[name] = StreamState(
                    event["accepted"],
                    totals[name],
                    event["blocked"],
                    valid,
                    ready,
                    event["switched"],
                    event["ones"],
                )
    waves = folder / "waves.vcd"
    return BenchResult(
        cycles=found["cycles"],
        hang=found["hung"],
        mismatches=sorted(mismatches, key=lambda m: m.cycle),
        protocol_errors=sorted(faults, key=lambda f: f.cycle),
        streams={name: states[name] for name in totals},
        frame_starts=starts,
        frame_ends=ends,
        captured=dict(captured),
        seconds=found["seconds"],
        folder=folder,
        waves=waves if waves.is_file() else None,
        expected_hang=expected_hang,
        inputs=inputs,
    )


def _mismatch(stream: str, event: Mapping[str, Any]) -> Mismatch:
    wanted = event["expected"]
    return Mismatch(
        stream,
        event["index"],
        event["cycle"],
        int(event["got"], 16),
        bool(event["got_last"]),
        None if wanted is None else int(wanted, 16),
        bool(event["expected_last"]),
    )
