"""qc_global_sum against the sum of plain integers over all pixels of a frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.resources import RTL
from tests.rtl.benches import check_resets, check_stalls, code_range, run_shut

pytestmark = pytest.mark.sim


@pytest.mark.parametrize(
    ("lanes", "bits", "signed", "words", "pixels", "out_bits"),
    [
        (2, 4, True, 3, 16, 8),  # the tightest OUT_BITS
        (3, 5, False, 1, 49, 11),
        (1, 8, True, 5, 1, 8),
        (1, 6, True, 7, 5, 14),  # wider than needed: sign bits
    ],
)
def test_sum_over_frame(
    lanes: int, bits: int, signed: bool, words: int, pixels: int, out_bits: int, tmp_path: Path
) -> None:
    bench = Bench.build(
        dut="qc_global_sum",
        sources=[RTL / "qc_global_sum.v"],
        parameters={
            "LANES": lanes,
            "IN_BITS": bits,
            "SIGNED": int(signed),
            "WORDS": words,
            "PIXELS": pixels,
            "OUT_BITS": out_bits,
        },
        inputs={"s_axis": lanes * bits},
        outputs={"m_axis": lanes * out_bits},
        build_dir=tmp_path,
    )
    low, high = code_range(bits, signed)
    rng = np.random.default_rng(bits * 100 + pixels)
    values = rng.integers(low, high + 1, (30, pixels, words, lanes))
    values[0], values[1] = low, high
    values[2] = rng.choice([low, high], values[2].shape)
    x = Beats.from_frames(values.reshape(30, pixels * words, lanes), bits)
    y = Beats.from_frames(values.sum(axis=1), out_bits)
    given, wanted = {"s_axis": x}, {"m_axis": y}
    r = check_stalls(bench, given, wanted)
    check_resets(bench, given, wanted, (words + 1, 30), sink_stall=0.3)
    assert set(np.diff(r.frame_ends["m_axis"])) == {pixels * words}  # full rate
    assert r.frame_ends["m_axis"][0] - r.frame_ends["s_axis"][0] == 1
    # With the sink shut, one sum waits and input stops at the next beat of a last pixel.
    shut = run_shut(bench, given, wanted, watchdog=300)
    assert shut.accepted["s_axis"] == (2 * pixels - 1 if words == 1 else (pixels - 1) * words + 1)
