"""Drives one Verilog module with streams of beats and compares what comes out, bit by bit.

    bench = Bench.build(dut="qc_fifo", sources=[RTL / "qc_fifo.v"], inputs={"s_axis": 8},
                        outputs={"m_axis": 8}, parameters={"WIDTH": 8, "DEPTH": 4}, build_dir=...)
    beats = Beats.from_frames(values, bits=8)       # values[frames, beats, lanes]
    bench.check({"s_axis": beats}, {"m_axis": beats}, source_stall=0.3, sink_stall=0.8, seed=7)

One build serves any number of runs. The harness (sim/) clocks itself; Python only writes files
before a run and reads the report after it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qcompiler.errors import VerificationError
from qcompiler.flows.beats import Beats, read_beats, write_beats
from qcompiler.flows.harness import (
    MOST_CALL,
    Harness,
    Probe,
    Stream,
    Window,
    literal,
    stream_ports,
    waivers,
)
from qcompiler.flows.results import (
    BenchResult,
    Mismatch,
    ProtocolFault,
    StreamState,
    read_report,
    start_of_failing_frame,
)
from qcompiler.flows.toggles import ARGUMENTS as TOGGLE_ARGUMENTS
from qcompiler.flows.toggles import Counted
from qcompiler.flows.verilator import Simulation
from qcompiler.resources import SIM

__all__ = [
    "Beats",
    "Bench",
    "BenchResult",
    "Mismatch",
    "Probe",
    "ProtocolFault",
    "StreamState",
    "Window",
    "stall_threshold",
]

MEAN_EPISODE = 4.75  # cycles, of sim/stall_generator.sv


def stall_threshold(share: float) -> int:
    """What sim/stall_generator.sv must be told so that `share` of the cycles are stalled."""
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"a stall share lies in [0, 1], got {share}")
    return round(65536 * share / (share + MEAN_EPISODE * (1.0 - share)))


@dataclass(frozen=True)
class Bench:
    """A built simulation of one module in its harness."""

    dut: str
    simulation: Simulation
    streams: tuple[Stream, ...]
    waves: bool
    counted: Counted | None = None

    @classmethod
    def build(
        cls,
        *,
        dut: str,
        sources: Sequence[Path],
        parameters: Mapping[str, int | str] | None = None,
        inputs: Mapping[str, int],
        outputs: Mapping[str, int],
        probes: Sequence[Probe] = (),
        build_dir: Path,
        files: Mapping[str, str] | None = None,
        ties: Mapping[str, str] | None = None,
        lint: bool = True,
        waves: bool = False,
        toggles: Mapping[str, str] | None = None,
    ) -> Bench:
        """Write the harness, build it, or find it built.

        Args:
            dut: The module under test; its clock and reset are called clk and rst.
            inputs: Width of tdata by port prefix; "s_axis[1]" is slice 1 of vector ports.
            outputs: Likewise.
            probes: Internal streams to watch.
            build_dir: The simulation runs in it; no space in its path.
            files: Text files to write under build_dir, such as "mem/w.hex".
            ties: Other input ports of the DUT and the Verilog expression each is tied to.
            lint: Whether a lint warning in the sources is an error (-Wall).
            waves: Whether a failing run is repeated with a VCD file.
            toggles: Count what switches in every net, slowly; the node of each stream's wire.
        """
        if waves and toggles is not None:
            raise ValueError("a build either counts or leaves waves")
        build_dir = Path(build_dir).resolve()
        build_dir.mkdir(parents=True, exist_ok=True)
        for name, text in (files or {}).items():
            _write_if_changed(build_dir / name, text)
        in_ports, in_streams = stream_ports(inputs, "source")
        out_ports, out_streams = stream_ports(outputs, "sink")
        watched = [Stream(p.name, "probe", p.width, p.path, None, p.window) for p in probes]
        streams = [*in_streams, *out_streams, *watched]
        if len({s.name for s in streams}) != len(streams):
            raise ValueError("two streams of one name")
        if max(s.width for s in streams) > MOST_CALL:
            raise ValueError(f"a stream may have {MOST_CALL} bits at most")
        harness = Harness(
            dut,
            [(name, literal(value)) for name, value in (parameters or {}).items()],
            list((ties or {}).items()),
            [*in_ports, *out_ports],
            streams,
            waves or toggles is not None,
        )
        top = build_dir / "harness.sv"
        _write_if_changed(top, harness.render())
        control = build_dir / "harness.vlt"
        _write_if_changed(control, waivers(top))
        simulation = Simulation.build(
            top="harness",
            sources=[control, *sources, *sorted(SIM.glob("*.sv")), top],
            cpp=[SIM / "streams.cpp"],
            folder=build_dir,
            waves=waves or toggles is not None,
            arguments=[
                *(["-Wall"] if lint else ["-Wno-lint"]),
                "+1364-2005ext+v",
                *(TOGGLE_ARGUMENTS if toggles is not None else ()),
            ],
        )
        counted = None if toggles is None else Counted(tuple(sources), dut, toggles)
        return cls(dut, simulation, tuple(streams), waves, counted)

    def run(
        self,
        inputs: Mapping[str, Beats],
        expected: Mapping[str, Beats | int],
        *,
        source_stall: float | Mapping[str, float] = 0.0,
        sink_stall: float | Mapping[str, float] = 0.0,
        seed: int = 1,
        repeat: int = 1,
        reset_at: int | None = None,
        reset_cycles: int = 1,
        watchdog: int = 20000,
        expect_hang: bool = False,
        capture: Iterable[str] = (),
    ) -> BenchResult:
        """Play the inputs, compare the outputs and probes, and say what happened.

        Args:
            expected: Beats by output or probe, or only how many come. A stream that is not named
                is not compared and not waited for.
            source_stall: Share of cycles in which a source offers nothing new, for all or by name.
            sink_stall: Share of cycles in which a sink is not ready; 1.0 never takes a beat.
            seed: Of the stalls and of every register that the design leaves uninitialized.
            repeat: How often inputs and expected beats are played, one after another.
            reset_at: Cycle of a second reset, after which everything starts over.
            reset_cycles: Length of either reset; one cycle is what every module must do with.
            watchdog: Cycles without any transfer that count as a hang.
            expect_hang: The run is right when it hangs, e.g. with a sink that never takes a beat.
            capture: Outputs and probes whose beats the result is to hold.
        """
        self._check_names(inputs, expected)
        if reset_cycles < 1:
            raise ValueError(f"a reset takes at least one cycle, not {reset_cycles}")
        runs = self.simulation.folder / "runs"
        runs.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=runs, prefix=f"seed{seed}-"))
        plus: dict[str, int | str] = {
            "watchdog": watchdog,
            "reset_cycles": reset_cycles,
            "report": str(folder / "report.jsonl"),
            "verilator+rand+reset+2": "",
            f"verilator+seed+{1 + seed % 0x7FFFFFFE}": "",
        }
        if self.counted is not None:
            plus |= {"waves": str(folder / "toggles.saif"), "waves_from": 0}
        if reset_at is not None:
            plus["reset_at"] = reset_at
        totals: dict[str, int | None] = {}
        captures = {name: folder / f"captured{i}.hex" for i, name in enumerate(capture)}
        lines = []
        for number, s in enumerate(self.streams):
            beats = inputs[s.name] if s.role == "source" else expected.get(s.name)
            file, stored, total = None, 0, None
            if isinstance(beats, int):
                total = beats * repeat
            elif beats is not None:
                file, stored = folder / f"{number}.hex", len(beats)
                total = s.total(stored) * repeat
                write_beats(file, beats, s.width, s.name)
            totals[s.name] = total
            if s.role != "probe":
                stall = source_stall if s.role == "source" else sink_stall
                share = stall.get(s.name, 0.0) if isinstance(stall, Mapping) else stall
                plus[f"{s.name}.seed"] = zlib.crc32(f"{seed} {s.name}".encode()) | 1
                plus[f"{s.name}.stall"] = stall_threshold(share)
            if s.role == "source":
                plus |= {f"{s.name}.file": str(file), f"{s.name}.stored": stored}
                plus[f"{s.name}.total"] = total or 0
                file, stored, total = None, 0, None  # what the design takes is only watched
            lines.append(s.listing(total, stored, file, captures.get(s.name)))
        (folder / "streams.txt").write_text("\n".join(lines) + "\n")
        plus["streams"] = str(folder / "streams.txt")
        result = self._simulate(folder, plus, totals, captures, expect_hang)
        if self.waves and not result.ok:
            plus["waves"] = str(folder / "waves.vcd")
            plus["waves_from"] = start_of_failing_frame(result)
            result = self._simulate(folder, plus, totals, captures, expect_hang)
        if result.ok:
            shutil.rmtree(folder, ignore_errors=True)
        return result

    def check(
        self, inputs: Mapping[str, Beats], expected: Mapping[str, Beats | int], **options: Any
    ) -> BenchResult:
        """`run`, and raise at the first difference, protocol fault or hang.

        Raises:
            VerificationError: The design and the expected beats disagree.
        """
        result = self.run(inputs, expected, **options)
        if not result.ok:
            what = ", ".join(f"{k}={v}" for k, v in options.items() if k != "capture")
            raise VerificationError(
                result.explain(),
                where=f"{self.dut} ({what})" if what else self.dut,
                hint=f"stimulus, expected beats and log: {result.folder}",
            )
        return result

    def _check_names(
        self, inputs: Mapping[str, Beats], expected: Mapping[str, Beats | int]
    ) -> None:
        sources = {s.name for s in self.streams if s.role == "source"}
        others = {s.name for s in self.streams if s.role != "source"}
        if set(inputs) != sources:
            raise ValueError(f"inputs are {sorted(sources)}, got {sorted(inputs)}")
        if not set(expected) <= others:
            raise ValueError(f"outputs and probes are {sorted(others)}, got {sorted(expected)}")

    def _simulate(
        self,
        folder: Path,
        plus: Mapping[str, int | str],
        totals: Mapping[str, int | None],
        captures: Mapping[str, Path],
        expect_hang: bool,
    ) -> BenchResult:
        found = folder / "result.json"
        self.simulation.run(
            test_module="bench",
            python_path=SIM,
            plusargs=[f"+{name}={v}" if v != "" else f"+{name}" for name, v in plus.items()],
            env={
                "QCOMPILER_REPORT": str(plus["report"]),
                "QCOMPILER_RESULT": str(found),
                "COCOTB_LOG_LEVEL": "WARNING",
            },
            log=folder / "run.log",
        )
        widths = {s.name: s.width for s in self.streams}
        result = read_report(
            json.loads(found.read_text()),
            inputs=frozenset(s.name for s in self.streams if s.role == "source"),
            totals=totals,
            captured={name: read_beats(file, widths[name]) for name, file in captures.items()},
            folder=folder,
            expected_hang=expect_hang,
        )
        if self.counted is None:
            return result
        return replace(result, toggles=self.counted.read(folder / "toggles.saif"))


def _write_if_changed(path: Path, text: str) -> None:
    """Keep the time of an unchanged file, so that nothing is built again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text() != text:
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(text)
        os.replace(temporary, path)
