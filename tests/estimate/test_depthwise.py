"""The depthwise array's price: what the folding solver relies on, and how its foldings compare."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.estimate.devices import FAMILIES
from qcompiler.estimate.engines import engine_price
from qcompiler.estimate.model import module_cost
from qcompiler.ir import hardware as hw
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType
from qcompiler.passes.folding import Worth, engine_foldings, front

X = hw.StreamType("x", (16, 10, 10), IntType(0, 255), 1)
WINDOW = hw.Window((3, 3), groups=16, rows=6)


@pytest.fixture(scope="module")
def op() -> hw.DepthwiseArray:
    weight = np.random.default_rng(0).integers(-127, 128, (16, 1, 3, 3)).astype(np.int64)
    planes = encode(weight)
    acc = IntType(-9 * 127 * 255, 9 * 127 * 255)
    return hw.DepthwiseArray("y", weight, planes.signs, planes.exps, (16, 8, 8), acc, 16)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_price_of_a_folding_is_that_of_array_rom_and_line_buffer(
    op: hw.DepthwiseArray, family: str
) -> None:
    for pe, planes in ((1, 1), (4, 2), (16, 8)):
        folded = op.folded(pe, 1, planes)
        lut, bram, dsp = engine_price(family)(op, WINDOW, X)(folded)
        window = folded.fed_by(WINDOW)
        given = hw.StreamType("x", X.shape, X.elem, pe)
        fed = window.infer([given])
        whole = module_cost(folded, fed, folded.infer(fed), family)
        whole += module_cost(window, [given], fed, family)
        assert (bram, dsp) == (whole.bram, 0)
        assert lut <= whole.lut <= 1.3 * lut + 150, (pe, planes)


def test_every_folding_has_the_cycles_of_its_streams(op: hw.DepthwiseArray) -> None:
    price = engine_price("ecp5")(op, WINDOW, X)
    every = engine_foldings(op, X.shape, price)
    assert {f.pe for f in every} == {1, 2, 4, 8, 16} and {f.simd for f in every} == {1}
    for folding in every:
        folded = op.folded(folding.pe, 1, folding.planes)
        given = hw.StreamType("x", X.shape, X.elem, folding.pe)
        (windows,) = folded.fed_by(WINDOW).infer([given])
        assert folding.cycles == max(windows.beats, given.beats) and not folding.per_fold
    best = front(every, Worth())
    assert best[0].cycles == 16 * 64 * 9 * 8 and best[-1].cycles == 64 * 9


def test_a_depthwise_array_takes_whole_words(op: hw.DepthwiseArray) -> None:
    """A frame that is mostly skipped is bounded by what comes in, pe channels a beat."""
    price = engine_price("ecp5")(op, WINDOW, X)
    best = front(engine_foldings(op, (16, 80, 80), price), Worth())
    assert best[-1].cycles == 80 * 80 and best[-1].pe == 16
