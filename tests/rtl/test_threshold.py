"""The threshold units in simulation, against counting by comparison with every threshold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.hardware.threshold import ThresholdUnit
from qcompiler.hardware.threshold_serial import SerialThresholdUnit
from qcompiler.resources import RTL
from tests.rtl.benches import check_resets, check_stalls


@dataclass(frozen=True)
class Case:
    """``table``: "count" from ``lo`` up, "common" for all channels, or "own" for each."""

    channels: int
    count: int
    lanes: int
    in_lo: int
    in_hi: int
    in_bits: int
    out_bits: int
    table: str
    lo: int = 0

    def steps(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Thresholds with equal ones, some below the least x and some above the largest."""
        shape = (self.channels, self.count)
        margin = max((self.in_hi - self.in_lo) // 8, 2)
        thresholds = np.sort(
            rng.integers(self.in_lo - margin, self.in_hi + margin, shape, endpoint=True), axis=1
        ).astype(object)
        if self.count:
            thresholds[0, -1] = 1 << 80  # never, by far
            thresholds[-1] = np.minimum(thresholds[-1], self.in_hi + 1)
            thresholds[-1, -1] = self.in_hi + 1  # never, by one
            thresholds[self.channels // 2, 0] = -(1 << 80)
        if self.table == "count":
            row = np.arange(self.lo, self.lo + self.count + 1)
            return thresholds, np.tile(row, (self.channels, 1))
        rows = self.channels if self.table == "own" else 1
        low = -(1 << (self.out_bits - 1)) if self.lo < 0 else 0
        table = rng.integers(low, low + (1 << self.out_bits), (rows, self.count + 1))
        return thresholds, np.tile(table, (self.channels // rows, 1))

    def inputs(self, thresholds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """x [frames, pixels, channels]: random, the extremes, each threshold and its neighbours."""
        x = rng.integers(self.in_lo, self.in_hi + 1, (4, 20, self.channels))
        x[1], x[2, ::2], x[2, 1::2] = self.in_lo, self.in_hi, self.in_lo
        if self.count:
            for pixel in range(20):
                near = thresholds[:, rng.integers(self.count)] + int(rng.integers(-1, 2))
                x[3, pixel] = np.clip(near, self.in_lo, self.in_hi).astype(np.int64)
        return x


CASES = {
    "fifteen_no_table": Case(16, 15, 4, -3000, 3000, 13, 4, "count"),
    "full_range_widened": Case(12, 7, 4, -512, 511, 10, 3, "count", -4),
    "unsigned_own_tables": Case(6, 5, 2, 0, 255, 8, 4, "own"),
    "one_word_one_step": Case(3, 1, 3, 0, 900, 10, 1, "count"),
    "common_table_signed": Case(10, 11, 2, -1000, 999, 11, 5, "common", -1),
    "wider_codes": Case(4, 3, 1, 0, 15, 4, 6, "count", 7),
    "constant": Case(6, 0, 2, -8, 7, 4, 3, "count", 5),
    "constant_of_channel": Case(6, 0, 2, -8, 7, 4, 3, "own"),
    "one_channel_31": Case(1, 31, 1, -(1 << 23), (1 << 23) - 1, 24, 8, "own"),
}


def verify(
    case: Case, kind: type[ThresholdUnit | SerialThresholdUnit], folder: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    thresholds, table = case.steps(rng)
    unit = kind.build(
        "steps",
        thresholds=thresholds,
        table=table,
        in_bits=case.in_bits,
        in_signed=case.in_lo < 0,
        in_hi=case.in_hi,
        out_bits=case.out_bits,
        lanes=case.lanes,
    )
    (folder / "steps.v").write_text(unit.verilog())
    bench = Bench.build(
        dut="steps",
        sources=[RTL / "qc_threshold_stage.v", folder / "steps.v"],
        inputs={"s_axis": case.lanes * case.in_bits},
        outputs={"m_axis": case.lanes * case.out_bits},
        files=unit.memories(),
        build_dir=folder / "sim",
    )
    x = case.inputs(thresholds, rng)
    count = (x[..., None] >= thresholds).sum(-1).astype(np.int64)
    code = np.take_along_axis(np.broadcast_to(table, (*x.shape[:2], *table.shape)),
                              count[..., None], -1)[..., 0]  # fmt: skip
    frames = len(x)
    given = {"s_axis": Beats.from_frames(x.reshape(frames, -1, case.lanes), case.in_bits)}
    wanted = {"m_axis": Beats.from_frames(code.reshape(frames, -1, case.lanes), case.out_bits)}
    beats = len(given["s_axis"])
    check_stalls(bench, given, wanted, seed=seed)
    check_resets(bench, given, wanted, (beats // 3 + 9, beats // 2 + 8), sink_stall=0.4)
    full = bench.check(given, wanted, repeat=5)
    starts, ends = full.frame_starts, full.frame_ends
    assert starts["m_axis"][0] - starts["s_axis"][0] == unit.latency
    for stream in ("s_axis", "m_axis"):
        assert ends[stream][-1] - starts[stream][0] == (5 * beats - 1) * unit.interval


@pytest.mark.sim
@pytest.mark.parametrize("name", CASES)
def test_exact_at_every_stall(name: str, tmp_path: Path) -> None:
    verify(CASES[name], ThresholdUnit, tmp_path, seed=5)


@pytest.mark.sim
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.count])
def test_serial_is_exact_at_every_stall(name: str, tmp_path: Path) -> None:
    verify(CASES[name], SerialThresholdUnit, tmp_path, seed=5)


@pytest.mark.sim
@pytest.mark.parametrize("bits", range(1, 9))
def test_serial_of_every_width(bits: int, tmp_path: Path) -> None:
    """All thresholds in use, tables that rise and fall, two words of two lanes."""
    case = Case(4, (1 << bits) - 1, 2, -(1 << 11), (1 << 11) - 1, 12, bits, "own")
    verify(case, SerialThresholdUnit, tmp_path, seed=bits)


def random_case(rng: np.random.Generator) -> Case:
    lanes, words, count = (int(v) for v in rng.integers([1, 1, 0], [6, 6, 20]))
    in_bits, signed = int(rng.integers(1, 21)), bool(rng.integers(2))
    least = -(1 << (in_bits - 1)) if signed else 0
    largest = least + (1 << in_bits) - 1
    in_hi = largest - int(rng.integers(2)) * int(rng.integers(largest - least + 1))
    table = ["count", "common", "own"][int(rng.integers(3))]
    lo = int(rng.integers(-6, 7))
    out_bits = 7 + int(rng.integers(3))
    return Case(lanes * words, count, lanes, least, in_hi, in_bits, out_bits, table, lo)


@pytest.mark.sim
@pytest.mark.long
@pytest.mark.parametrize("seed", range(30))
def test_random_parameters(seed: int, tmp_path: Path) -> None:
    case = random_case(np.random.default_rng(2000 + seed))
    verify(case, SerialThresholdUnit if case.count and seed % 2 else ThresholdUnit, tmp_path, seed)
