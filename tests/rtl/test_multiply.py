"""qc_multiply in simulation, against numpy: a gate a frame, also the next one in time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.ir import hardware as hw
from qcompiler.ir.types import IntType
from qcompiler.resources import RTL
from tests.rtl.benches import check_full_rate, check_resets, check_stalls, run_shut

FRAMES = 7


@dataclass(frozen=True)
class Case:
    x: IntType
    gate: IntType
    x_zero: int
    gate_zero: int
    lanes: int
    words: int
    pixels: int

    def parameters(self) -> dict[str, int]:
        op = hw.Multiply("t", self.x_zero, self.gate_zero, lanes=self.lanes)
        p, q = op.operands(self.x, self.gate)
        return {
            "LANES": self.lanes,
            "A_BITS": self.x.bits,
            "A_SIGNED": int(self.x.signed),
            "A_ZERO": self.x_zero,
            "P_BITS": p.bits,
            "P_SIGNED": int(p.signed),
            "B_BITS": self.gate.bits,
            "B_SIGNED": int(self.gate.signed),
            "B_ZERO": self.gate_zero,
            "Q_BITS": q.bits,
            "Q_SIGNED": int(q.signed),
            "OUT_BITS": op.product(self.x, self.gate).bits,
            "WORDS": self.words,
            "PIXELS": self.pixels,
        }

    def frames(self) -> tuple[Any, Any, Any]:
        """x [frames, pixels, words, lanes], gate without pixels, products; ends meet in frame 0."""
        rng = np.random.default_rng(self.words + self.pixels)
        size = (FRAMES, self.pixels, self.words, self.lanes)
        x = rng.integers(self.x.lo, self.x.hi + 1, size)
        gate = rng.integers(self.gate.lo, self.gate.hi + 1, (FRAMES, 1, *size[2:]))
        for frame, ends in enumerate(np.ndindex(2, 2)):
            x[frame] = (self.x.lo, self.x.hi)[ends[0]]
            gate[frame] = (self.gate.lo, self.gate.hi)[ends[1]]
        return x, gate, (x - self.x_zero) * (gate - self.gate_zero)

    def bench(self, folder: Path) -> Bench:
        bits = self.parameters()
        return Bench.build(
            dut="qc_multiply",
            sources=[RTL / "qc_multiply.v"],
            parameters=bits,
            inputs={"a_axis": self.lanes * self.x.bits, "b_axis": self.lanes * self.gate.bits},
            outputs={"m_axis": self.lanes * bits["OUT_BITS"]},
            build_dir=folder,
        )

    def streams(self) -> tuple[dict[str, Beats], dict[str, Beats]]:
        x, gate, y = (v.reshape(FRAMES, -1, self.lanes) for v in self.frames())
        given = {
            "a_axis": Beats.from_frames(x, self.x.bits),
            "b_axis": Beats.from_frames(gate, self.gate.bits),
        }
        return given, {"m_axis": Beats.from_frames(y, self.parameters()["OUT_BITS"])}


U4, S4 = IntType(0, 15), IntType(-8, 7)
CASES = {
    "plain": Case(U4, IntType(0, 255), 0, 0, 2, 3, 16),
    "signed_by_unsigned": Case(S4, U4, 0, 0, 3, 2, 4),
    "both_signed": Case(S4, IntType(-16, 15), 0, 0, 1, 5, 9),
    "with_zeros": Case(U4, S4, 5, -3, 2, 4, 6),
    "zeros_that_narrow": Case(IntType(200, 207), IntType(-8, 0), 200, -8, 2, 2, 5),
    "zeros_beyond_the_codes": Case(U4, U4, 40, -90, 1, 2, 3),
    "one_word": Case(U4, U4, 0, 0, 4, 1, 8),
    "one_pixel": Case(U4, U4, 3, 0, 2, 4, 1),
    "one_beat": Case(S4, U4, 0, 1, 2, 1, 1),
}


@pytest.mark.sim
@pytest.mark.parametrize("name", CASES)
def test_exact_product(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    bench = case.bench(tmp_path)
    given, wanted = case.streams()
    check_stalls(bench, given, wanted)
    bench.check(given, wanted, source_stall={"a_axis": 0.9}, seed=5)
    bench.check(given, wanted, source_stall={"b_axis": 0.95}, sink_stall=0.3, seed=6)
    check_resets(bench, given, wanted, range(21, 21 + case.words), sink_stall=0.4)
    check_full_rate(bench, given, wanted, repeat=3, busy="m_axis")


@pytest.mark.sim
def test_one_gate_and_what_the_last_pixel_leaves(tmp_path: Path) -> None:
    """With the sink shut nothing but one gate is taken; two products wait."""
    case = CASES["plain"]
    bench = case.bench(tmp_path)
    shut = run_shut(bench, *case.streams(), watchdog=100)
    assert shut.accepted == {"a_axis": 2, "b_axis": case.words, "m_axis": 0}
