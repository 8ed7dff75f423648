"""qc_pad in simulation, against numpy.pad."""

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
    x = random_words(rng, case.WIDTH, 6, case.H, case.W, case.WORDS)
    border = ((0, 0), (case.TOP, case.BOTTOM), (case.LEFT, case.RIGHT), (0, 0))
    y = np.pad(x, border, constant_values=case.FILL)
    given = {"s_axis": one_a_beat(x, case.WIDTH)}
    wanted = {"m_axis": one_a_beat(y, case.WIDTH)}
    check_stalls(bench, given, wanted)
    beats = y[0].size
    check_resets(bench, given, wanted, (beats // 2, beats + 1, beats + beats // 3))
    check_full_rate(bench, given, wanted, repeat=3, busy="m_axis")
