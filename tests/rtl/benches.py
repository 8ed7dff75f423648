"""What the benches of single modules share: values, stall patterns, resets, full rate, hangs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from qcompiler.flows.bench import Beats, Bench, BenchResult

Values = npt.NDArray[np.int64]
Streams = Mapping[str, Beats]

STALLS = [(0.0, 0.0), (0.9, 0.0), (0.0, 0.9), (0.5, 0.5)]  # of all sources, of all sinks


def code_range(bits: int, signed: int) -> tuple[int, int]:
    """The least and the largest number of ``bits`` bits."""
    low = -(1 << (bits - 1)) if signed else 0
    return low, low + (1 << bits) - 1


def random_words(rng: np.random.Generator, width: int, *shape: int) -> Values:
    """Words [frames, …] of ``width`` bits; frame 1 is all zeros, frame 2 all ones."""
    words = rng.integers(0, 1 << width, shape)
    words[1], words[2] = 0, (1 << width) - 1
    return words


def one_a_beat(words: Values, width: int) -> Beats:
    """A beat for each word of [frames, …]."""
    return Beats.from_frames(words.reshape(len(words), -1, 1), width)


def check_stalls(bench: Bench, given: Streams, wanted: Streams, *, seed: int = 0) -> BenchResult:
    """Every stall pattern, each with a seed of its own; the result is that without stalls."""
    runs = [
        bench.check(given, wanted, source_stall=source, sink_stall=sink, seed=seed + number)
        for number, (source, sink) in enumerate(STALLS)
    ]
    return runs[STALLS.index((0.0, 0.0))]


def check_resets(
    bench: Bench,
    given: Streams,
    wanted: Streams,
    cycles: Iterable[int],
    *,
    sink_stall: float = 0.0,
) -> None:
    """A second reset at each of the cycles, in a run of its own: all must start over."""
    for cycle in cycles:
        bench.check(given, wanted, sink_stall=sink_stall, reset_at=cycle, seed=cycle)


def check_full_rate(
    bench: Bench, given: Streams, wanted: Streams, *, repeat: int, busy: str
) -> None:
    """Stream ``busy`` moves a beat in every cycle, from the first frame to the last."""
    full = bench.check(given, wanted, repeat=repeat)
    cycles = full.frame_ends[busy][-1] - full.frame_starts[busy][0] + 1
    assert cycles == repeat * len({**given, **wanted}[busy])


def run_shut(
    bench: Bench,
    given: Streams,
    wanted: Streams,
    *,
    sink_stall: float | Mapping[str, float] = 1.0,
    watchdog: int,
) -> BenchResult:
    """A run in which sinks never take a beat: it must hang, with nothing else wrong."""
    shut = bench.run(given, wanted, sink_stall=sink_stall, watchdog=watchdog, expect_hang=True)
    assert shut.ok, shut.explain()
    return shut
