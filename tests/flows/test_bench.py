"""The bench finds every kind of fault that a module can have, and none in a module without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qcompiler.errors import ToolFailedError, VerificationError
from qcompiler.flows.bench import Beats, Bench, BenchResult, Probe, Window

pytestmark = pytest.mark.sim

HERE = Path(__file__).parent
STALLS = [(0.0, 0.0), (0.0, 0.9), (0.9, 0.0), (0.4, 0.4)]

Build = Callable[[int], Bench]


@pytest.fixture(scope="module")
def beats() -> Beats:
    values = np.random.default_rng(1).integers(-128, 128, (5, 30, 3))
    values[0, 0], values[0, 1] = -128, 127
    return Beats.from_frames(values, bits=8)


@pytest.fixture(scope="module")
def slice_with(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The register slice with one fault: a build for all, the fault is read when a run begins."""
    folder = tmp_path_factory.mktemp("slice")
    bench = build_slice(folder)

    def choose(fault: int) -> Bench:
        (folder / "mem" / "fault.hex").write_text(f"{fault:x}\n")
        return bench

    return choose


def build_slice(folder: Path, **options: bool) -> Bench:
    return Bench.build(
        dut="register_slice",
        sources=[HERE / "register_slice.v"],
        parameters={"WIDTH": 24},
        inputs={"s_axis": 24},
        outputs={"m_axis": 24},
        files={"mem/fault.hex": "0\n"},
        build_dir=folder,
        **options,
    )


