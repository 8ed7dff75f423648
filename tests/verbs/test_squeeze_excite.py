"""Squeeze-and-excite in simulation: bit-exact, at the rate told, with no beat of FIFO to spare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qcompiler.errors import VerificationError
from qcompiler.estimate.devices import device
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.rates import bottleneck
from qcompiler.passes.base import run_passes
from qcompiler.passes.pipeline import CONNECT, TO_HARDWARE
from qcompiler.quant.config import QuantConfig
from qcompiler.verbs.compile import Compiled, Target, write_build
from qcompiler.verbs.compile import compile as compile_network
from qcompiler.verbs.quantize import quantize
from qcompiler.verbs.verify import Stall, Verified, lopsided, verify
from tests.graphs import folding_space
from tests.squeeze import Excited, block, bottlenecks, slow_gate

pytestmark = pytest.mark.sim
CHIP = device("ecp5-85k")


def fold(graph: Graph, cycles: int, slow: tuple[str, ...] = ()) -> Compiled:
    """A graph in hardware, folded to at most so many cycles a frame; ``slow``: no faster layers."""
    explicit = run_passes(graph, TO_HARDWARE[:-1])
    space = folding_space(run_passes(explicit, TO_HARDWARE[-1:]))
    for name in slow:
        in_time = [o for o in space.choices.engines[name] if o.cycles <= cycles]
        space.choices.engines[name] = [max(in_time, key=lambda option: option.cycles)]
    return Compiled.of(explicit, run_passes(space.balanced(cycles), CONNECT), CHIP)


def simulate(compiled: Compiled, folder: Path, *, fast: bool = False) -> Verified:
    """Seven frames, each stream watched, with stalls; ``fast``: only what comes out, without."""
    write_build(compiled, Target(), CHIP, folder)
    if fast:
        runs = [Stall(0, 0)]
        return verify(
            folder, None, extremes=False, random_frames=7, stalls=runs, every_stream=False
        )
    return verify(folder, None, random_frames=5, stalls=lopsided(0.6), reset=True)


@pytest.mark.parametrize("cycles", [3456, 600])
def test_one_block(cycles: int, tmp_path: Path) -> None:
    compiled = fold(block(), cycles)
    result = simulate(compiled, tmp_path / "build")
    assert result.frames == 7
    assert result.cycles_per_frame == compiled.report.cycles == bottleneck(compiled.hardware)[1]


def test_dense_layers_as_slow_as_the_rest(tmp_path: Path) -> None:
    """The gate comes more than half a frame late; the FIFO holds what comes meanwhile."""
    compiled = fold(slow_gate(), 6912, slow=("se_reduce", "se_expand"))
    x, words = compiled.hardware.op("se_product_fifo0").depth, 24
    assert x > 1.2 * 16 * words
    result = simulate(compiled, tmp_path / "build")
    assert result.cycles_per_frame == compiled.report.cycles


def test_blocks_in_a_row_and_residuals_around_them(tmp_path: Path) -> None:
    compiled = fold(bottlenecks(), 4000)
    result = simulate(compiled, tmp_path / "build")
    assert result.cycles_per_frame == compiled.report.cycles


def test_a_few_beats_less_slow_the_frame_and_less_than_a_frame_hangs(tmp_path: Path) -> None:
    """What the cycle model cannot know to the beat is less than two pixels."""
    compiled, name = fold(block(), 3456), "se_product_fifo0"
    words, pixels, slack = 6, 64, 2
    depth = compiled.hardware.op(name).depth

    def rate(beats: int) -> int:
        hardware = compiled.hardware.copy()
        hardware.replace(name, hw.Fifo(beats))
        changed = Compiled.of(compiled.integer, hardware, CHIP)
        return simulate(changed, tmp_path / str(beats), fast=True).cycles_per_frame

    assert rate(depth) == compiled.report.cycles
    assert rate(depth - slack - 2 * words) > compiled.report.cycles
    with pytest.raises(VerificationError, match="hangs at cycle"):
        rate(pixels * words - 4)


def test_from_torch(tmp_path: Path) -> None:
    """h-swish and h-sigmoid as torch has them, quantized, compiled and verified."""
    samples = np.random.default_rng(0).normal(0, 1, (24, 2, 8, 8)).astype(np.float32)
    graph = quantize(Excited().eval(), samples, QuantConfig(4, 4)).graph
    compiled = compile_network(graph, Target(fps=20_000), out=tmp_path / "build")
    assert compiled.hardware.find(hw.Multiply)
    result = verify(tmp_path / "build", samples[:3], stalls=lopsided(0.6))
    assert result.cycles_per_frame == compiled.report.cycles
