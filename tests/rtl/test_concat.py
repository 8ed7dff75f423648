"""qc_concat in simulation, against numpy.concatenate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.resources import RTL

STALLS = [(0.0, 0.0), (0.9, 0.0), (0.0, 0.9), (0.5, 0.5)]


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
    frames = 6
    a = rng.integers(0, 1 << width, (frames, pixels, a_words))
    b = rng.integers(0, 1 << width, (frames, pixels, b_words))
    a[1], a[2] = 0, (1 << width) - 1
    b[1], b[2] = (1 << width) - 1, 0
    y = np.concatenate([a, b], axis=2)
    given = {
        "a_axis": Beats.from_frames(a.reshape(frames, -1, 1), width),
        "b_axis": Beats.from_frames(b.reshape(frames, -1, 1), width),
    }
    wanted = {"m_axis": Beats.from_frames(y.reshape(frames, -1, 1), width)}
    for seed, (source, sink) in enumerate(STALLS):
        bench.check(given, wanted, source_stall=source, sink_stall=sink, seed=seed)
    bench.check(given, wanted, source_stall={"a_axis": 0.9}, seed=5)
    bench.check(given, wanted, source_stall={"b_axis": 0.9}, sink_stall=0.3, seed=6)
    for reset_at in (10, 11, 12, 13):
        bench.check(given, wanted, sink_stall=0.2, reset_at=reset_at)

    full = bench.check(given, wanted, repeat=3)
    starts, ends = full.frame_starts["m_axis"], full.frame_ends["m_axis"]
    assert ends[-1] - starts[0] + 1 == 3 * y.size
