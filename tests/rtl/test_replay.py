"""qc_replay against a transposed and repeated array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Bench
from qcompiler.resources import RTL
from tests.rtl.benches import (
    check_full_rate,
    check_resets,
    check_stalls,
    one_a_beat,
    random_words,
    run_shut,
)

pytestmark = pytest.mark.sim


@pytest.mark.parametrize(
    ("width", "words", "steps", "repeat"),
    [(8, 3, 16, 2), (5, 2, 36, 3), (12, 1, 4, 5), (3, 5, 1, 1), (1, 1, 1, 3), (7, 1, 1, 1)],
)
def test_blocks(width: int, words: int, steps: int, repeat: int, tmp_path: Path) -> None:
    bench = Bench.build(
        dut="qc_replay",
        sources=[RTL / "qc_replay.v"],
        parameters={"WIDTH": width, "WORDS": words, "STEPS": steps, "REPEAT": repeat},
        inputs={"s_axis": width},
        outputs={"m_axis": width},
        build_dir=tmp_path,
    )
    x = random_words(np.random.default_rng(width), width, 6, 3, words, steps)  # 3 blocks a frame
    y = np.repeat(x.transpose(0, 1, 3, 2)[:, :, None], repeat, axis=2)
    given, wanted = {"s_axis": one_a_beat(x, width)}, {"m_axis": one_a_beat(y, width)}
    free = check_stalls(bench, given, wanted)
    block = words * steps
    assert free.frame_starts["m_axis"][0] - free.frame_starts["s_axis"][0] == block - 1 + 3
    check_resets(bench, given, wanted, (block // 2 + 1, block * repeat + 2), sink_stall=0.3)
    check_full_rate(bench, given, wanted, repeat=2, busy="m_axis")
    if block * repeat > 2:  # else the output stages empty a whole block
        shut = run_shut(bench, given, wanted, watchdog=300)
        assert shut.accepted["s_axis"] == 2 * block
