"""qc_pad in simulation, against numpy.pad."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.resources import RTL

STALLS = [(0.0, 0.0), (0.9, 0.0), (0.0, 0.9), (0.5, 0.5)]


@dataclass(frozen=True)
class Case:
    WIDTH: int
    WORDS: int
    H: int
    W: int
    TOP: int
    LEFT: int
    BOTTOM: int
    RIGHT: int
    FILL: int


CASES = {
    "all_sides": Case(8, 2, 4, 5, 1, 2, 3, 1, 0x5A),
    "no_border": Case(3, 3, 2, 3, 0, 0, 0, 0, 0),
    "one_pixel_left_bottom": Case(12, 1, 1, 1, 0, 1, 2, 0, 0xFFF),
    "column_bottom_right": Case(5, 3, 4, 1, 0, 0, 1, 2, 0x10),
}


@pytest.mark.sim
@pytest.mark.parametrize("name", CASES)
def test_border(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    rng = np.random.default_rng(1)
    bench = Bench.build(
        dut="qc_pad",
        sources=[RTL / "qc_pad.v"],
        parameters=asdict(case),
        inputs={"s_axis": case.WIDTH},
        outputs={"m_axis": case.WIDTH},
        build_dir=tmp_path,
    )
    frames = 6
    x = rng.integers(0, 1 << case.WIDTH, (frames, case.H, case.W, case.WORDS))
    x[1], x[2] = 0, (1 << case.WIDTH) - 1
    border = ((0, 0), (case.TOP, case.BOTTOM), (case.LEFT, case.RIGHT), (0, 0))
    y = np.pad(x, border, constant_values=case.FILL)
    given = {"s_axis": Beats.from_frames(x.reshape(frames, -1, 1), case.WIDTH)}
    wanted = {"m_axis": Beats.from_frames(y.reshape(frames, -1, 1), case.WIDTH)}
    for seed, (source, sink) in enumerate(STALLS):
        bench.check(given, wanted, source_stall=source, sink_stall=sink, seed=seed)
    beats = y[0].size
    for reset_at in (beats // 2, beats + 1, beats + beats // 3):
        bench.check(given, wanted, reset_at=reset_at)

    full = bench.check(given, wanted, repeat=3)
    starts, ends = full.frame_starts["m_axis"], full.frame_ends["m_axis"]
    assert ends[-1] - starts[0] + 1 == 3 * y.size
