"""qc_fork in simulation: every output gets every beat, at its own pace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.resources import RTL

STALLS = [(0.0, 0.0), (0.9, 0.0), (0.0, 0.9), (0.5, 0.5)]


@pytest.mark.sim
@pytest.mark.parametrize(("width", "n"), [(7, 1), (12, 2), (1, 5)])
def test_each_output_gets_each_beat(width: int, n: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(n)
    names = [f"m_axis[{i}]" for i in range(n)]
    bench = Bench.build(
        dut="qc_fork",
        sources=[RTL / "qc_fork.v"],
        parameters={"WIDTH": width, "N": n},
        inputs={"s_axis": width},
        outputs=dict.fromkeys(names, width),
        build_dir=tmp_path,
    )
    values = rng.integers(0, 1 << width, (5, 23, 1))
    values[1], values[2] = 0, (1 << width) - 1
    x = Beats.from_frames(values, width)
    given, wanted = {"s_axis": x}, dict.fromkeys(names, x)
    for seed, (source, sink) in enumerate(STALLS):
        bench.check(given, wanted, source_stall=source, sink_stall=sink, seed=seed)
    bench.check(given, wanted, sink_stall={names[-1]: 0.9}, seed=5)
    bench.check(given, wanted, sink_stall=0.6, reset_at=61)

    # Outputs take a beat each in its own time: waiting for all to be ready at once takes forever.
    slow = bench.check(given, wanted, sink_stall=0.7, seed=6)
    assert slow.cycles < 20 * len(x)

    full = bench.check(given, wanted, repeat=4)
    assert full.streams["s_axis"].blocked == 0
    for name in names:
        assert full.frame_ends[name] == full.frame_ends["s_axis"]

    for slow in names:
        stuck = bench.run(given, wanted, sink_stall={slow: 1.0}, watchdog=100, expect_hang=True)
        assert stuck.ok, stuck.explain()
        assert stuck.accepted["s_axis"] == 0
        assert all(stuck.accepted[name] == (name != slow) for name in names)
