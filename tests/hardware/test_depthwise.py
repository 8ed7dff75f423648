"""The ROM and ports of the depthwise array; its arithmetic is simulated in tests/rtl."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qcompiler.errors import GraphError
from qcompiler.hardware.depthwise import DepthwiseUnit
from qcompiler.ir import hardware as hw
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType

CODES = IntType(0, 15)


@pytest.fixture
def op() -> hw.DepthwiseArray:
    weight = np.random.default_rng(0).integers(-4, 4, (6, 1, 3, 2))
    planes = encode(weight)
    return hw.DepthwiseArray(
        "y", weight, planes.signs, planes.exps, (6, 4, 4), IntType(-360, 360), 6, pe=3, planes=2
    )


def test_rom_holds_every_bit_at_its_place(op: hw.DepthwiseArray) -> None:
    u = DepthwiseUnit.of("conv", op, CODES)
    planes = encode(op.weight)
    assert len(planes) == 3 and (u.rom_depth, u.rom_width) == (op.weight_words, 6)
    words = iter(u.rom_words)
    for word in range(2):
        for step in range(2):
            for kh, kw in np.ndindex(3, 2):
                value = next(words)
                for pe, slot in np.ndindex(3, 2):
                    plane = step * 2 + slot - 1  # of three planes in two steps, the first is empty
                    want = planes.bits[plane, word * 3 + pe, 0, kh, kw] if plane >= 0 else 0
                    assert value >> (pe * 2 + slot) & 1 == want
    assert next(words, None) is None


def test_each_pe_has_a_lane(op: hw.DepthwiseArray) -> None:
    u = DepthwiseUnit.of("conv", op, CODES)
    text = u.verilog()
    assert (u.lanes, u.repeat, u.kbeats) == (op.input_lanes, op.repeat, op.beats) == (3, 2, 6)
    assert "input  wire [11:0] s_axis_tdata" in text and "depthwise_array.v.j2" in text
    assert "lane[k / 2].q" in text and "a && b" not in text


def test_planes_of_other_weights_are_refused(op: hw.DepthwiseArray) -> None:
    with pytest.raises(GraphError, match="plane list does not belong to the weights"):
        DepthwiseUnit.of("conv", replace(op, signs=(1, 1, 1)), CODES)
