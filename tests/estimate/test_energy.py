"""Energy in relative units: its table, the formulas of activity, what switches in a module."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qcompiler.errors import QCompilerError
from qcompiler.estimate import energy_activity as activity
from qcompiler.estimate import model
from qcompiler.estimate.energy import KINDS, TABLE, Switched, read_constants
from qcompiler.estimate.energy_activity import inside
from qcompiler.estimate.energy_site import COUNTER, Site, Traffic, gated, mixed, rom
from qcompiler.ir import hardware as hw
from qcompiler.ir.hardware import Order, StreamType
from qcompiler.ir.types import IntType
from qcompiler.report.energy_tables import BAR, bar

CODES = IntType(0, 15)


def traffic(stream: StreamType, a: float = 0.5, p: float = 0.5) -> Traffic:
    bits = stream.beats * stream.width
    return Traffic(stream.beats, stream.width, a * bits, p * bits)


def site(op: hw.HardwareOp, *inputs: StreamType, a: float = 0.5, p: float = 0.5) -> Site:
    outputs = op.infer(inputs)
    return Site(op, inputs, outputs, traffic(inputs[0], a, p), traffic(outputs[0], a, p), "ecp5")


def array(pe: int, simd: int, weights: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Site:
    op = hw.BitSerialArray(
        "t", weights, (1,), (0,), (len(weights), 3, 3), IntType(-512, 511), pe=pe, simd=simd
    )
    order = Order((1, 1), (1, 1), (1, 1), 1, op.repeat)
    return site(op, StreamType("x", (weights.shape[1], 3, 3), CODES, simd, order))


def test_energy_is_bits_times_constants() -> None:
    table = read_constants()
    assert set(table.each) == set(KINDS) and all(table.source.values())
    one = Switched(*range(1, 7))
    want = sum(table.each[kind] * n for n, kind in enumerate(KINDS, 1))
    assert table.energy(one) == pytest.approx(want)
    assert Switched.sum([one, one]) == Switched(2, 4, 6, 8, 10, 12)
    assert table.energy(Switched()) == 0.0
    # what the table says of its source: memory before multiplier before adder, a bit
    assert table.each["ram_read"] / table.each["logic"] == pytest.approx(10 / 64 / 0.0075, rel=0.01)
    assert 64 * table.each["product"] == pytest.approx(0.2, rel=0.01)
    assert 4 * table.each["logic"] == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("each = 0.0031", 'each = "much"', "'much', a number of at least 0"),
        ("each = 0.0031", "each = -1", "[product]: `each` is -1"),
        ("each = 0.0031", "each = true", "`each` is True"),
        ("each = 0.0031", "each = inf", "`each` is inf"),
        ("[product]", "[products]", "product, products"),
        ('unit = "relative, not joules"', "", "lacks the text `unit`"),
        ("[logic]", "[logic", "is no TOML"),
    ],
)
def test_damaged_tables(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "own.toml"
    text = TABLE.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(QCompilerError) as caught:
        read_constants(path)
    assert words in str(caught.value) and str(path) in str(caught.value) and caught.value.hint


def test_a_missing_table() -> None:
    with pytest.raises(QCompilerError, match=r"no\.toml: cannot be read"):
        read_constants(Path("no.toml"))


# ---- formulas ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "stay"), [(0.5, 0.5), (0.2, 0.1), (0.5, 0.9)])
@pytest.mark.parametrize("d", [0.1, 0.5, 1.0])
def test_gated_and_mixed_bits(p: float, stay: float, d: float) -> None:
    """Against a million random bits, each kept with probability ``stay``."""
    rng = np.random.default_rng(1)
    fresh, kept = rng.random(1 << 20) < p, rng.random(1 << 20) < stay
    at = np.where(kept, 0, np.arange(len(fresh)))
    bits = fresh[np.maximum.accumulate(at)]
    changes = (bits[1:] != bits[:-1]).mean()
    x = Traffic(len(bits), 1, changes * len(bits), bits.sum())
    gate = bits & (rng.random(len(bits)) < d)
    assert gated(d, x) == pytest.approx((gate[1:] != gate[:-1]).mean(), abs=2e-3)
    total = bits ^ np.roll(bits, 12345)
    assert mixed(changes) == pytest.approx((total[1:] != total[:-1]).mean(), abs=2e-3)


# ---- modules -------------------------------------------------------------------------------------


def test_every_module_has_a_rule() -> None:
    assert activity._RULES.keys() == model._RULES.keys()


def test_accesses_of_memories_by_hand() -> None:
    x = StreamType("x", (4, 10, 12), CODES, 2)  # 240 beats of 8 bits
    deep = inside(site(hw.Fifo(1000), x))
    assert (deep.ram_read, deep.ram_write, deep.table) == (240 * 9, 240 * 9, 0)
    shallow = inside(site(hw.Fifo(9), x))
    assert (shallow.ram_read, shallow.ram_write, shallow.table) == (0, 0, 2 * 240 * 9)
    assert inside(site(hw.Fifo(2), x)) == Switched(logic=240 * 8 / 2)
    window = site(hw.Window((3, 3), rows=50, lanes=2), x)
    assert window.y.beats == 8 * 10 * 9 * 2
    found = inside(window)
    assert (found.ram_read, found.ram_write) == (window.y.beats * 8, 240 * 8)


def test_multiplications_by_hand() -> None:
    weights = np.arange(-32, 32).reshape(8, 8, 1, 1)  # 6 bits
    op = hw.MultiplierArray("t", weights, (8, 3, 3), IntType(-9999, 9999), pe=2, simd=4)
    order = Order((1, 1), (1, 1), (1, 1), 1, op.repeat)
    found = inside(site(op, StreamType("x", (8, 3, 3), CODES, 4, order)))
    assert found.product == 9 * 64 * (5 * 6)  # the codes get a sign
    assert found.table + found.ram_read == 9 * 64 * 6
    scale = hw.Scale("t", np.full(4, 100), np.zeros(4, np.int64), 8, CODES, CODES, lanes=2)
    found = inside(site(scale, StreamType("x", (4, 3, 3), IntType(-128, 127), 2)))
    assert found.product == 9 * 4 * (8 * 8)


def test_weights_of_a_bit_serial_array() -> None:
    weights = np.random.default_rng(0).integers(0, 2, (16, 64, 1, 1))
    found = array(4, 16, weights)
    beats = 9 * 4 * 4
    small = inside(found)
    assert small.table + small.ram_read == beats * 64
    silent = inside(replace(found, x=traffic(found.inputs[0], 0, 0)))
    assert silent.ram_read == small.ram_read  # a read is a read
    assert silent.logic < 0.2 * small.logic  # weights and counters go on
    twice = inside(array(8, 16, weights))
    assert twice.logic == pytest.approx(small.logic, rel=0.2)  # as many bits in half the beats


def test_a_constant_stream_moves_nothing_but_control() -> None:
    x = StreamType("x", (4, 6, 6), CODES, 2)
    ops: list[hw.HardwareOp] = [
        hw.Add("t", 1, 1, lanes=2),
        hw.GlobalSum("t", lanes=2),
        hw.Fifo(2),
        hw.Pad("t", (1, 1, 1, 1), 0, lanes=2),
    ]
    for op in ops:
        inputs = (x, x) if isinstance(op, hw.Add) else (x,)
        still, moving = inside(site(op, *inputs, a=0, p=0)), inside(site(op, *inputs))
        control = COUNTER * 128  # beats of the padded frame
        assert still.logic <= control and still.logic <= moving.logic, op


def test_bars() -> None:
    assert bar(0.0) == " " * BAR and bar(1.0) == "█" * BAR
    assert bar(0.5) == "█" * (BAR // 2) + " " * (BAR // 2)
    assert len(bar(0.013)) == BAR and bar(0.013).strip()


@pytest.mark.parametrize(("depth", "in_luts"), [(512, False), (512, True), (16, False)])
def test_a_rom_is_read_where_it_is(depth: int, in_luts: bool) -> None:
    found = rom(36, depth, 10.0, "ecp5", in_luts=in_luts)
    blocks = depth == 512 and not in_luts
    assert found == (Switched(ram_read=360.0) if blocks else Switched(table=360.0))
