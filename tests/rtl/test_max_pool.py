"""qc_max_pool against the maximum of plain integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.resources import RTL
from tests.rtl.benches import check_resets, check_stalls, code_range

pytestmark = pytest.mark.sim

POOLS = 7  # of a frame


@pytest.mark.parametrize(
    ("lanes", "bits", "signed", "count"),
    [(3, 4, True, 4), (2, 5, False, 9), (1, 8, True, 1), (5, 1, True, 2)],
)
def test_maximum(lanes: int, bits: int, signed: bool, count: int, tmp_path: Path) -> None:
    bench = Bench.build(
        dut="qc_max_pool",
        sources=[RTL / "qc_max_pool.v"],
        parameters={"LANES": lanes, "BITS": bits, "SIGNED": int(signed), "COUNT": count},
        inputs={"s_axis": lanes * bits},
        outputs={"m_axis": lanes * bits},
        build_dir=tmp_path,
    )
    low, high = code_range(bits, signed)
    rng = np.random.default_rng(bits * 100 + count)
    values = rng.integers(low, high + 1, (40, POOLS, count, lanes))
    values[0], values[1] = low, high
    values[2] = rng.choice([low, high], values[2].shape)
    values[3] = np.clip(values[3], -2, 1)  # across zero
    values[4] = np.arange(count)[:, None] % 2 * (high - low) + low
    x = Beats.from_frames(values.reshape(40, POOLS * count, lanes), bits)
    y = Beats.from_frames(values.max(axis=2), bits)
    given, wanted = {"s_axis": x}, {"m_axis": y}
    r = check_stalls(bench, given, wanted)
    check_resets(bench, given, wanted, (count + 1, 30), sink_stall=0.3)
    assert set(np.diff(r.frame_ends["m_axis"])) == {POOLS * count}  # full rate
    assert r.frame_ends["m_axis"][0] - r.frame_ends["s_axis"][0] == 1
