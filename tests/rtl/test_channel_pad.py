"""qc_channel_pad in simulation, against numpy.pad."""

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
    BEFORE: int
    AFTER: int
    PIXELS: int
    FILL: int


CASES = {
    "both": Case(8, 2, 1, 3, 5, 0xA5),
    "before_one_pixel": Case(6, 3, 2, 0, 1, 0x3F),
    "after": Case(4, 1, 0, 1, 7, 0),
    "neither": Case(3, 1, 0, 0, 4, 0),
}


@pytest.mark.sim
@pytest.mark.parametrize("name", CASES)
def test_fill(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    rng = np.random.default_rng(1)
    bench = Bench.build(
        dut="qc_channel_pad",
        sources=[RTL / "qc_channel_pad.v"],
        parameters=asdict(case),
        inputs={"s_axis": case.WIDTH},
        outputs={"m_axis": case.WIDTH},
        build_dir=tmp_path,
    )
    x = random_words(rng, case.WIDTH, 6, case.PIXELS, case.WORDS)
    y = np.pad(x, ((0, 0), (0, 0), (case.BEFORE, case.AFTER)), constant_values=case.FILL)
    given = {"s_axis": one_a_beat(x, case.WIDTH)}
    wanted = {"m_axis": one_a_beat(y, case.WIDTH)}
    check_stalls(bench, given, wanted)
    beats = y[0].size
    check_resets(bench, given, wanted, (beats // 2, beats + 1, beats + 2, beats + 3))
    check_full_rate(bench, given, wanted, repeat=3, busy="m_axis")
