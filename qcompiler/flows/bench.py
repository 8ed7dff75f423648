"""Drives one Verilog module with streams of beats and compares what comes out, bit by bit.

    bench = Bench.build(dut="qc_fifo", sources=[RTL / "qc_fifo.v"], parameters={"WIDTH": 8, "DEPTH": 4},
                        inputs={"s_axis": 8}, outputs={"m_axis": 8}, build_dir=tmp_path)
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qcompiler.errors import VerificationError
from qcompiler.flows.beats import Beats, pack, read_beats, unpack, write_beats
from qcompiler.flows.verilator import Simulation
from qcompiler.resources import SIM

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
    streams: tuple[_Stream, ...]
    waves: bool

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
        """
        build_dir = Path(build_dir).resolve()
        build_dir.mkdir(parents=True, exist_ok=True)
        for name, text in (files or {}).items():
            _write_if_changed(build_dir / name, text)
        in_ports, in_streams = _ports(inputs, "source")
        out_ports, out_streams = _ports(outputs, "sink")
        watched = [_Stream(p.name, "probe", p.width, p.path, None, p.window) for p in probes]
        streams = [*in_streams, *out_streams, *watched]
        if len({s.name for s in streams}) != len(streams):
            raise ValueError("two streams of one name")
        harness = _Harness(
            dut,
            [(name, _literal(value)) for name, value in (parameters or {}).items()],
            list((ties or {}).items()),
            [*in_ports, *out_ports],
            streams,
            waves,
        )
        top = build_dir / "harness.sv"
        _write_if_changed(top, _template().render(h=harness))
        waivers = build_dir / "harness.vlt"
        _write_if_changed(waivers, _waivers([SIM, build_dir / "harness"]))
        simulation = Simulation.build(
            top="harness",
            sources=[waivers, *sources, *sorted(SIM.glob("*.sv")), top],
            folder=build_dir,
            waves=waves,
            arguments=[*(["-Wall"] if lint else ["-Wno-lint"]), "+1364-2005ext+v"],
        )
        return cls(dut, simulation, tuple(streams), waves)

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
        reset_cycles: int = 4,
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
            watchdog: Cycles without any transfer that count as a hang.
            expect_hang: The run is right when it hangs, e.g. with a sink that never takes a beat.
            capture: Outputs and probes whose beats the result is to hold.
        """
        self._check_names(inputs, expected)
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
        if reset_at is not None:
            plus["reset_at"] = reset_at
        totals: dict[str, int | None] = {}
        for number, s in enumerate(self.streams):
            beats = inputs[s.name] if s.role == "source" else expected.get(s.name)
            stall = source_stall if s.role == "source" else sink_stall
            share = stall.get(s.name, 0.0) if isinstance(stall, Mapping) else stall
            plus[f"{s.name}.seed"] = zlib.crc32(f"{seed} {s.name}".encode()) | 1
            plus[f"{s.name}.stall"] = stall_threshold(share)
            totals[s.name] = None
            if isinstance(beats, int):
                totals[s.name] = beats * repeat
            elif beats is not None:
                totals[s.name] = self._total(s, beats) * repeat
                file = folder / f"{number}.hex"
                _write_beats(file, beats, s.width, s.name)
                plus[f"{s.name}.file"] = str(file)
                plus[f"{s.name}.stored"] = len(beats)
            if totals[s.name] is not None:
                plus[f"{s.name}.total"] = totals[s.name] or 0
        captures = {name: folder / f"captured{i}.hex" for i, name in enumerate(capture)}
        for name, file in captures.items():
            plus[f"{name}.capture"] = str(file)
        found = self._simulate(folder, plus)
        result = self._result(found, folder, totals, captures, expect_hang)
        if self.waves and not result.ok:
            plus["waves"] = str(folder / "waves.vcd")
            plus["waves_from"] = _start_of_failing_frame(result)
            found = self._simulate(folder, plus)
            result = self._result(found, folder, totals, captures, expect_hang)
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

    def _check_names(self, inputs: Mapping[str, Beats], expected: Mapping[str, Beats | int]) -> None:
        sources = {s.name for s in self.streams if s.role == "source"}
        others = {s.name for s in self.streams if s.role != "source"}
        if set(inputs) != sources:
            raise ValueError(f"inputs are {sorted(sources)}, got {sorted(inputs)}")
        if not set(expected) <= others:
            raise ValueError(f"outputs and probes are {sorted(others)}, got {sorted(expected)}")

    @staticmethod
    def _total(stream: _Stream, beats: Beats) -> int:
        """Beats that the stream carries for one pass over `beats`."""
        if stream.window is None:
            return len(beats)
        frames, rest = divmod(len(beats), stream.window.in_beats)
        if rest:
            raise ValueError(
                f"{stream.name}: {len(beats)} beats are no whole number of padded frames of "
                f"{stream.window.in_beats}"
            )
        return frames * stream.window.out_beats

    def _simulate(self, folder: Path, plus: Mapping[str, int | str]) -> dict[str, Any]:
        result = folder / "result.json"
        self.simulation.run(
            test_module="bench",
            python_path=SIM,
            plusargs=[f"+{name}={v}" if v != "" else f"+{name}" for name, v in plus.items()],
            env={
                "QCOMPILER_REPORT": str(plus["report"]),
                "QCOMPILER_RESULT": str(result),
                "COCOTB_LOG_LEVEL": "WARNING",
            },
            log=folder / "run.log",
        )
        found: dict[str, Any] = json.loads(result.read_text())
        return found

    def _result(
        self,
        found: Mapping[str, Any],
        folder: Path,
        totals: Mapping[str, int | None],
        captures: Mapping[str, Path],
        expect_hang: bool,
    ) -> BenchResult:
        mismatches: list[Mismatch] = []
        faults: list[ProtocolFault] = []
        states: dict[str, StreamState] = {}
        starts: dict[str, list[int]] = {}
        ends: dict[str, list[int]] = {}
        for event in found["events"]:
            name = event.get("stream", "").removesuffix(".watch")
            match event["event"]:
                case "mismatch":
                    wanted = event["expected"]
                    mismatches.append(
                        Mismatch(
                            name,
                            event["index"],
                            event["cycle"],
                            int(event["got"], 16),
                            bool(event["got_last"]),
                            None if wanted is None else int(wanted, 16),
                            bool(event["expected_last"]),
                        )
                    )
                case "protocol":
                    held, got = int(event["held"], 16), int(event["got"], 16)
                    faults.append(
                        ProtocolFault(name, event["index"], event["cycle"], event["fault"], held, got)
                    )
                case "start":
                    starts.setdefault(name, []).append(event["cycle"])
                case "end":
                    ends.setdefault(name, []).append(event["cycle"])
                case "reset":
                    starts, ends = {}, {}
                case "summary":
                    valid, ready = bool(event["valid"]), bool(event["ready"])
                    states[name] = StreamState(
                        event["accepted"], totals[name], event["blocked"], valid, ready
                    )
        widths = {s.name: s.width for s in self.streams}
        waves = folder / "waves.vcd"
        return BenchResult(
            cycles=found["cycles"],
            hang=found["hung"],
            mismatches=sorted(mismatches, key=lambda m: m.cycle),
            protocol_errors=sorted(faults, key=lambda f: f.cycle),
            streams=states,
            frame_starts=starts,
            frame_ends=ends,
            captured={n: _read_beats(file, widths[n]) for n, file in captures.items()},
            seconds=found["seconds"],
            folder=folder,
            waves=waves if waves.is_file() else None,
            expected_hang=expect_hang,
            inputs=frozenset(s.name for s in self.streams if s.role == "source"),
        )


def _write_if_changed(path: Path, text: str) -> None:
    """Keep the time of an unchanged file, so that nothing is built again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text() != text:
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(text)
        os.replace(temporary, path)


