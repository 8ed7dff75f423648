"""Parameters and memory packing of qc_scale_shift; its pipeline is simulated in tests/rtl."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.errors import GraphError
from qcompiler.hardware.scale_shift import ScaleShiftUnit


def unit(m: list[int], r: list[int], **change: object) -> ScaleShiftUnit:
    arguments: dict[str, object] = {
        "m": np.array(m),
        "r": np.array(r, dtype=object),
        "n": 4,
        "lo": 0,
        "hi": 255,
        "in_bits": 10,
        "in_signed": True,
        "out_bits": 8,
        "lanes": 2,
    }
    return ScaleShiftUnit.build("scale", **(arguments | change))  # type: ignore[arg-type]


def test_entries_hold_lanes_with_r_above_m() -> None:
    u = unit([1, -2, 3, -4], [5, -6, 7, -8])
    assert (u.m_bits, u.r_bits) == (3, 4)
    assert u.rom_words() == [
        0b1010_110_0101_001,
        0b1000_100_0111_011,
    ]
    assert u.memories() == {"mem/scale_scale.hex": "2b29\n223b\n"}


def test_parameters_name_the_ports_of_the_contract() -> None:
    u = unit([1, 2], [0, 1 << 80], lo=-8, hi=7)
    assert u.parameters() == {
        "LANES": 2,
        "IN_BITS": 10,
        "IN_SIGNED": 1,
        "M_BITS": 3,
        "R_BITS": 82,
        "SHIFT": 4,
        "OUT_BITS": 8,
        "LO": -8,
        "HI": 7,
        "WORDS": 1,
        "MEM_FILE": "mem/scale_scale.hex",
    }


def test_widths_are_two_s_complement() -> None:
    assert unit([0, 0], [0, 0]).m_bits == 1
    assert unit([127, 0], [-128, 0]).m_bits == 8
    assert unit([127, 0], [-128, 0]).r_bits == 8


def test_constants_come_in_pairs() -> None:
    with pytest.raises(GraphError, match=r"m \[2\] and r \[3\]"):
        unit([1, 2], [3, 4, 5])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lanes": 3}, "multiple of 3 lanes"),
        ({"n": -1}, "cannot shift by -1"),
        ({"hi": 256}, "clamp to .0, 256. in 8 bits"),
        ({"lo": 9, "hi": 8}, "clamp to .9, 8."),
    ],
)
def test_wrong_constants_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        unit([1, 2], [3, 4], **change)
