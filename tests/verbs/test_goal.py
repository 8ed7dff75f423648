"""Foldings for a rate or a budget on devices with more or less block RAM than they would like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qcompiler.cli import main
from qcompiler.errors import QCompilerError
from qcompiler.estimate.devices import DEVICES, Device, device
from qcompiler.estimate.engines import module_price
from qcompiler.estimate.report import estimate
from qcompiler.hardware.instances import render_node
from qcompiler.ir import hardware as hw
from qcompiler.ir import integer
from qcompiler.ir.graph import Graph
from qcompiler.ir.rates import bottleneck
from qcompiler.ir.types import IntType
from qcompiler.passes.base import run_passes
from qcompiler.passes.fold import FoldingSpace
from qcompiler.passes.pipeline import CONNECT, TO_HARDWARE
from qcompiler.verbs.goal import Room, Solution, solve
from tests.conftest import Files
from tests.graphs import integer_graph

CODES = IntType(0, 255)
CLOCK = 100.0
CYCLES = 40_000
RATE = CLOCK * 1e6 / CYCLES


def chip(*, brams: int, luts: int = 83_640) -> Device:
    return replace(device("ecp5-85k"), name="test", brams=brams, luts=luts)


@pytest.fixture(scope="module")
def space() -> FoldingSpace:
    """Three convolutions of 32 channels with 8-bit weights: 216 kbit of them."""
    rng = np.random.default_rng(0)
    ops = []
    for _ in range(3):
        weight = rng.integers(-127, 128, (32, 32, 3, 3))
        ops.append(integer.Conv(weight, padding=(1, 1, 1, 1)))
        m, r = np.full(32, 77), np.full(32, 500)
        ops.append(integer.ScaleShift(m, r, 16, CODES, CODES))
    graph = integer_graph(*ops, shape=(32, 16, 16), elem=CODES)
    return FoldingSpace(run_passes(graph, TO_HARDWARE), module_price("ecp5"))


def rate(space: FoldingSpace, chip: Device, fps: float = RATE) -> Solution:
    return solve(space, chip, CLOCK, fps=fps, lut=None)


def advice(solution: Solution, chip: Device) -> str:
    return solution.advice(estimate(run_passes(solution.graph, CONNECT), chip))


def test_block_ram_is_not_free(space: FoldingSpace) -> None:
    """The folding of fewest LUTs takes block RAMs of which most are nearly empty."""
    free = space.balanced(CYCLES)
    small = chip(brams=Room(space, chip(brams=0), 1e9).cost(free).bram - 1)
    room = Room(space, small, small.luts)
    assert room.cost(free).bram > small.brams
    found = rate(space, small)
    cost = room.cost(found.graph)
    assert bottleneck(found.graph)[1] <= CYCLES
    assert cost.bram <= small.brams and cost.lut < 1.1 * room.cost(free).lut
    assert advice(found, small) == ""


def test_a_rate_costs_the_least_share_of_the_device(space: FoldingSpace) -> None:
    large = device("ecp5-85k")
    room = Room(space, large, large.luts)

    def share(graph: Graph | None) -> float:
        assert graph is not None
        cost = room.cost(graph)
        return cost.lut / large.luts + cost.bram / large.brams

    found = share(room.folding(CYCLES))
    for block in (0.0, 16.0):
        weights = np.array([1.0, 0.0, block * large.luts / large.brams, 0.0])
        assert found < share(space.fold(CYCLES, weights))


def test_luts_that_are_short_cost_block_rams(space: FoldingSpace) -> None:
    room = Room(space, chip(brams=208), 1e9)
    least = room.cost(space.balanced(CYCLES)).lut
    large = chip(brams=208)
    usual = Room(space, large, large.luts).cost(rate(space, large).graph)
    assert least < usual.lut
    tight = chip(brams=208, luts=int(least) + 1)
    found = Room(space, tight, tight.luts).cost(rate(space, tight).graph)
    assert found.lut <= tight.luts and found.bram > usual.bram


def test_weights_go_into_luts_where_blocks_are_short(space: FoldingSpace) -> None:
    small = chip(brams=20)
    assert Room(space, small, small.luts).folding(CYCLES) is None  # in block RAM they do not fit
    found = rate(space, small)
    assert bottleneck(found.graph)[1] <= CYCLES and advice(found, small) == ""
    arrays = in_luts(found.graph)
    assert arrays
    for name in arrays:
        verilog = "".join(render_node(found.graph, name, "t").modules.values())
        assert '(* rom_style = "logic" *)' in verilog
    blocks = Room(space, small, 30_000).fastest()
    faster = solve(space, small, CLOCK, fps=None, lut=30_000).graph
    assert in_luts(faster) and blocks is not None
    assert bottleneck(faster)[1] < bottleneck(blocks)[1]
    assert not in_luts(rate(space, chip(brams=208)).graph)


def test_the_best_rate_that_fits_counts_weights_in_luts(space: FoldingSpace) -> None:
    small = chip(brams=20, luts=20_000)
    found = rate(space, small, CLOCK * 1e6 / 5_000)
    blocks = Room(space, small, small.luts).fastest()
    assert found.fitting_fps is not None and blocks is not None
    cycles = CLOCK * 1e6 / found.fitting_fps
    assert cycles < bottleneck(blocks)[1]
    slower = rate(space, small, found.fitting_fps)
    assert advice(slower, small) == "" and slower.fitting_fps is None


def test_weights_that_are_in_luts_anyway_have_no_other_way_to_be_there() -> None:
    weight = np.random.default_rng(0).integers(-3, 4, (8, 4, 3, 3))
    graph = integer_graph(integer.Conv(weight), shape=(4, 16, 16), elem=CODES)
    space = FoldingSpace(run_passes(graph, TO_HARDWARE), module_price("ecp5"))
    both = space.with_lut_roms().choices.engines
    assert {n: len(found) for n, found in both.items()} == {
        n: len(found) for n, found in space.choices.engines.items()
    }
    assert not any(option.op.lut_rom for found in both.values() for option in found)


def in_luts(graph: Graph) -> list[str]:
    """Arrays whose weights are."""
    return [n for n in graph.find(hw.BitSerialArray) if graph.op(n).lut_rom]


def test_a_rate_that_does_not_fit_is_built_with_advice(space: FoldingSpace) -> None:
    small = chip(brams=20, luts=6_000)
    found = rate(space, small)
    assert bottleneck(found.graph)[1] <= CYCLES
    assert found.fitting_fps is not None and found.fitting_fps < RATE
    fps = int(found.fitting_fps)
    assert f"ask for --fps {fps}, the most that LUT and BRAM allow, or quantize" in advice(
        found, small
    )
    slower = rate(space, small, fps)
    assert advice(slower, small) == "" and slower.fitting_fps is None


def test_a_rate_that_divides_the_clock_is_not_cut_off(space: FoldingSpace) -> None:
    cut = [n for n in range(40_000, 41_000) if int(33.3 * 1e6 / (33.3e6 / n)) < n]
    assert cut, "floating point does cut some off"
    found = solve(space, chip(brams=208), 33.3, fps=33.3e6 / cut[0], lut=None)
    assert f"({cut[0]} cycles a frame)" in found.limit


def test_where_nothing_fits_no_rate_is_advised(space: FoldingSpace) -> None:
    tiny = chip(brams=5)
    found = rate(space, tiny)
    assert found.fitting_fps is None
    text = advice(found, tiny)
    assert text.startswith("to make it fit: quantize to fewer bits: op0 at 4 instead of 8 bits")
    assert text.endswith("or name a --target of another family: no known ecp5 has as much")


def test_multipliers_that_are_short_can_be_spared(space: FoldingSpace) -> None:
    few = replace(chip(brams=208), dsps=1)
    assert "--requant exact" in advice(rate(space, few), few)


def test_multipliers_of_arrays_are_not_spared_so(space: FoldingSpace) -> None:
    few = replace(chip(brams=208), dsps=1)
    found = rate(space, few)
    report = estimate(run_passes(found.graph, CONNECT), few)
    rows = tuple(replace(row, kind="MultiplierArray") for row in report.rows)
    assert "--requant exact" not in found.advice(replace(report, rows=rows))


def test_a_budget_leaves_the_device_enough_block_ram(space: FoldingSpace) -> None:
    cycles = []
    for brams in (30, 40, 60, 200):
        small = chip(brams=brams)
        found = solve(space, small, CLOCK, fps=None, lut=30_000)
        cost = Room(space, small, 30_000).cost(found.graph)
        assert cost.lut <= 30_000 and cost.bram <= brams
        assert f"30000 LUT and the {brams} BRAM of test" in found.limit
        cycles.append(bottleneck(found.graph)[1])
    assert cycles == sorted(cycles, reverse=True) and cycles[0] > cycles[-1]


def test_a_budget_without_room_says_which(space: FoldingSpace) -> None:
    with pytest.raises(QCompilerError, match=r"test has 5: \d+ are missing"):
        solve(space, chip(brams=5), CLOCK, fps=None, lut=30_000)
    with pytest.raises(QCompilerError, match=r"takes about \d+ LUT, the budget is 100"):
        solve(space, chip(brams=5), CLOCK, fps=None, lut=100)


def test_the_same_twice(space: FoldingSpace) -> None:
    small = chip(brams=40)
    assert str(rate(space, small).graph) == str(rate(space, small).graph)


def test_the_command_says_what_is_short(
    files: Files,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(DEVICES, "test", chip(brams=208, luts=1_600))
    options = ["--target", "test", "--fps", "300000"]
    with pytest.raises(SystemExit) as caught:
        main(["compile", str(files / "net.qc"), "-o", str(tmp_path / "build"), *options])
    assert not caught.value.code
    text = capsys.readouterr().out
    assert "LUT needed, test has 1600, " in text and " too few (conv" in text
    assert "to make it fit: ask for --fps " in text
    assert (tmp_path / "build" / "manifest.json").is_file()
