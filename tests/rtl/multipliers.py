"""Multiplier arrays to simulate, lint and synthesize: shapes, inputs, and exact results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qcompiler.flows.bench import Beats, Bench
from qcompiler.hardware.multiplier import MultiplierUnit
from qcompiler.ir.types import IntType
from tests.rtl.benches import code_range


@dataclass(frozen=True)
class Case:
    """``sets`` results of ``kbeats`` beats each; weights are drawn from ``weight``."""

    sets: int
    kbeats: int
    pe: int
    simd: int
    act: IntType
    weight: IntType
    partial: int | None = None

    def weights(self, rng: np.random.Generator) -> np.ndarray:
        """[sets, kbeats, pe, simd] with both ends of the range in it."""
        shape = (self.sets, self.kbeats, self.pe, self.simd)
        w = rng.integers(self.weight.lo, self.weight.hi + 1, shape)
        w.flat[0], w.flat[-1] = self.weight.lo, self.weight.hi
        return w

    def inputs(self, w: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Frames [5, rounds, sets, kbeats, simd]: random ones and the extremes."""
        lo, hi = self.act.lo, self.act.hi
        x = rng.integers(lo, hi + 1, (5, 2, self.sets, self.kbeats, self.simd))
        x[1], x[2] = lo, hi
        for turn in range(2):  # both ends of what some PE reaches
            row = w[:, :, rng.integers(self.pe)]
            x[3, turn] = np.where(row > 0, *((hi, lo) if turn else (lo, hi)))
        return x

    def unit(self, rng: np.random.Generator) -> MultiplierUnit:
        w = self.weights(rng)
        return MultiplierUnit.build(
            "array",
            weights=w,
            act=self.act,
            acc_bits=result_type(w, self.act).bits,
            partial_bits=self.partial,
        )


def result_type(w: np.ndarray, act: IntType) -> IntType:
    """What the sums over all beats and lanes of [sets, kbeats, pe, simd] can reach."""
    least = np.minimum(w * act.lo, w * act.hi).sum((1, 3))
    most = np.maximum(w * act.lo, w * act.hi).sum((1, 3))
    return IntType(int(least.min()), int(most.max()))


def bench_of(unit: MultiplierUnit, folder: Path) -> Bench:
    folder.mkdir(exist_ok=True)
    (folder / f"{unit.name}.v").write_text(unit.verilog())
    return Bench.build(
        dut=unit.name,
        sources=[folder / f"{unit.name}.v"],
        inputs={"s_axis": unit.simd * unit.plan.act.bits},
        outputs={"m_axis": unit.pe * unit.acc_bits},
        files=unit.memories(),
        build_dir=folder / "sim",
    )


def given(unit: MultiplierUnit, x: np.ndarray) -> dict[str, Beats]:
    """The input stream of [frames, rounds, sets, kbeats, simd]."""
    return {"s_axis": Beats.from_frames(x.reshape(len(x), -1, unit.simd), unit.plan.act.bits)}


def wanted(unit: MultiplierUnit, y: np.ndarray) -> dict[str, Beats]:
    """The output stream of results [frames, rounds, sets, pe]."""
    return {"m_axis": Beats.from_frames(y.reshape(len(y), -1, unit.pe), unit.acc_bits)}


def dots(unit: MultiplierUnit, x: np.ndarray) -> np.ndarray:
    """Exact results [frames, rounds, sets, pe] of inputs [frames, rounds, sets, kbeats, simd]."""
    return np.einsum("frskl,skpl->frsp", x, unit.weights)


def signed(bits: int) -> IntType:
    return IntType(*code_range(bits, True))


def unsigned(bits: int) -> IntType:
    return IntType(*code_range(bits, False))


def even(top: int) -> IntType:
    """-top … top."""
    return IntType(-top, top)


CASES = {
    "signed_8_bits": Case(6, 9, 2, 3, signed(8), signed(8)),
    "unsigned_odd_tree": Case(3, 4, 3, 5, unsigned(4), even(7)),
    "one_beat_a_result": Case(5, 1, 4, 7, unsigned(6), even(31)),
    "one_set": Case(1, 6, 2, 2, even(7), even(7)),
    "one_word": Case(1, 1, 3, 4, signed(8), even(127)),
    "one_bit": Case(4, 3, 2, 4, unsigned(1), IntType(-1, 0)),
    "twelve_bits": Case(2, 5, 1, 9, signed(12), signed(12)),
    "eighteen_bits": Case(2, 3, 2, 1, signed(18), signed(18)),
    "positive_weights": Case(3, 2, 2, 3, unsigned(5), IntType(0, 9)),
    "all_weights_zero": Case(2, 2, 2, 2, signed(4), IntType(0, 0)),
    "never_zero": Case(4, 3, 1, 3, IntType(3, 5), IntType(-9, -4)),
    "rom_in_blocks": Case(40, 9, 2, 3, unsigned(8), even(127)),
    "partial_spills": Case(3, 7, 2, 2, even(63), even(63), 16),
    "partial_one_lane": Case(2, 19, 3, 1, even(63), even(63), 16),
    "partial_every_beat": Case(3, 4, 2, 5, even(63), even(63), 16),
    "partial_chunks": Case(3, 3, 2, 11, even(63), even(63), 16),
    "partial_single_products": Case(2, 3, 1, 3, signed(8), signed(8), 16),
    "partial_holds_all": Case(2, 4, 2, 2, even(63), even(63), 16),
    "partial_one_beat": Case(3, 1, 2, 4, even(127), even(127), 16),
    "partial_unsigned": Case(2, 10, 2, 3, unsigned(4), even(100), 16),
}


def random_case(rng: np.random.Generator) -> Case:
    """Any shape, operands of 1 to 12 bits, full or partial sums."""
    sets, kbeats, pe, simd = (int(v) for v in rng.integers(1, [5, 12, 5, 12]))
    act_bits, weight_bits = (int(v) for v in rng.integers(1, 13, 2))
    act = signed(act_bits) if rng.integers(2) else unsigned(act_bits)
    weight = (
        signed(weight_bits)
        if weight_bits == 1 or rng.integers(2)
        else even((1 << weight_bits - 1) - 1)
    )
    fits = act.bits + weight.bits <= 14
    return Case(sets, kbeats, pe, simd, act, weight, 16 if fits and rng.integers(2) else None)