def run(bench: Bench, beats: Beats, **options: float) -> BenchResult:
    return bench.run({"s_axis": beats}, {"m_axis": beats}, watchdog=300, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("stalls", STALLS)
@pytest.mark.parametrize("reset_at", [None, 40, 61])
def test_a_right_module_passes(
    slice_with: Build, beats: Beats, stalls: tuple[float, float], reset_at: int | None
) -> None:
    result = slice_with(0).check(
        {"s_axis": beats},
        {"m_axis": beats},
        source_stall=stalls[0],
        sink_stall=stalls[1],
        reset_at=reset_at,
        seed=5,
    )
    assert result.accepted == {"s_axis": 150, "m_axis": 150}
    assert len(result.frame_starts["s_axis"]) == len(result.frame_ends["m_axis"]) == 5
    assert not result.folder.exists()


def test_cycles_of_frames(slice_with: Build, beats: Beats) -> None:
    result = run(slice_with(0), beats, repeat=20)
    first = result.first_input
    assert first is not None
    assert result.frame_ends["m_axis"] == [first + 30 * (i + 1) for i in range(100)]


def test_stalls_take_the_share_asked_for(slice_with: Build, beats: Beats) -> None:
    for share in (0.2, 0.5, 0.8):
        result = run(slice_with(0), beats, repeat=100, sink_stall=share)
        assert result.accepted["m_axis"] / result.cycles == pytest.approx(1 - share, abs=0.03)


def test_a_wrong_expected_value_is_found_at_its_index(slice_with: Build, beats: Beats) -> None:
    data = list(beats.data)
    data[77] ^= 1 << 13
    result = slice_with(0).run({"s_axis": beats}, {"m_axis": Beats(data, beats.last)})
    (mismatch,) = result.mismatches
    assert (mismatch.stream, mismatch.index) == ("m_axis", 77)
    assert (mismatch.got, mismatch.expected) == (beats.data[77], data[77])
    assert result.cycles < 100  # stops soon
    with pytest.raises(VerificationError, match=r"m_axis: beat 77 .* got 0x\w+, expected 0x\w+"):
        slice_with(0).check({"s_axis": beats}, {"m_axis": Beats(data, beats.last)})


def test_a_wrong_last_is_found(slice_with: Build, beats: Beats) -> None:
    (mismatch,) = run(slice_with(6), beats).mismatches
    assert (mismatch.index, mismatch.got_last, mismatch.expected_last) == (29, False, True)


def test_a_dropped_beat_is_found(slice_with: Build, beats: Beats) -> None:
    assert run(slice_with(1), beats).ok  # never stalled, it works
    result = run(slice_with(1), beats, sink_stall=0.8)
    assert {fault.fault for fault in result.protocol_errors} == {"data"}


def test_data_that_moves_in_a_stall_is_found(slice_with: Build, beats: Beats) -> None:
    (fault,) = run(slice_with(2), beats, sink_stall=0.3).protocol_errors
    assert (fault.fault, fault.held ^ fault.got) == ("data", 1)


def test_a_withdrawn_beat_is_found(slice_with: Build, beats: Beats) -> None:
    (fault,) = run(slice_with(3), beats, sink_stall=0.3).protocol_errors
    assert fault.fault == "withdrawn"


def test_a_hang_is_found_and_says_where(slice_with: Build, beats: Beats) -> None:
    result = run(slice_with(4), beats)
    assert result.hang and not result.ok
    source, sink = result.streams["s_axis"], result.streams["m_axis"]
    assert (source.accepted, source.valid, source.ready) == (50, True, False)
    assert (sink.accepted, sink.valid, sink.ready) == (50, False, True)
    assert "hangs" in result.explain() and "s_axis: 50 of 150 beats" in result.explain()


def test_state_that_outlives_a_reset_is_found(slice_with: Build, beats: Beats) -> None:
    bench = slice_with(5)
    assert any(not run(bench, beats, seed=s, reset_at=60, sink_stall=0.5).ok for s in range(3))


def test_a_beat_too_many_is_found(slice_with: Build, beats: Beats) -> None:
    result = slice_with(0).run({"s_axis": beats}, {"m_axis": 149})
    (mismatch,) = result.mismatches
    assert (mismatch.index, mismatch.expected) == (149, None)
    assert "too many" in result.explain()


def test_a_doubled_beat_is_found(slice_with: Build, beats: Beats) -> None:
    (mismatch,) = run(slice_with(7), beats).mismatches
    assert mismatch.index == 20


def test_a_sink_that_never_takes_shows_the_capacity(slice_with: Build, beats: Beats) -> None:
    result = run(slice_with(0), beats, sink_stall=1.0, expect_hang=True)
    assert result.ok and result.hang
    assert result.accepted == {"s_axis": 1, "m_axis": 0}
    assert not run(slice_with(0), beats, expect_hang=True).ok


def test_beats_can_be_collected(slice_with: Build, beats: Beats) -> None:
    result = slice_with(0).run({"s_axis": beats}, {"m_axis": 150}, capture=["m_axis"])
    assert result.captured["m_axis"] == beats


def test_a_capture_starts_over_with_the_reset(slice_with: Build, beats: Beats) -> None:
    options = {"capture": ["m_axis"], "reset_at": 70}
    result = slice_with(0).run({"s_axis": beats}, {"m_axis": beats}, **options)  # type: ignore[arg-type]
    assert result.ok and result.captured["m_axis"] == beats


def test_a_reset_long_after_the_last_beat_is_no_hang(slice_with: Build, beats: Beats) -> None:
    assert run(slice_with(0), beats, reset_at=1500).ok


def test_a_reset_takes_a_cycle(slice_with: Build, beats: Beats) -> None:
    with pytest.raises(ValueError, match="at least one cycle"):
        run(slice_with(0), beats, reset_cycles=0)


def test_one_seed_one_run(slice_with: Build, beats: Beats) -> None:
    cycles = [run(slice_with(0), beats, sink_stall=0.5, seed=s).cycles for s in (1, 1, 2)]
    assert cycles[0] == cycles[1] != cycles[2]


def test_waves_begin_at_the_failing_frame(tmp_path: Path, beats: Beats) -> None:
    bench = build_slice(tmp_path, waves=True)
    assert run(bench, beats).waves is None
    data = list(beats.data)
    data[100] ^= 1
    result = bench.run({"s_axis": beats}, {"m_axis": Beats(data, beats.last)})
    assert result.waves is not None and str(result.waves) in result.explain()
    times = [line for line in result.waves.read_text().splitlines() if line.startswith("#")]
    assert len(times) < 2 * 30  # two a cycle, of the last 15 cycles of 105


def test_vector_ports_and_windows(tmp_path: Path) -> None:
    """Two outputs of one vector port; the second is checked as a window over the first's raster."""
    window = Window(H=4, W=5, GROUPS=2, WORDS=1, KH=2, KW=3, SW=2, REPEAT=2)
    raster = np.arange(2 * window.in_beats).reshape(2, 4, 5, 2)
    emitted = [
        raster[f, oy + kh, 2 * ox + kw, g]
        for f in range(2)
        for oy in range(3)
        for ox in range(2)
        for g in range(2)
        for _ in range(2)
        for kh in range(2)
        for kw in range(3)
    ]
    assert len(emitted) == 2 * window.out_beats
    bench = Bench.build(
        dut="double",
        sources=[HERE / "double.v"],
        inputs={"s_axis": 8},
        outputs={"m_axis[0]": 8, "m_axis[1]": 8},
        probes=[Probe("window", "dut.inner", 8, window)],
        files={"mem/offset.hex": "05\n"},
        parameters={"MEM_FILE": "mem/offset.hex"},
        build_dir=tmp_path,
    )
    stream = Beats.from_frames(np.array(emitted).reshape(2, -1, 1), bits=8)
    shifted = Beats([(v + 5) % 256 for v in stream.data], stream.last)
    padded = Beats.from_frames(raster.reshape(2, -1, 1), bits=8)
    expected = {"m_axis[0]": stream, "m_axis[1]": shifted, "window": padded}
    stalls = {"m_axis[0]": 0.3, "m_axis[1]": 0.7}
    bench.check({"s_axis": stream}, expected, sink_stall=stalls, repeat=2)
    data = list(padded.data)
    data[window.in_beats + 2 * (2 * 5 + 2)] ^= 8  # frame 1, row 2, column 2, group 0
    result = bench.run({"s_axis": stream}, {**expected, "window": Beats(data, padded.last)})
    (mismatch,) = result.mismatches
    assert mismatch.stream == "window"
    # First used by output row 1 (beats 48 on), column 0, group 0, repeat 0, kh 1, kw 2.
    assert mismatch.index == window.out_beats + 48 + 5


def test_a_warning_in_the_module_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "register_slice.v"
    text = (HERE / "register_slice.v").read_text()
    source.write_text(text.replace("4'd1)", "5'd1)"))
    with pytest.raises(ToolFailedError, match=r"register_slice\.v:\d+"):
        Bench.build(
            dut="register_slice",
            sources=[source],
            inputs={"s_axis": 8},
            outputs={"m_axis": 8},
            build_dir=tmp_path / "build",
        )


def test_a_port_of_another_width_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolFailedError, match="WIDTH"):
        Bench.build(
            dut="register_slice",
            sources=[HERE / "register_slice.v"],
            inputs={"s_axis": 8},
            outputs={"m_axis": 9},
            build_dir=tmp_path,
        )


def test_a_value_that_does_not_fit_is_refused(slice_with: Build) -> None:
    with pytest.raises(ValueError, match="24 bits"):
        run(slice_with(0), Beats([1 << 24], [True]))
    with pytest.raises(ValueError, match="do not fit"):
        Beats.from_frames([[[256]]], bits=8)
