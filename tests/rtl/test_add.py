"""qc_add in simulation, against Python integers; and no multiplier for small constants."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.flows.yosys import run_script
from qcompiler.resources import RTL
from tests.rtl.benches import check_resets, check_stalls, code_range


@dataclass(frozen=True)
class Case:
    LANES: int
    A_BITS: int
    A_SIGNED: int
    B_BITS: int
    B_SIGNED: int
    A_MUL: int
    B_MUL: int
    OUT_BITS: int


CASES = {
    "plain": Case(3, 8, 1, 8, 1, 1, 1, 9),
    "signs_differ": Case(2, 4, 0, 7, 1, -1, 3, 10),
    "shift_add_and_multiplier": Case(2, 8, 1, 5, 0, -13, -699049, 27),
    "both_negative": Case(2, 6, 1, 6, 1, -1, -1, 8),
    "three_digits": Case(1, 6, 0, 6, 1, -7, -4, 12),
    "seven_digits": Case(2, 6, 1, 6, 0, 83, -21, 14),
    "product_and_one": Case(1, 8, 1, 8, 0, -4, 1365, 20),
    "wide_operand": Case(2, 9, 1, 3, 0, -19, 37, 9),  # the low bits of the sum
}


@pytest.mark.sim
@pytest.mark.parametrize("name", CASES)
def test_exact_sum(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    rng = np.random.default_rng(1)
    bench = Bench.build(
        dut="qc_add",
        sources=[RTL / "qc_add.v"],
        parameters=asdict(case),
        inputs={"a_axis": case.LANES * case.A_BITS, "b_axis": case.LANES * case.B_BITS},
        outputs={"m_axis": case.LANES * case.OUT_BITS},
        build_dir=tmp_path,
    )
    (a_lo, a_hi), (b_lo, b_hi) = (
        code_range(case.A_BITS, case.A_SIGNED),
        code_range(case.B_BITS, case.B_SIGNED),
    )
    shape = (6, 29, case.LANES)
    a, b = rng.integers(a_lo, a_hi + 1, shape), rng.integers(b_lo, b_hi + 1, shape)
    for frame, (extreme_a, extreme_b) in enumerate(
        [(a_lo, b_lo), (a_lo, b_hi), (a_hi, b_lo), (a_hi, b_hi)]
    ):
        a[frame], b[frame] = extreme_a, extreme_b
    y = (case.A_MUL * a + case.B_MUL * b) & ((1 << case.OUT_BITS) - 1)
    given = {
        "a_axis": Beats.from_frames(a, case.A_BITS),
        "b_axis": Beats.from_frames(b, case.B_BITS),
    }
    wanted = {"m_axis": Beats.from_frames(y, case.OUT_BITS)}
    check_stalls(bench, given, wanted)
    bench.check(given, wanted, source_stall={"a_axis": 0.9}, seed=5)
    bench.check(given, wanted, source_stall={"b_axis": 0.9}, sink_stall=0.3, seed=6)
    check_resets(bench, given, wanted, [47], sink_stall=0.4)

    full = bench.check(given, wanted, repeat=3)
    assert full.streams["a_axis"].blocked == full.streams["b_axis"].blocked == 0
    assert full.frame_ends["m_axis"][-1] - full.frame_ends["a_axis"][-1] <= 3


@pytest.mark.synth
def test_small_constants_take_no_multiplier(tmp_path: Path) -> None:
    shutil.copy(RTL / "qc_add.v", tmp_path)
    script = "read_verilog qc_add.v\n"
    for number, (a, b) in enumerate([(1, 2), (3, 5), (13, 1)]):
        script += (
            "design -push-copy\n"
            f"chparam -set A_MUL {a} -set B_MUL {b} -set OUT_BITS 13 qc_add\n"
            "synth_ecp5 -run begin:map_luts -top qc_add\n"
            f"tee -q -o {number}.json stat -json\n"
            "design -pop\n"
        )
    run_script(script, cwd=tmp_path, folder="yosys")
    for number in range(3):
        design = json.loads((tmp_path / f"{number}.json").read_text())["design"]
        assert not [c for c in design["num_cells_by_type"] if "MULT" in c or "mul" in c]
