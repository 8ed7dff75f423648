"""qc_concat in simulation, against numpy.concatenate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Bench
from qcompiler.resources import RTL
from tests.rtl.benches import check_full_rate, check_resets, check_stalls, one_a_beat, random_words


@pytest.mark.sim
@pytest.mark.parametrize(
    ("width", "a_words", "b_words", "pixels"), [(8, 1, 1, 9), (5, 3, 2, 4), (1, 1, 4, 1)]
)
def test_channels(width: int, a_words: int, b_words: int, pixels: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    bench = Bench.build(
        dut="qc_concat",
        sources=[RTL / "qc_concat.v"],
        parameters={"WIDTH": width, "A_WORDS": a_words, "B_WORDS": b_words, "PIXELS": pixels},
        inputs={"a_axis": width, "b_axis": width},
        outputs={"m_axis": width},
        build_dir=tmp_path,
    )
    a = random_words(rng, width, 6, pixels, a_words)
    b = random_words(rng, width, 6, pixels, b_words)
    b[[1, 2]] = b[[2, 1]]  # zeros meet ones
    y = np.concatenate([a, b], axis=2)
    given = {"a_axis": one_a_beat(a, width), "b_axis": one_a_beat(b, width)}
    wanted = {"m_axis": one_a_beat(y, width)}
    check_stalls(bench, given, wanted)
    bench.check(given, wanted, source_stall={"a_axis": 0.9}, seed=5)
    bench.check(given, wanted, source_stall={"b_axis": 0.9}, sink_stall=0.3, seed=6)
    check_resets(bench, given, wanted, (10, 11, 12, 13), sink_stall=0.2)
    check_full_rate(bench, given, wanted, repeat=3, busy="m_axis")
