"""qc_window against plain nested loops: order, row bookkeeping, stalls, resets and rate."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from qcompiler.flows.bench import Beats, Bench, BenchResult
from qcompiler.resources import RTL
from tests.rtl.benches import check_resets, check_stalls, one_a_beat, run_shut

pytestmark = pytest.mark.sim


@dataclass(frozen=True)
class Window:
    """Parameters of qc_window by their names in lower case."""

    h: int
    w: int
    kh: int
    kw: int
    rows: int
    sh: int = 1
    sw: int = 1
    dh: int = 1
    dw: int = 1
    groups: int = 1
    words: int = 1
    repeat: int = 1
    width: int = 12

    @property
    def span(self) -> int:
        return (self.kh - 1) * self.dh + 1

    @property
    def out_rows(self) -> int:
        return (self.h - self.span) // self.sh + 1

    @property
    def row(self) -> int:
        """Beats of an input row."""
        return self.w * self.groups * self.words

    def build(self, folder: Path) -> Bench:
        return Bench.build(
            dut="qc_window",
            sources=[RTL / "qc_window.v"],
            parameters={name.upper(): value for name, value in asdict(self).items()},
            inputs={"s_axis": self.width},
            outputs={"m_axis": self.width},
            build_dir=folder,
        )

    def data(self, frames: int, seed: int) -> npt.NDArray[np.int64]:
        """Frames [frames, h, w, groups, words]; one is all zeros and one all ones."""
        shape = (frames, self.h, self.w, self.groups, self.words)
        values = np.random.default_rng(seed).integers(0, 1 << self.width, shape)
        if frames > 3:
            values[1] = 0
            values[2] = (1 << self.width) - 1
        return values

    def windows(self, frame: npt.NDArray[np.int64]) -> list[int]:
        """The beats that one frame becomes."""
        beats = []
        for oy in range(self.out_rows):
            for ox in range((self.w - ((self.kw - 1) * self.dw + 1)) // self.sw + 1):
                for g in range(self.groups):
                    for _ in range(self.repeat):
                        for kh in range(self.kh):
                            for kw in range(self.kw):
                                y = oy * self.sh + kh * self.dh
                                x = ox * self.sw + kw * self.dw
                                beats += [int(v) for v in frame[y, x, g]]
        return beats


def beats_out(window: Window, values: npt.NDArray[np.int64]) -> Beats:
    frames = np.array([window.windows(frame) for frame in values])
    return Beats.from_frames(frames[:, :, None], window.width)


def check_all(window: Window, folder: Path, seed: int, frames: int = 6) -> BenchResult:
    """Every stall pattern over several frames back to back, then resets in mid-frame.

    Returns:
        The run without stalls.
    """
    bench = window.build(folder)
    values = window.data(frames, seed)
    x, y = one_a_beat(values, window.width), beats_out(window, values)
    given, wanted = {"s_axis": x}, {"m_axis": y}
    free = check_stalls(bench, given, wanted, seed=seed)
    check_resets(bench, given, wanted, [len(x) // frames // 2 + 1])
    check_resets(bench, given, wanted, [(len(x) + len(y)) // frames + 3], sink_stall=0.8)
    if len(y) // frames // window.out_rows <= 2:  # the output stages empty a whole row of windows
        return free
    shut = run_shut(bench, given, wanted, watchdog=500)
    assert shut.accepted["s_axis"] == rows_taken(window, frames) * window.row
    return free


def rows_taken(window: Window, frames: int) -> int:
    """Rows that go in while nothing comes out: ROWS that are used, and unused ones between."""
    used = {oy * window.sh + i for oy in range(window.out_rows) for i in range(window.span)}
    kept = 0
    for row in range(frames * window.h):
        if row % window.h in used:
            if kept == window.rows:
                return row
            kept += 1
    return frames * window.h


SETS = {
    "groups-and-repeat": Window(7, 6, 3, 3, rows=6, groups=2, words=3, repeat=2),
    "1x1-as-column": Window(35, 1, 1, 1, rows=2, words=3),
    "whole-frame": Window(1, 49, 1, 49, rows=2),
    "stride-over-kernel": Window(11, 11, 2, 2, rows=3, sh=3, sw=4, words=2),
    "dilated-least-rows": Window(12, 11, 3, 2, rows=5, sh=2, sw=2, dh=2, dw=3, repeat=3),
    "many-frames-held": Window(3, 5, 2, 3, rows=11, groups=3, words=2, repeat=3),
    "leftovers": Window(9, 8, 3, 3, rows=5, sh=4, sw=3, groups=3),
    "one-row-one-beat": Window(5, 1, 1, 1, rows=1, width=1),
}
NO_BUBBLE = {"groups-and-repeat", "1x1-as-column", "whole-frame", "many-frames-held"}
TAKE_TURNS = {"dilated-least-rows"}


@pytest.mark.parametrize("name", SETS)
def test_windows(name: str, tmp_path: Path) -> None:
    window = SETS[name]
    r = check_all(window, tmp_path, seed=list(SETS).index(name))
    # The first row of windows starts 3 cycles after its last input beat.
    first = r.frame_starts["m_axis"][0] - r.frame_starts["s_axis"][0]
    assert first == window.span * window.row - 1 + 3
    periods = set(np.diff(r.frame_ends["m_axis"]).tolist())
    beats = len(window.windows(window.data(1, 0)[0]))
    if name in NO_BUBBLE:
        assert periods == {beats}
    if name in TAKE_TURNS:  # a cycle for each beat in (but of the unused last row) and out
        assert periods == {beats + (window.h - 1) * window.row}


def draw(rng: np.random.Generator) -> Window:
    """A random window, with the corners drawn often."""

    def pick(*choices: int) -> int:
        return int(rng.choice(choices))

    window = Window(
        h=1,
        w=1,
        kh=pick(1, 1, 2, 3, 4),
        kw=pick(1, 1, 2, 3, 5),
        rows=1,
        sh=pick(1, 1, 2, 3, 5),
        sw=pick(1, 1, 2, 3, 7),
        dh=pick(1, 1, 2, 3),
        dw=pick(1, 1, 2, 3),
        groups=pick(1, 1, 2, 3),
        words=pick(1, 1, 2, 3, 5),
        repeat=pick(1, 1, 2, 5),
        width=pick(1, 7, 12, 60),
    )
    span = window.span
    return replace(
        window,
        h=span + pick(0, 0, 1, 2, 5, 7),
        w=(window.kw - 1) * window.dw + 1 + pick(0, 0, 1, 4, 5),
        rows=max(window.sh, span) + pick(0, 0, 1, span - 1, span, 9, 20),
    )


@pytest.mark.long
@pytest.mark.parametrize("seed", range(40))
def test_random_parameters(seed: int, tmp_path: Path) -> None:
    check_all(draw(np.random.default_rng(seed)), tmp_path, seed, frames=5)
