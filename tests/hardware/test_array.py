"""Planning and memory packing of the bit-serial array; its arithmetic is simulated in tests/rtl."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.errors import GraphError
from qcompiler.estimate.memory import block_rom
from qcompiler.hardware.array import ArrayUnit


def unit(
    signs: tuple[int, ...],
    exps: tuple[int, ...],
    slots: int,
    shape: tuple[int, int, int, int] = (4, 1, 2, 4),
    groups: int = 1,
    bits: np.ndarray | None = None,
) -> ArrayUnit:
    if bits is None:
        bits = np.random.default_rng(0).integers(0, 2, (len(signs), *shape), np.uint8)
    return ArrayUnit.build(
        "conv",
        planes_sign=signs,
        planes_exp=exps,
        bits=bits,
        groups=groups,
        pe=2,
        simd=2,
        planes_per_cycle=slots,
        act_bits=4,
        act_signed=False,
        acc_bits=16,
    )


def test_rom_holds_every_bit_at_its_place() -> None:
    u = unit((-1, 1, 1), (2, 1, 0), slots=2, shape=(8, 3, 2, 4), groups=2)
    assert (u.folds, u.cfolds, u.kbeats, u.repeat) == (2, 2, 12, 4)
    assert (u.rom_depth, u.rom_width) == (2 * 2 * 2 * 12, 8)
    words = iter(u.rom_words)
    for group in range(2):
        for cfold in range(2):
            for fold in range(2):
                for kh, kw, word in np.ndindex(3, 2, 2):
                    value = next(words)
                    for pe, lane, slot in np.ndindex(2, 2, 2):
                        plane, channel = fold * 2 + slot, (group * 2 + cfold) * 2 + pe
                        want = 0
                        if plane < 3:
                            want = u.planes[plane, channel, kh, kw, word * 2 + lane]
                        assert value >> ((pe * 2 + lane) * 2 + slot) & 1 == want


@pytest.mark.parametrize(("channels", "asked"), [(1, False), (16, True)])
def test_a_rom_asks_for_block_ram_where_the_estimate_counts_on_it(
    channels: int, asked: bool
) -> None:
    u = unit((1,), (0,), slots=1, shape=(16, 3, 3, 8 * channels))
    assert block_rom(u.rom_width, u.rom_depth) == asked
    assert ('(* rom_style = "block" *) reg [3:0] rom [' in u.verilog()) == asked


def test_memory_text_has_one_word_a_line() -> None:
    u = unit((1,), (0,), slots=3)
    (text,) = u.memories().values()
    lines = text.splitlines()
    assert list(u.memories()) == ["mem/conv_weights.hex"]
    assert [int(line, 16) for line in lines] == list(u.rom_words)
    assert {len(line) for line in lines} == {3}


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    ("signs", "exps"),
    [
        ((-1, 1, 1, 1), (3, 2, 1, 0)),
        ((-1,), (2,)),
        ((1, -1, 1, -1, 1, -1), (5, 5, 3, 3, 0, 0)),
        ((-1, 1, -1, -1, 1), (9, 7, 6, 2, 1)),
    ],
)
def test_plan_gives_the_weighted_sum(
    signs: tuple[int, ...], exps: tuple[int, ...], slots: int
) -> None:
    """The plan, played with integers, is the sum over planes of sign * 2**exp * plane."""
    u = unit(signs, exps, slots)
    sums = [int(v) for v in np.random.default_rng(1).integers(0, 31, len(signs))]
    acc = -u.starts_from
    for fold in range(u.folds):
        if fold:
            step = u.boundaries[fold - 1]
            acc = ~acc if step.invert else acc
            acc = (acc << step.shift) + step.fill * ((1 << step.shift) - 1)
        leaves = sums[fold * slots : fold * slots + slots]
        values = {u._leaf(s).ref: v for s, v in enumerate(leaves + [0] * (slots - len(leaves)))}
        for m in u.merges:
            left = values[m.left.ref]
            if m.right is not None:
                shift, subtract = m.steps[fold]
                left = values[m.right.ref] + (-1 if subtract else 1) * (left << shift)
            values[m.out.ref] = left
            assert m.out.lo <= left <= m.out.hi
        acc += (-1 if u.subtract else 1) * values[u.term.ref]
    want = sum(s * 2**e * v for s, e, v in zip(signs, exps, sums, strict=True))
    assert acc * 2.0**u.base == want


@pytest.mark.parametrize("slots", [1, 2, 4, 8])
def test_two_s_complement_needs_no_table_of_shifts(slots: int) -> None:
    u = unit((-1,) + (1,) * 7, tuple(range(7, -1, -1)), slots)
    assert all(len(m.shifts) == 1 for m in u.merges)
    assert {b.shift for b in u.boundaries} <= {slots}
    assert u.base == 0


def test_gaps_between_folds_become_distinct_steps() -> None:
    u = unit((1, 1, 1, 1), (9, 8, 4, 0), slots=1)
    assert [b.shift for b in u.boundaries] == [1, 4, 4]
    assert len(u.steps) == 2 and u.op_bits == 2


def test_no_live_plane_is_one_plane_of_zeros() -> None:
    u = unit((), (), slots=1, bits=np.zeros((0, 4, 1, 2, 4), np.uint8))
    assert (u.folds, set(u.rom_words)) == (1, {0})


def test_verilog_is_reproducible_and_names_its_module() -> None:
    u = unit((-1, 1, 1), (5, 1, 0), slots=2)
    text = u.verilog()
    assert text == unit((-1, 1, 1), (5, 1, 0), slots=2).verilog()
    assert "module conv (" in text and '"mem/conv_weights.hex"' in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"planes_exp": (0, 1)}, "conv: exponents must fall"),
        ({"planes_sign": (1, 2)}, "plane signs must be 1 or -1"),
        ({"pe": 3}, r"4 channels in 1 groups of 4 inputs do not fold to 3 × 2"),
        ({"simd": 3}, "do not fold to 2 × 3"),
        ({"planes_sign": (1,)}, "P = 1 signs and 2 exponents"),
        ({"acc_bits": 0}, "0 accumulator bits"),
    ],
)
def test_wrong_shapes_are_refused(change: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {
        "planes_sign": (-1, 1),
        "planes_exp": (1, 0),
        "bits": np.ones((2, 4, 1, 1, 4), np.uint8),
        "groups": 1,
        "pe": 2,
        "simd": 2,
        "planes_per_cycle": 1,
        "act_bits": 4,
        "act_signed": True,
        "acc_bits": 12,
    }
    with pytest.raises(GraphError, match=message):
        ArrayUnit.build("conv", **(arguments | change))  # type: ignore[arg-type]
