"""The four passes of the Winograd transforms, each alone, against matrix products."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.flows.synth import check_rtl
from qcompiler.hardware.winograd_passes import InputPassUnit, OutputPassUnit
from qcompiler.ir.types import IntType
from qcompiler.ir.winograd import tile
from qcompiler.ir.winograd_passes import InputPass, OutputPass
from tests.rtl.benches import (
    check_full_rate,
    check_resets,
    check_stalls,
    code_range,
    run_shut,
)

Unit = InputPassUnit | OutputPassUnit


def build(unit: Unit, width_in: int, width_out: int, folder: Path) -> Bench:
    file = folder / f"{unit.name}.v"
    file.write_text(unit.verilog())
    check_rtl([file], unit.name, folder)
    return Bench.build(
        dut=unit.name,
        sources=[file],
        inputs={"s_axis": width_in},
        outputs={"m_axis": width_out},
        build_dir=folder / "sim",
    )


@dataclass(frozen=True)
class Input:
    m: int
    x: IntType
    inner: int
    lanes: int

    @property
    def plan(self) -> InputPass:
        matrix = tile(self.m).data
        ends = [sorted((v * self.x.lo, v * self.x.hi)) for row in matrix for v in row]
        rows = np.array(ends).reshape(len(matrix), -1, 2).sum(1)
        return InputPass(
            matrix, self.x, IntType(int(rows.min()), int(rows.max())), self.inner, self.lanes
        )


INPUTS = {
    "2_signed": Input(2, IntType(-63, 63), 1, 2),
    "2_unsigned": Input(2, IntType(0, 15), 4, 3),
    "2_one_bit": Input(2, IntType(0, 1), 3, 1),
    "2_never_zero": Input(2, IntType(3, 9), 2, 1),
    "4_signed": Input(4, IntType(-128, 127), 1, 3),
    "4_unsigned": Input(4, IntType(0, 255), 6, 1),
    "4_wide": Input(4, IntType(-630, 630), 5, 2),
}


@pytest.mark.sim
@pytest.mark.synth
@pytest.mark.parametrize("name", INPUTS)
def test_input_pass(name: str, tmp_path: Path) -> None:
    case, plan = INPUTS[name], INPUTS[name].plan
    unit, rng = InputPassUnit("pass", plan), np.random.default_rng(3)
    bench = build(unit, plan.lanes * plan.x.bits, plan.lanes * plan.y.bits, tmp_path)
    x = rng.integers(case.x.lo, case.x.hi + 1, (6, 3, plan.t, plan.inner, plan.lanes))
    x[1], x[2] = case.x.lo, case.x.hi
    matrix = np.array(plan.matrix)
    for k, row in enumerate(matrix[:3]):  # both ends of a row's sum
        x[3, k] = np.where(row > 0, case.x.hi, case.x.lo)[:, None, None]
        x[4, k] = np.where(row > 0, case.x.lo, case.x.hi)[:, None, None]
    y = np.einsum("ka,fbail->fbkil", matrix, x)
    assert plan.y.holds(y)
    given = {"s_axis": Beats.from_frames(x.reshape(6, -1, plan.lanes), plan.x.bits)}
    wanted = {"m_axis": Beats.from_frames(y.reshape(6, -1, plan.lanes), plan.y.bits)}
    verify(bench, given, wanted, plan.size, plan.size, plan.latency)


@dataclass(frozen=True)
class Output:
    m: int
    x_bits: int
    y_bits: int
    inner: int
    lanes: int
    divide: bool = False

    @property
    def plan(self) -> OutputPass:
        t = tile(self.m)
        divisor = t.odd**2 if self.divide else 1
        return OutputPass(
            t.folded, t.shifts, self.x_bits, self.y_bits, self.inner, self.lanes, divisor
        )


OUTPUTS = {
    "2_whole": Output(2, 12, 14, 1, 2),
    "2_modulo": Output(2, 12, 11, 3, 1),
    "2_many": Output(2, 9, 11, 10, 3),
    "4_whole": Output(4, 10, 17, 1, 2),
    "4_modulo": Output(4, 20, 17, 6, 1),
    "4_divides": Output(4, 20, 17, 4, 2, True),
    "4_divides_few": Output(4, 7, 4, 1, 1, True),
    "4_divides_many": Output(4, 30, 29, 3, 1, True),
}


@pytest.mark.sim
@pytest.mark.synth
@pytest.mark.parametrize("name", OUTPUTS)
def test_output_pass(name: str, tmp_path: Path) -> None:
    plan = OUTPUTS[name].plan
    unit, rng = OutputPassUnit("pass", plan), np.random.default_rng(3)
    bench = build(unit, plan.lanes * plan.x_bits, plan.lanes * plan.y_bits, tmp_path)
    low, high = code_range(plan.x_bits, True)
    x = rng.integers(low, high + 1, (6, 3, plan.t, plan.inner, plan.lanes))
    x[1], x[2] = low, high
    signs = np.array(plan.matrix)[:, :, None, None] > 0
    for k in range(min(plan.m, 3)):
        x[3, k], x[4, k] = np.where(signs[k], high, low), np.where(signs[k], low, high)
    sums = np.einsum("ka,fbail->fbkil", np.array(plan.matrix), x)
    if plan.divisor > 1:  # of multiples of 9, as the algorithm makes them
        shifted = (sums >> np.array(plan.shifts)[:, None, None]).astype(object)
        y = shifted * tile(4).inverse(plan.y_bits)
        assert not ((9 * y - shifted) % (1 << plan.y_bits)).any()
    else:
        y = (sums >> np.array(plan.shifts)[:, None, None]).astype(object)
    y = (y % (1 << plan.y_bits)).astype(np.int64)
    given = {"s_axis": Beats.from_frames(x.reshape(6, -1, plan.lanes), plan.x_bits)}
    wanted = {"m_axis": Beats.from_frames(y.reshape(6, -1, plan.lanes), plan.y_bits)}
    verify(bench, given, wanted, plan.t * plan.inner, plan.m * plan.inner, plan.latency)


def verify(
    bench: Bench,
    given: dict[str, Beats],
    wanted: dict[str, Beats],
    block: int,
    made: int,
    latency: int,
) -> None:
    """Stalls, resets, full rate, the latency, and how much goes in while nothing comes out."""
    free = check_stalls(bench, given, wanted)
    first = free.frame_starts["m_axis"][0] - free.frame_starts["s_axis"][0]
    assert first == block - 1 + latency
    check_resets(bench, given, wanted, (block // 2 + 1, 2 * block + 3), sink_stall=0.4)
    check_full_rate(bench, given, wanted, repeat=3, busy="s_axis")
    shut = run_shut(bench, given, wanted, watchdog=300)
    stages = latency - 1  # beats under way: those that left the memory, at most one block
    assert 2 * block <= shut.accepted["s_axis"] <= 2 * block + (stages + made) // made * block
