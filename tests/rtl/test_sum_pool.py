"""qc_sum_pool against the sum of plain integers."""

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
    ("lanes", "bits", "signed", "count", "out_bits"),
    [
        (3, 4, True, 4, 6),  # the tightest OUT_BITS
        (2, 5, False, 9, 9),
        (1, 3, False, 1, 7),
        (3, 6, True, 5, 13),  # wider than needed: sign bits
    ],
)
def test_sum(
    lanes: int, bits: int, signed: bool, count: int, out_bits: int, tmp_path: Path
) -> None:
    bench = Bench.build(
        dut="qc_sum_pool",
        sources=[RTL / "qc_sum_pool.v"],
        parameters={
            "LANES": lanes,
            "IN_BITS": bits,
            "SIGNED": int(signed),
            "COUNT": count,
            "OUT_BITS": out_bits,
        },
        inputs={"s_axis": lanes * bits},
        outputs={"m_axis": lanes * out_bits},
        build_dir=tmp_path,
    )
    low, high = code_range(bits, signed)
    rng = np.random.default_rng(bits * 100 + count)
    values = rng.integers(low, high + 1, (40, POOLS, count, lanes))
    values[0], values[1] = low, high
    values[2] = rng.choice([low, high], values[2].shape)
    x = Beats.from_frames(values.reshape(40, POOLS * count, lanes), bits)
    y = Beats.from_frames(values.sum(axis=2), out_bits)
    given, wanted = {"s_axis": x}, {"m_axis": y}
    r = check_stalls(bench, given, wanted)
    check_resets(bench, given, wanted, (count + 1, 30), sink_stall=0.3)
    assert set(np.diff(r.frame_ends["m_axis"])) == {POOLS * count}  # full rate
    assert r.frame_ends["m_axis"][0] - r.frame_ends["s_axis"][0] == 1
