"""qc_slice in simulation, against numpy slicing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Bench
from qcompiler.resources import RTL
from tests.rtl.benches import check_full_rate, check_resets, check_stalls, one_a_beat, random_words


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
    x = random_words(rng, case.WIDTH, 6, case.H, case.W, case.WORDS)
    rows = case.Y0 + case.DY * np.arange(case.NY)
    columns = case.X0 + case.DX * np.arange(case.NX)
    y = x[:, rows][:, :, columns]
    given = {"s_axis": one_a_beat(x, case.WIDTH)}
    wanted = {"m_axis": one_a_beat(y, case.WIDTH)}
    check_stalls(bench, given, wanted)
    beats = x[0].size
    check_resets(bench, given, wanted, (beats // 2, beats + 2, beats + beats // 3))
    check_full_rate(bench, given, wanted, repeat=3, busy="s_axis")
