"""The bit-serial array in simulation, against integer dot products of the weights themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.hardware.array import ArrayUnit
from qcompiler.ir.planes import Planes, canonical, encode_folds
from tests.rtl.benches import check_resets, check_stalls, code_range

Encode = Callable[[np.ndarray], Planes]


def twos(*exps: int) -> Encode:
    """Two's complement with live bits at ``exps`` only; the highest has the weight -2^e."""

    def encode(w: np.ndarray) -> Planes:
        bits = np.stack([w >> e & 1 for e in exps]).astype(np.uint8)
        return Planes((-1,) + (1,) * (len(exps) - 1), exps, bits)

    return encode


def plain(sign: int, *exps: int) -> Encode:
    """Weights of one sign."""

    def encode(w: np.ndarray) -> Planes:
        bits = np.stack([sign * w >> e & 1 for e in exps]).astype(np.uint8)
        return Planes((sign,) * len(exps), exps, bits)

    return encode


def digits(*exps: int) -> Encode:
    """Sign and magnitude: a positive and a negative plane for each exponent."""

    def encode(w: np.ndarray) -> Planes:
        positive, negative = np.maximum(w, 0), np.maximum(-w, 0)
        bits = [half >> e & 1 for e in exps for half in (positive, negative)]
        twice = tuple(e for e in exps for _ in range(2))
        return Planes((1, -1) * len(exps), twice, np.stack(bits).astype(np.uint8))

    return encode


def nothing(w: np.ndarray) -> Planes:
    assert not w.any()
    return Planes((), (), np.zeros((0, *w.shape), np.uint8))


