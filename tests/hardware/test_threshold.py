"""Memory packing of the threshold unit; its pipeline is simulated in tests/rtl."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.errors import GraphError
from qcompiler.hardware.threshold import ThresholdUnit


def unit(thresholds: np.ndarray, table: np.ndarray, **change: object) -> ThresholdUnit:
    arguments: dict[str, object] = {
        "in_bits": 8,
        "in_signed": True,
        "in_hi": 100,
        "out_bits": 4,
        "lanes": 2,
    }
    return ThresholdUnit.build("steps", thresholds=thresholds, table=table, **(arguments | change))  # type: ignore[arg-type]


def counting(channels: int, count: int, lo: int = 0) -> np.ndarray:
    return np.tile(np.arange(lo, lo + count + 1), (channels, 1))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 12, 15])
def test_search_through_the_memories_counts_thresholds(count: int) -> None:
    rng = np.random.default_rng(count)
    thresholds = np.sort(rng.integers(-140, 140, (6, count)), axis=1)
    u = unit(thresholds, counting(6, count))
    for channel in range(6):
        word, lane = divmod(channel, 2)
        for x in range(-128, 101):
            found = 0
            for stage in range(u.stages):
                rom = u.stage_words(stage, lane)
                assert len(rom) == 3 << stage
                found = 2 * found + int(x >= rom[(word << stage) + found])
            assert found == int((x >= thresholds[channel]).sum())


def test_the_comparison_is_widened_only_where_never_has_no_code() -> None:
    full = np.array([[-5, 0, 5]] * 2)
    assert unit(full, counting(2, 3)).x_bits == 8
    assert unit(full, counting(2, 3), in_hi=127).x_bits == 8  # all of the 2^B - 1 are in use
    assert unit(full[:, :2], counting(2, 2), in_hi=127).x_bits == 9
    assert unit(full[:, :2], counting(2, 2), in_hi=126).x_bits == 8
    never = np.array([[-5, 0, 1 << 90]] * 2, dtype=object)
    assert unit(never, counting(2, 3), in_hi=127).x_bits == 9
    assert unit(never, counting(2, 3)).thresholds[0] == (-5, 0, 101)


def test_a_table_that_counts_needs_no_rom() -> None:
    thresholds = np.array([[-5, 0, 5]] * 4)
    plain, offset = unit(thresholds, counting(4, 3)), unit(thresholds, counting(4, 3, -2))
    assert (plain.offset, plain.code_steps) == (0, 0)
    assert (offset.offset, offset.code_steps) == (-2, 1)
    assert set(plain.memories()) == {f"mem/steps_s{s}_l{i}.hex" for s in (0, 1) for i in (0, 1)}


def test_code_rom_by_channel_and_in_common() -> None:
    thresholds = np.array([[-5, 0]] * 4)
    table = np.array([[1, 2, 0], [3, 2, 1], [4, 4, 4], [7, 5, 6]])
    own, common = unit(thresholds, table), unit(thresholds, table[[0, 0, 0, 0]])
    assert own.code_words(1) == [3, 2, 1, 1, 7, 5, 6, 6]
    assert own.memories()["mem/steps_code_l0.hex"] == "1\n2\n0\n0\n4\n4\n4\n4\n"
    assert common.code_words(1) == [1, 2, 0, 0]


def test_no_thresholds_is_a_constant() -> None:
    none = np.zeros((4, 0), np.int64)
    same, own = unit(none, np.full((4, 1), 3)), unit(none, np.arange(4)[:, None])
    assert (same.stages, same.latency, same.memories()) == (0, 1, {})
    assert own.code_words(0) == [0, 2]


@pytest.mark.parametrize(
    ("thresholds", "table", "change", "message"),
    [
        (np.zeros((4, 2)), np.zeros((4, 2)), {}, "must be"),
        (np.zeros((3, 2)), np.zeros((3, 3)), {}, "multiple of 2 lanes"),
        (np.array([[2, 1]] * 2), np.zeros((2, 3)), {}, "must rise"),
        (np.zeros((2, 2)), np.full((2, 3), 16), {}, "do not fit in 4 bits"),
        (np.zeros((2, 2)), np.zeros((2, 3)), {"in_hi": 128}, "128 is no number of 8 bits"),
    ],
)
def test_wrong_tables_are_refused(
    thresholds: np.ndarray, table: np.ndarray, change: dict[str, object], message: str
) -> None:
    with pytest.raises(GraphError, match=message):
        unit(thresholds, table, **change)
