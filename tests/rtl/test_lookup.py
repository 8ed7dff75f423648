"""qc_lookup in simulation: every code of a random table, at every lane."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.hardware.lookup import LookupUnit
from qcompiler.ir import hardware as hw
from qcompiler.ir.types import IntType
from qcompiler.resources import RTL
from tests.rtl.benches import check_resets, check_stalls

CASES = {
    "signed": (IntType(-8, 7), IntType(-31, 31), 3),
    "codes_that_leave_entries_unused": (IntType(-5, 9), IntType(0, 2), 2),
    "above_zero": (IntType(3, 12), IntType(-4, -1), 1),
    "one_bit": (IntType(0, 1), IntType(-1, 0), 4),
    "twelve_bits": (IntType(0, 4095), IntType(0, 255), 1),
}


@pytest.mark.sim
@pytest.mark.parametrize("name", CASES)
def test_every_code(name: str, tmp_path: Path) -> None:
    x, y, lanes = CASES[name]
    rng = np.random.default_rng(len(name))
    count = x.hi - x.lo + 1
    table = rng.integers(y.lo, y.hi + 1, count)
    unit = LookupUnit("t", hw.Lookup("t", table, y, lanes=lanes), x)
    bench = Bench.build(
        dut="qc_lookup",
        sources=[RTL / "qc_lookup.v"],
        parameters=unit.parameters(),
        inputs={"s_axis": lanes * x.bits},
        outputs={"m_axis": lanes * y.bits},
        build_dir=tmp_path,
        files=unit.memories(),
    )
    every = np.stack([rng.permutation(count) for _ in range(3 * lanes)])
    codes = every.reshape(3, -1, lanes) + x.lo
    given = {"s_axis": Beats.from_frames(codes, x.bits)}
    wanted = {"m_axis": Beats.from_frames(table[codes - x.lo], y.bits)}
    check_stalls(bench, given, wanted)
    check_resets(bench, given, wanted, [7], sink_stall=0.4)

    full = bench.check(given, wanted, repeat=3)
    assert full.streams["s_axis"].blocked == 0
    assert full.frame_ends["m_axis"][-1] - full.frame_ends["s_axis"][-1] == 1