@dataclass(frozen=True)
class Case:
    """Weights are drawn from ``values``, shape [C_out, KH, KW, C_in / groups].

    With ``folds`` those of each output fold are drawn from values of their own and encoded apart.
    """

    shape: tuple[int, int, int, int]
    values: tuple[int, ...]
    encode: Encode
    pe: int
    simd: int
    slots: int
    act_bits: int
    act_signed: bool = False
    groups: int = 1
    folds: tuple[tuple[int, ...], ...] = ()
    lut_rom: bool = False

    def weights(self, rng: np.random.Generator) -> np.ndarray:
        if not self.folds:
            return rng.choice(np.array(self.values, np.int64), self.shape)
        shape = (self.groups, self.pe, *self.shape[1:])
        parts = [rng.choice(np.array(values, np.int64), shape) for values in self.folds]
        return np.stack(parts, axis=1).reshape(self.shape)

    def planes(self, w: np.ndarray) -> Sequence[Planes]:
        return encode_folds(w, self.groups, self.pe) if self.folds else [self.encode(w)]

    @property
    def act_range(self) -> tuple[int, int]:
        return code_range(self.act_bits, self.act_signed)

    def accumulator_bits(self, w: np.ndarray) -> int:
        """The least width that holds what these weights can reach."""
        lo, hi = self.act_range
        axes = (1, 2, 3)
        least = int(np.minimum(w * lo, w * hi).sum(axes).min())
        most = int(np.maximum(w * lo, w * hi).sum(axes).max())
        bits = 1
        while not (-(1 << (bits - 1)) <= least and most < 1 << (bits - 1 if least < 0 else bits)):
            bits += 1
        return bits

    def unit(self, w: np.ndarray) -> ArrayUnit:
        return ArrayUnit.build(
            "array",
            planes=self.planes(w),
            groups=self.groups,
            pe=self.pe,
            simd=self.simd,
            planes_per_cycle=self.slots,
            act_bits=self.act_bits,
            act_signed=self.act_signed,
            acc_bits=self.accumulator_bits(w),
            lut_rom=self.lut_rom,
        )

    def patches(self, w: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Inputs [frames, pixels, groups, KH, KW, C_in / groups]: random ones and the extremes."""
        lo, hi = self.act_range
        grouped = w.reshape(self.groups, -1, *self.shape[1:])
        out = rng.integers(lo, hi + 1, (5, 4, self.groups, *self.shape[1:]))
        out[1], out[2] = lo, hi
        for pixel in range(4):  # both ends of what some channel reaches
            row = grouped[:, rng.integers(grouped.shape[1])]
            out[3, pixel] = np.where(row > 0, *((hi, lo) if pixel % 2 else (lo, hi)))
        return out

    def beats(self, unit: ArrayUnit, w: np.ndarray, x: np.ndarray) -> tuple[Beats, Beats]:
        frames = len(x)
        stream = np.repeat(x[:, :, :, None], unit.repeat, axis=3)  # every step reads the window
        grouped = w.reshape(self.groups, -1, *self.shape[1:])
        y = np.einsum("fpghwi,gohwi->fpgo", x, grouped)
        assert y.max() < 1 << unit.acc_bits and y.min() >= -(1 << unit.acc_bits - 1)
        return (
            Beats.from_frames(stream.reshape(frames, -1, self.simd), self.act_bits),
            Beats.from_frames(y.reshape(frames, -1, self.pe), unit.acc_bits),
        )


RANGE4, BIT = tuple(range(-8, 8)), (0, 1)


def folded(
    inner: tuple[int, int, int], *folds: tuple[int, ...],
    pe: int, simd: int, slots: int, groups: int = 1, signed: bool = False,
) -> Case:  # fmt: skip
    """Output folds that draw from values of their own; ``inner`` is (KH, KW, C_in / groups)."""
    shape = (groups * len(folds) * pe, *inner)
    return Case(shape, (), nothing, pe, simd, slots, 4, signed, groups, folds)


CASES = {
    "two_s_complement": Case((4, 3, 3, 6), tuple(range(-8, 8)), twos(3, 2, 1, 0), 2, 3, 1, 4),
    "one_negative_plane": Case((1, 1, 1, 1), (0, -1), plain(-1, 0), 1, 1, 1, 4, True),
    "gaps_and_partial_fold": Case(
        (8, 1, 1, 10),
        tuple(w for w in range(-512, 512) if w & ~0b1001101010 & 0x3FF == 0),
        twos(9, 6, 5, 3, 1), 4, 5, 2, 8, True,
    ),
    "one_beat_a_result": Case((4, 1, 1, 7), tuple(range(-8, 8)), twos(3, 2, 1, 0), 4, 7, 4, 1),
    "groups_three_planes": Case(
        (8, 3, 3, 4), tuple(range(-128, 128)), twos(*range(7, -1, -1)), 2, 2, 3, 8, True, 2
    ),
    "weights_in_banks": Case((93, 3, 3, 12), RANGE4, twos(3, 2, 1, 0), 3, 12, 1, 2),
    "weights_in_luts": Case(
        (12, 3, 3, 12), RANGE4, twos(3, 2, 1, 0), 3, 12, 1, 2, lut_rom=True
    ),
    "signed_digits_mixed": Case(
        (6, 2, 1, 4), tuple(s * v for s in (1, -1) for v in (0, 1, 8, 9, 32, 33, 40, 41)),
        digits(5, 3, 0), 3, 4, 4, 3,
    ),
    "all_ones_16_bits": Case((4, 1, 2, 8), (-11,), plain(-1, 3, 1, 0), 2, 8, 1, 16),
    "no_live_plane": Case((4, 1, 1, 4), (0,), nothing, 2, 2, 1, 4, True),
    "depthwise": Case((3, 3, 3, 1), tuple(range(-7, 8)), digits(2, 1, 0), 1, 1, 1, 4, True, 3),
    "canonical_digits": Case(
        (4, 3, 1, 6), (0, 15, 60, -60, 28, -7, 240), canonical, 2, 3, 3, 5, True
    ),
    "folds_of_every_kind": folded(
        (2, 1, 4), RANGE4, BIT, (0, -1), (0,), (48, -32), (15, 0), (-12, -4), pe=2, simd=2, slots=1
    ),
    "folds_two_slots_groups": folded(
        (1, 2, 4), BIT, (0, -1), RANGE4, (0, 7, -56), (-128, 127, 3), pe=2, simd=4, slots=2,
        groups=2, signed=True,
    ),
    "folds_three_slots": folded(
        (3, 3, 2), (0,), (15, 0, 240), RANGE4, (0, 5), (-64, 8, 63), pe=1, simd=2, slots=3
    ),
    "folds_one_beat_a_step": folded(
        (1, 1, 3), (0, -1), RANGE4, BIT, (0,), (0, -2), pe=3, simd=3, slots=1, signed=True
    ),
    "folds_one_beat_a_result": folded(
        (1, 1, 5), (0, -1), BIT, (8, 0), (0,), (-6, 0), pe=2, simd=5, slots=4
    ),
    "folds_all_negative": folded((2, 1, 2), (0, -1), (-4, -6), (-20, 0), pe=2, simd=2, slots=1),
}  # fmt: skip


def verify(case: Case, folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    w = case.weights(rng)
    unit = case.unit(w)
    (folder / "array.v").write_text(unit.verilog())
    bench = Bench.build(
        dut="array",
        sources=[folder / "array.v"],
        inputs={"s_axis": case.simd * case.act_bits},
        outputs={"m_axis": case.pe * unit.acc_bits},
        files=unit.memories(),
        build_dir=folder / "sim",
    )
    x, y = case.beats(unit, w, case.patches(w, rng))
    given, wanted = {"s_axis": x}, {"m_axis": y}
    check_stalls(bench, given, wanted, seed=seed)
    # A sink slower than the array: only then do finished results pile up and stall the input.
    slow = 1.0 - 0.4 * unit.cfolds / (unit.kbeats * unit.repeat)
    choked = bench.check(given, wanted, sink_stall=slow, seed=seed)
    assert choked.streams["s_axis"].blocked > len(x) // 2
    check_resets(bench, given, wanted, (len(x) // 3 + 8, len(x) // 2 + 8), sink_stall=0.4)
    full = bench.check(given, wanted, repeat=5)
    assert full.streams["s_axis"].blocked == 0
    assert full.cycles <= 5 * len(x) + unit.depth + 100  # reset, and the bench winding down


@pytest.mark.sim
@pytest.mark.parametrize("name", CASES)
def test_exact_at_every_stall(name: str, tmp_path: Path) -> None:
    verify(CASES[name], tmp_path, seed=11)


def random_case(rng: np.random.Generator) -> Case:
    """Any shape, any list of exponents, any kind of signs."""
    pe, simd, groups = (int(v) for v in rng.integers(1, [6, 10, 4]))
    kernel = rng.integers(1, 4, 2)
    shape = (
        groups * pe * int(rng.integers(1, 4)), int(kernel[0]), int(kernel[1]),
        simd * int(rng.integers(1, 3)),
    )  # fmt: skip
    count = int(rng.integers(1, 7))
    exps = sorted((int(e) for e in rng.choice(10, count, replace=False)), reverse=True)
    mask = sum(1 << e for e in exps)
    magnitudes = [v for v in range(1 << 10) if v & ~mask == 0]
    kind = int(rng.integers(4))
    if kind == 0:
        top = 1 << exps[0]
        encode = twos(*exps)
        values = [v - 2 * top if v & top else v for v in magnitudes]
    elif kind == 1:
        encode, values = digits(*exps), [s * v for v in magnitudes for s in (1, -1)]
    else:
        sign = 1 if kind == 2 else -1
        encode, values = plain(sign, *exps), [sign * v for v in magnitudes]
    planes = count * (2 if kind == 1 else 1)
    return Case(
        shape, tuple(values), encode, pe, simd, int(rng.integers(1, planes + 2)),
        int(rng.integers(1, 17)), bool(rng.integers(2)), groups,
    )  # fmt: skip


@pytest.mark.sim
@pytest.mark.long
@pytest.mark.parametrize("seed", range(40))
def test_random_parameters(seed: int, tmp_path: Path) -> None:
    verify(random_case(np.random.default_rng(1000 + seed)), tmp_path, seed)
