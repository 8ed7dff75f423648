"""qc_upsize in simulation: narrow beats gathered, the first in the low bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.resources import RTL
from tests.rtl.benches import check_resets, check_stalls, one_a_beat, random_words


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
    values = random_words(rng, width, 6, 11, ratio)
    wide = Beats.from_frames(values, width)
    narrow = one_a_beat(values, width)
    given, wanted = {"s_axis": narrow}, {"m_axis": wide}
    check_stalls(bench, given, wanted)
    # At different parts of a beat.
    check_resets(bench, given, wanted, (50, 51, 52), sink_stall=0.3)

    full = bench.check(given, wanted, repeat=4)
    cycles = full.frame_ends["m_axis"][-1] - full.frame_starts["s_axis"][0] + 1
    assert cycles <= 4 * len(narrow) + 1
