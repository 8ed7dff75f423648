"""qc_upsize in simulation: narrow beats gathered, the first in the low bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.resources import RTL

STALLS = [(0.0, 0.0), (0.9, 0.0), (0.0, 0.9), (0.5, 0.5)]


@pytest.mark.sim
@pytest.mark.parametrize(("width", "ratio"), [(8, 2), (5, 3), (1, 7)])
def test_values_and_rate(width: int, ratio: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(ratio)
    bench = Bench.build(
        dut="qc_upsize",
        sources=[RTL / "qc_upsize.v"],
        parameters={"WIDTH": width, "RATIO": ratio},
        inputs={"s_axis": width},
        outputs={"m_axis": ratio * width},
        build_dir=tmp_path,
    )
    values = rng.integers(0, 1 << width, (6, 11, ratio))
    values[1], values[2] = 0, (1 << width) - 1
    wide = Beats.from_frames(values, width)
    narrow = Beats.from_frames(values.reshape(6, 11 * ratio, 1), width)
    given, wanted = {"s_axis": narrow}, {"m_axis": wide}
    for seed, (source, sink) in enumerate(STALLS):
        bench.check(given, wanted, source_stall=source, sink_stall=sink, seed=seed)
    for reset_at in (50, 51, 52):  # at different parts of a beat
        bench.check(given, wanted, sink_stall=0.3, reset_at=reset_at)

    full = bench.check(given, wanted, repeat=4)
    cycles = full.frame_ends["m_axis"][-1] - full.frame_starts["s_axis"][0] + 1
    assert cycles <= 4 * len(narrow) + 1
