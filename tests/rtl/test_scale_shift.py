"""qc_scale_shift in simulation, against Python integers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.hardware.scale_shift import ScaleShiftUnit
from qcompiler.resources import RTL
from tests.rtl.benches import check_resets, check_stalls, code_range


@dataclass(frozen=True)
class Case:
    channels: int
    lanes: int
    in_bits: int
    in_signed: bool
    m_lo: int
    m_hi: int
    r_bits: int  # offsets are drawn below ±2**r_bits
    n: int
    lo: int
    hi: int
    out_bits: int

    @property
    def in_range(self) -> tuple[int, int]:
        return code_range(self.in_bits, self.in_signed)

    def constants(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        m = rng.integers(self.m_lo, self.m_hi + 1, self.channels)
        m[0], m[-1] = self.m_lo, self.m_hi
        r = [int(v * 2**self.r_bits) for v in rng.uniform(-1, 1, self.channels)]
        r[-1] = (1 << self.n) >> 1
        return m, np.array(r, dtype=object)


CASES = {
    "relu_8_bits": Case(16, 4, 20, True, 40000, 131071, 26, 24, 0, 255, 8),
    "signed_codes_negative_m": Case(12, 3, 16, True, -30000, 30000, 24, 21, -127, 127, 8),
    "unsigned_one_word": Case(5, 5, 12, False, 1, 262143, 20, 17, 0, 63, 6),
    "no_shift": Case(6, 2, 6, True, -2, 3, 5, 0, -100, 90, 8),
    "wide_offsets": Case(4, 2, 9, True, -5, 5, 70, 60, -512, 511, 10),
    "shift_beyond_the_sum": Case(3, 1, 4, True, -3, 3, 4, 40, -8, 7, 4),
    "one_constant": Case(2, 2, 8, False, 1, 1, 0, 0, 3, 200, 8),
    "sixteen_bits_out": Case(8, 2, 28, True, -131072, 131071, 40, 29, -32768, 32767, 16),
}


def verify(case: Case, folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    m, r = case.constants(rng)
    unit = ScaleShiftUnit.build(
        "scale",
        m=m,
        r=r,
        n=case.n,
        lo=case.lo,
        hi=case.hi,
        in_bits=case.in_bits,
        in_signed=case.in_signed,
        out_bits=case.out_bits,
        lanes=case.lanes,
    )
    bench = Bench.build(
        dut="qc_scale_shift",
        sources=[RTL / "qc_scale_shift.v"],
        parameters=unit.parameters(),
        inputs={"s_axis": case.lanes * case.in_bits},
        outputs={"m_axis": case.lanes * case.out_bits},
        files=unit.memories(),
        build_dir=folder / "sim",
    )
    lo, hi = case.in_range
    x = rng.integers(lo, hi + 1, (4, 20, case.channels))
    x[1], x[2, ::2], x[2, 1::2] = lo, hi, lo
    # Inputs whose product is small, so that not everything is clamped.
    x[3] = np.clip(rng.integers(-40, 41, x[3].shape), lo, hi)
    y = np.clip((x.astype(object) * m.astype(object) + r) >> case.n, case.lo, case.hi)
    frames = len(x)
    given = {"s_axis": Beats.from_frames(x.reshape(frames, -1, case.lanes), case.in_bits)}
    wanted = {
        "m_axis": Beats.from_frames(
            y.astype(np.int64).reshape(frames, -1, case.lanes), case.out_bits
        )
    }
    beats = len(given["s_axis"])
    check_stalls(bench, given, wanted, seed=seed)
    check_resets(bench, given, wanted, (beats // 3 + 9, beats // 2 + 8), sink_stall=0.4)
    full = bench.check(given, wanted, repeat=5)
    assert full.streams["s_axis"].blocked == 0
    assert full.cycles <= 5 * beats + 104


@pytest.mark.sim
@pytest.mark.parametrize("name", CASES)
def test_exact_at_every_stall(name: str, tmp_path: Path) -> None:
    verify(CASES[name], tmp_path, seed=3)


def random_case(rng: np.random.Generator) -> Case:
    lanes, words, n = (int(v) for v in rng.integers([1, 1, 0], [6, 6, 30]))
    m = sorted(int(v) for v in rng.integers(-(1 << 17), 1 << 17, 2) >> int(rng.integers(18)))
    out_bits, signed = int(rng.integers(1, 17)), bool(rng.integers(2))
    low = -(1 << (out_bits - 1)) if signed else 0
    lo, hi = sorted(int(v) for v in rng.integers(low, low + (1 << out_bits), 2))
    return Case(
        lanes * words, lanes, int(rng.integers(1, 30)), bool(rng.integers(2)), m[0], m[1],
        int(rng.integers(50)), n, lo, hi, out_bits,
    )  # fmt: skip


@pytest.mark.sim
@pytest.mark.long
@pytest.mark.parametrize("seed", range(30))
def test_random_parameters(seed: int, tmp_path: Path) -> None:
    verify(random_case(np.random.default_rng(3000 + seed)), tmp_path, seed)
