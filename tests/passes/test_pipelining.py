"""Registers for speed: they change paths, neither codes nor the rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from qcompiler.errors import QCompilerError
from qcompiler.ir import hardware as hw
from qcompiler.passes.pipelining import LEVELS
from qcompiler.quant.config import QuantConfig
from qcompiler.verbs.compile import Target, compile
from qcompiler.verbs.quantize import quantize
from qcompiler.verbs.verify import lopsided, verify
from tests.verbs.test_verify import Residual


@pytest.mark.sim
@pytest.mark.parametrize("level", LEVELS)
def test_every_level_is_exact_and_as_fast(level: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    samples = np.random.default_rng(0).normal(0, 1, (24, 2, 8, 8)).astype(np.float32)
    graph = quantize(Residual().eval(), samples, QuantConfig(8, 4)).graph
    built = compile(graph, Target(fps=2_000, pipeline=level), out=tmp_path / "build")
    slices = [n for n in built.hardware.find(hw.Fifo) if "_slice" in n]
    arrays = [built.hardware.op(n) for n in built.hardware.find(hw.BitSerialArray)]
    engines = len(built.hardware.find(hw.Engine))
    assert {"lean": 0, "balanced": 2 * engines - 1}.get(level, 3 * engines) <= len(slices)
    assert (level == "lean") == (not slices)
    assert all(op.ahead == (level != "lean") for op in arrays)
    found = verify(tmp_path / "build", samples[:3], stalls=lopsided(0.5))
    assert found.cycles_per_frame == built.report.cycles


def test_an_unknown_level() -> None:
    with pytest.raises(QCompilerError, match="no pipeline 'deep'"):
        Target(pipeline="deep")
