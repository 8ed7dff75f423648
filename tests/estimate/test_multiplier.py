"""What foldings of the multiplier array cost; the cells themselves are in tests/rtl."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qcompiler.estimate.model import module_cost
from qcompiler.ir import hardware as hw
from qcompiler.ir.types import IntType

CODES = IntType(-63, 63)


@pytest.mark.parametrize("family", ["ecp5", "xc7", "ice40"])
@pytest.mark.parametrize("partial", [None, 16])
def test_a_multiplier_for_every_product(family: str, partial: int | None) -> None:
    weight = np.random.default_rng(1).integers(-63, 64, (16, 8, 3, 3))
    weight[0, 0, 0, 0], weight[0, 0, 0, 1] = -63, 63
    whole = hw.MultiplierArray(
        "y", weight, (16, 6, 6), IntType(-290_000, 290_000), groups=2, partial_bits=partial
    )
    raster = hw.StreamType("x", (16, 8, 8), CODES, 1)
    for pe, simd in ((1, 1), (2, 4), (8, 8), (4, 1)):
        op = replace(whole, pe=pe, simd=simd)
        order = hw.Order((3, 3), (1, 1), (1, 1), 2, op.repeat)
        stream = replace(raster, lanes=simd, order=order)
        array = module_cost(op, [stream], op.infer([stream]), family)
        assert array.dsp == (0 if family == "ice40" else pe * simd)
