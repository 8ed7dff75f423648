"""How the foldings of the depthwise array compare."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.ir import hardware as hw
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType
from qcompiler.passes.folding import engine_foldings

X = hw.StreamType("x", (16, 10, 10), IntType(0, 255), 1)
WINDOW = hw.Window((3, 3), groups=16, rows=6)


@pytest.fixture(scope="module")
def op() -> hw.DepthwiseArray:
    weight = np.random.default_rng(0).integers(-127, 128, (16, 1, 3, 3)).astype(np.int64)
    planes = encode(weight)
    acc = IntType(-9 * 127 * 255, 9 * 127 * 255)
    return hw.DepthwiseArray("y", weight, planes.signs, planes.exps, (16, 8, 8), acc, 16)


def test_every_folding_has_the_cycles_of_its_streams(op: hw.DepthwiseArray) -> None:
    every = engine_foldings(op, X.shape)
    assert {f.pe for f in every} == {1, 2, 4, 8, 16} and {f.simd for f in every} == {1}
    for folding in every:
        folded = op.folded(folding.pe, 1, folding.planes)
        given = hw.StreamType("x", X.shape, X.elem, folding.pe)
        (windows,) = folded.fed_by(WINDOW).infer([given])
        assert folding.cycles == max(windows.beats, given.beats) and not folding.per_fold
    found = {folding.cycles for folding in every}
    assert max(found) == 16 * 64 * 9 * 8 and min(found) == 64 * 9


def test_a_depthwise_array_takes_whole_words(op: hw.DepthwiseArray) -> None:
    """A frame that is mostly skipped is bounded by what comes in, pe channels a beat."""
    best = min(engine_foldings(op, (16, 80, 80)), key=lambda f: f.cycles)
    assert best.cycles == 80 * 80 and best.pe == 16
