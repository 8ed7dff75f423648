"""qc_fork in simulation: every output gets every beat, at its own pace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Bench
from qcompiler.resources import RTL
from tests.rtl.benches import check_resets, check_stalls, one_a_beat, random_words, run_shut


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
    x = one_a_beat(random_words(rng, width, 5, 23), width)
    given, wanted = {"s_axis": x}, dict.fromkeys(names, x)
    check_stalls(bench, given, wanted)
    bench.check(given, wanted, sink_stall={names[-1]: 0.9}, seed=5)
    check_resets(bench, given, wanted, [61], sink_stall=0.6)

    # Outputs take a beat each in its own time: waiting for all to be ready at once takes forever.
    slow = bench.check(given, wanted, sink_stall=0.7, seed=6)
    assert slow.cycles < 20 * len(x)

    full = bench.check(given, wanted, repeat=4)
    assert full.streams["s_axis"].blocked == 0
    for name in names:
        assert full.frame_ends[name] == full.frame_ends["s_axis"]

    for slow in names:
        stuck = run_shut(bench, given, wanted, sink_stall={slow: 1.0}, watchdog=100)
        assert stuck.accepted["s_axis"] == 0
        assert all(stuck.accepted[name] == (name != slow) for name in names)
