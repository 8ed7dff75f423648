"""What a simulation showed: wrong beats, broken protocol, hangs, and when frames came and went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from qcompiler.flows.beats import Beats


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
        return f"{where}: got {got}, expected {self.expected:#x}{' last' if self.expected_last else ''}"


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
        return f"{where} was stalled and its {self.fault} changed from {self.held:#x} to {self.got:#x}"


@dataclass(frozen=True)
class StreamState:
    """Where a stream stood at the end of a run."""

    accepted: int
    expected: int | None
    blocked: int  # cycles in which a beat waited
    valid: bool
    ready: bool

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
    def ok(self) -> bool:
        """Every beat came, was right and kept the protocol."""
        return not (self.mismatches or self.protocol_errors or self.hang != self.expected_hang)

    def explain(self) -> str:
        """What went wrong, the earliest first; of a hang, where every stream stands."""
        faults = sorted([*self.protocol_errors, *self.mismatches], key=lambda f: f.cycle)
        lines = [str(fault) for fault in faults]
        if self.hang and not self.expected_hang:
            lines.append(f"the design hangs at cycle {self.cycles}:")
            lines += [f"  {name}: {state}" for name, state in self.streams.items()]
        if self.expected_hang and not self.hang:
            lines.append("the run ended although a hang was expected")
        if self.waves is not None:
            lines.append(f"waves: {self.waves}")
        return "\n".join(lines) if lines else "no fault"


def start_of_failing_frame(result: BenchResult) -> int:
    """The cycle at which the inputs began the frame that first went wrong (the last, of a hang)."""
    faults = [f.cycle for f in [*result.mismatches, *result.protocol_errors]]
    fault = min(faults, default=result.cycles)
    done = max((sum(end < fault for end in ends) for ends in result.frame_ends.values()), default=0)
    # Outputs say best how many frames are whole; inputs run ahead of them.
    outputs = {n: e for n, e in result.frame_ends.items() if n not in result.inputs}
    done = min((sum(end < fault for end in ends) for ends in outputs.values()), default=0 if not outputs else done)
    starts = [s[done] for n, s in result.frame_starts.items() if n in result.inputs and len(s) > done]
    return max(min(starts, default=0) - 2, 0)
