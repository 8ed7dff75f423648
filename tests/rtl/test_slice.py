"""qc_slice in simulation, against numpy slicing."""

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
    Y0: int
    DY: int
    NY: int
    X0: int
    DX: int
    NX: int


CASES = {
    "crop": Case(5, 1, 7, 5, 2, 1, 3, 1, 1, 3),
    "odd_steps": Case(9, 3, 9, 11, 1, 4, 2, 3, 3, 3),
    "one_of_a_row": Case(6, 2, 1, 8, 0, 7, 1, 5, 9, 1),
    "everything": Case(2, 1, 3, 1, 0, 1, 3, 0, 1, 1),
}


@pytest.mark.sim
@pytest.mark.parametrize("name", CASES)
def test_kept_pixels(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    rng = np.random.default_rng(1)
    bench = Bench.build(
        dut="qc_slice",
        sources=[RTL / "qc_slice.v"],
        parameters=asdict(case),
        inputs={"s_axis": case.WIDTH},
        outputs={"m_axis": case.WIDTH},
        build_dir=tmp_path,
    )
    frames = 6
    x = rng.integers(0, 1 << case.WIDTH, (frames, case.H, case.W, case.WORDS))
    x[1], x[2] = 0, (1 << case.WIDTH) - 1
    rows = case.Y0 + case.DY * np.arange(case.NY)
    columns = case.X0 + case.DX * np.arange(case.NX)
    y = x[:, rows][:, :, columns]
    given = {"s_axis": Beats.from_frames(x.reshape(frames, -1, 1), case.WIDTH)}
    wanted = {"m_axis": Beats.from_frames(y.reshape(frames, -1, 1), case.WIDTH)}
    for seed, (source, sink) in enumerate(STALLS):
        bench.check(given, wanted, source_stall=source, sink_stall=sink, seed=seed)
    beats = x[0].size
    for reset_at in (beats // 2, beats + 2, beats + beats // 3):
        bench.check(given, wanted, reset_at=reset_at)

    full = bench.check(given, wanted, repeat=3)
    starts, ends = full.frame_starts["s_axis"], full.frame_ends["s_axis"]
    assert ends[-1] - starts[0] + 1 == 3 * x.size
