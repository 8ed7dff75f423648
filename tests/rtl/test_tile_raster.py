"""qc_tile_raster against a reshaped and cropped array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Bench
from qcompiler.resources import RTL
from tests.rtl.benches import check_resets, check_stalls, one_a_beat, random_words, run_shut

pytestmark = pytest.mark.sim


@pytest.mark.parametrize(
    ("width", "h", "w", "m", "cfolds"),
    [
        (8, 4, 6, 2, 3),
        (5, 5, 7, 2, 1),
        (12, 9, 10, 4, 2),
        (3, 7, 5, 4, 3),
        (7, 1, 1, 4, 2),
        (4, 1, 1, 2, 1),
        (6, 3, 2, 1, 2),
        (9, 8, 3, 4, 1),
    ],
)
def test_raster(width: int, h: int, w: int, m: int, cfolds: int, tmp_path: Path) -> None:
    bench = Bench.build(
        dut="qc_tile_raster",
        sources=[RTL / "qc_tile_raster.v"],
        parameters={"WIDTH": width, "H": h, "W": w, "M": m, "CFOLDS": cfolds},
        inputs={"s_axis": width},
        outputs={"m_axis": width},
        build_dir=tmp_path,
    )
    rows, columns = -(-h // m), -(-w // m)
    x = random_words(np.random.default_rng(w), width, 6, rows, columns, cfolds, m, m)
    y = x.transpose(0, 1, 4, 2, 5, 3).reshape(6, rows * m, columns * m, cfolds)[:, :h, :w]
    given, wanted = {"s_axis": one_a_beat(x, width)}, {"m_axis": one_a_beat(y, width)}
    free = check_stalls(bench, given, wanted)
    block, kept = columns * cfolds * m * m, m * w * cfolds
    assert free.frame_starts["m_axis"][0] - free.frame_starts["s_axis"][0] == block - 1 + 3
    assert set(np.diff(free.frame_ends["s_axis"])) == {rows * block}  # never stalls
    check_resets(bench, given, wanted, (block // 2 + 1, rows * block + 2), sink_stall=0.3)
    if min(kept, w * cfolds) > 2:  # else the output stages empty a row of tiles
        shut = run_shut(bench, given, wanted, watchdog=300)
        assert shut.accepted["s_axis"] == 2 * block
