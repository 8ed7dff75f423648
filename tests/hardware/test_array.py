"""Planning and memory packing of the bit-serial array; its arithmetic is simulated in tests/rtl."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qcompiler.errors import GraphError
from qcompiler.estimate.memory import block_rom
from qcompiler.hardware.array import ArrayUnit
from qcompiler.ir.plane_steps import Boundary, Start
from qcompiler.ir.planes import Planes, encode_folds


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
        planes=[Planes(signs, exps, bits)],
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
    assert (u.control.steps, u.cfolds, u.kbeats, u.repeat) == (2, 2, 12, 4)
    assert (u.rom_depth, u.rom_width) == (2 * 2 * 2 * 12, 8)
    words = iter(u.rom_words)
    for group in range(2):
        for cfold in range(2):
            for step in range(2):
                for kh, kw, word in np.ndindex(3, 2, 2):
                    value = next(words)
                    for pe, lane, slot in np.ndindex(2, 2, 2):
                        plane, channel = step * 2 + slot - 1, (group * 2 + cfold) * 2 + pe
                        want = 0
                        if plane >= 0:  # of three planes in two steps, the first slot is empty
                            want = u.planes[0].bits[plane, channel, kh, kw, word * 2 + lane]
                        assert value >> ((pe * 2 + lane) * 2 + slot) & 1 == want


@pytest.mark.parametrize(("channels", "asked"), [(1, False), (16, True)])
def test_a_rom_asks_for_block_ram_where_the_estimate_counts_on_it(
    channels: int, asked: bool
) -> None:
    u = unit((1,), (0,), slots=1, shape=(16, 3, 3, 8 * channels))
    assert block_rom(u.rom_width, u.rom_depth) == asked
    assert ('(* rom_style = "block" *)' in _declared(u)) == u.prefetch == asked
    other = replace(u, lut_rom=True)
    assert '(* rom_style = "logic" *)' in _declared(other) and not other.prefetch


def _declared(u: ArrayUnit) -> str:
    """The line of the weight ROM."""
    (line,) = (line for line in u.verilog().splitlines() if " rom [" in line)
    return line


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
    want = sum(s * 2**e * v for s, e, v in zip(signs, exps, sums, strict=True))
    assert played(u, [sums]) == [want]


def played(u: ArrayUnit, sums: list[list[int]]) -> list[int]:
    """Results of the lane sums of each plane of each list, as the plan joins them."""
    out, acc, leaves = [], 0, []
    for planes in sums:
        leaves += [0] * (-len(planes) % u.slots) + planes
    for number, step in enumerate(u.schedule.steps):
        if isinstance(step.action, Start):
            acc = step.action.value
        else:
            shift = step.action.shift
            acc = ~acc if step.action.invert else acc
            acc = (acc << shift) + step.action.fill * ((1 << shift) - 1)
        inputs = leaves[number * u.slots : (number + 1) * u.slots]
        values = {u._leaf(s).ref: v for s, v in enumerate(inputs)}
        for m in u.merges:
            left = values[m.left.ref]
            if m.right is not None:
                shift, subtract = m.steps[step.kind]
                left = values[m.right.ref] + (-1 if subtract else 1) * (left << shift)
            values[m.out.ref] = left
            assert m.out.lo <= left <= m.out.hi
        acc += (-1 if u.schedule.subtracts else 1) * values[u.term.ref]
        if step.result is not None:
            out.append((~acc if step.result.invert else acc) << step.result.shift)
    return out


FOLDS = [
    ((-1, 1, 1), (5, 4, 3)),
    ((1,), (0,)),
    ((-1,), (2,)),
    ((1, -1, 1, -1, 1, -1, -1), (9, 8, 6, 5, 4, 2, 0)),
    ((), ()),
]


@pytest.mark.parametrize("slots", range(1, 9))
@pytest.mark.parametrize(
    "chosen", [(0, 1), (2, 4), (4, 1, 0), (3, 2), (0, 1, 2, 3, 4), (1, 1, 3), (3, 3)]
)
def test_plan_of_folds_with_lists_of_their_own(chosen: tuple[int, ...], slots: int) -> None:
    rng = np.random.default_rng(3)
    lists = [FOLDS[k] for k in chosen]
    planes = [Planes(s, e, np.ones((len(s), 2, 1, 2, 4), np.uint8)) for s, e in lists]
    u = folds(planes, slots)
    steps = [max(-(-len(s) // slots), 1) for s, _ in lists]
    assert u.control.steps == u.repeat == sum(steps)
    assert [bool(u.control.ends >> s & 1) for s in range(sum(steps))] == [
        k == n - 1 for n in steps for k in range(n)
    ]
    sums = [[int(v) for v in rng.integers(0, 31, len(s))] for s, _ in lists]
    want = [
        sum(s * 2**e * v for s, e, v in zip(*each, row, strict=True))
        for each, row in zip(lists, sums, strict=True)
    ]
    assert played(u, [row or [0] for row in sums]) == want


def folds(planes: Sequence[Planes], slots: int, groups: int = 1) -> ArrayUnit:
    """An array of two PEs and two lanes whose output folds have these planes."""
    return ArrayUnit.build(
        "conv", planes=planes, groups=groups, pe=2, simd=2, planes_per_cycle=slots,
        act_bits=4, act_signed=False, acc_bits=16,
    )  # fmt: skip


def test_rom_of_folds_holds_the_planes_of_each() -> None:
    rng = np.random.default_rng(5)
    weight = rng.integers(0, 2, (8, 1, 1, 2))
    weight[2:4] *= rng.integers(-7, 8, (2, 1, 1, 2))  # of two groups, the second fold of the first
    u = folds(encode_folds(weight, 2, 2), slots=1, groups=2)
    counts = [len(p) for p in u.planes]
    assert counts[0] == 1 < counts[1]
    words = iter(u.rom_words)
    for group in range(2):
        for fold, planes in enumerate(u.planes):
            for plane in range(counts[fold]):
                bits = planes.bits[plane, group * 2 : group * 2 + 2].reshape(4)
                assert next(words) == sum(int(bit) << k for k, bit in enumerate(bits))
    assert next(words, None) is None and u.rom_depth == 2 * sum(counts)


@pytest.mark.parametrize("slots", [1, 2, 4, 8])
def test_two_s_complement_needs_no_table_of_shifts(slots: int) -> None:
    u = unit((-1,) + (1,) * 7, tuple(range(7, -1, -1)), slots)
    assert all(len(m.shifts) == 1 for m in u.merges)
    actions = [a for a in u.schedule.actions if isinstance(a, Boundary)]
    assert {a.shift for a in actions} <= {slots}
    assert [result.shift for result in u.schedule.results] == [0]


def test_gaps_between_steps_become_distinct_boundaries() -> None:
    u = unit((1, 1, 1, 1), (9, 8, 4, 0), slots=1)
    actions = [step.action for step in u.schedule.steps]
    assert [a.shift for a in actions if isinstance(a, Boundary)] == [1, 4, 4]
    assert len(u.schedule.actions) == 3 and u.control.op_bits == 2


def test_no_live_plane_is_one_plane_of_zeros() -> None:
    u = unit((), (), slots=1, bits=np.zeros((0, 4, 1, 2, 4), np.uint8))
    assert (u.control.steps, set(u.rom_words)) == (1, {0})


def test_verilog_is_reproducible_and_names_its_module() -> None:
    u = unit((-1, 1, 1), (5, 1, 0), slots=2)
    text = u.verilog()
    assert text == unit((-1, 1, 1), (5, 1, 0), slots=2).verilog()
    assert "module conv (" in text and '"mem/conv_weights.hex"' in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exps": (0, 1)}, "conv: exponents must fall"),
        ({"signs": (1, 2)}, "plane signs must be 1 or -1"),
        ({"pe": 3}, r"4 channels in 1 groups of 4 inputs do not fold to 3 × 2"),
        ({"simd": 3}, "do not fold to 2 × 3"),
        ({"signs": (1,)}, "P = 1 signs and 2 exponents"),
        ({"acc_bits": 0}, "0 accumulator bits"),
        ({"lists": 2}, "the plane list of a fold covers 1 × 2 channels"),
    ],
)
def test_wrong_shapes_are_refused(change: dict[str, Any], message: str) -> None:
    planes: dict[str, Any] = {
        "signs": (-1, 1), "exps": (1, 0), "bits": np.ones((2, 4, 1, 1, 4), np.uint8)
    }  # fmt: skip
    arguments: dict[str, Any] = {
        "groups": 1,
        "pe": 2,
        "simd": 2,
        "planes_per_cycle": 1,
        "act_bits": 4,
        "act_signed": True,
        "acc_bits": 12,
    }
    lists = [Planes(**(planes | {k: v for k, v in change.items() if k in planes}))]
    lists *= change.get("lists", 1)
    arguments |= {k: v for k, v in change.items() if k in arguments}
    with pytest.raises(GraphError, match=message):
        ArrayUnit.build("conv", planes=lists, **arguments)
