"""The multiplier array in simulation, against integer dot products of the weights themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.hardware.design import make_design
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.types import IntType
from tests.rtl.benches import check_resets, check_stalls
from tests.rtl.multipliers import CASES, Case, bench_of, dots, given, random_case, wanted


def verify(case: Case, folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    unit = case.unit(rng)
    bench = bench_of(unit, folder)
    x = case.inputs(unit.weights, rng)
    inputs, outputs = given(unit, x), wanted(unit, dots(unit, x))
    beats = len(inputs["s_axis"])
    check_stalls(bench, inputs, outputs, seed=seed)
    # A sink slower than the array: only then do finished results pile up and stall the input.
    choked = bench.check(inputs, outputs, sink_stall=1.0 - 0.4 / unit.kbeats, seed=seed)
    assert choked.streams["s_axis"].blocked > beats // 2
    check_resets(bench, inputs, outputs, (beats // 3 + 8, beats // 2 + 8), sink_stall=0.4)
    full = bench.check(inputs, outputs, repeat=5)
    assert full.streams["s_axis"].blocked == 0
    cycles = full.frame_ends["s_axis"][-1] - full.frame_starts["s_axis"][0] + 1
    assert cycles == 5 * beats  # a beat in every cycle, from the first result to the last
    late = full.frame_ends["m_axis"][-1] - full.frame_ends["s_axis"][-1]
    assert late == unit.plan.result_stage + 3  # as the module's head says


@pytest.mark.sim
@pytest.mark.parametrize("name", CASES)
def test_exact_at_every_stall(name: str, tmp_path: Path) -> None:
    verify(CASES[name], tmp_path, seed=11)


@pytest.mark.sim
@pytest.mark.long
@pytest.mark.parametrize("seed", range(40))
def test_random_parameters(seed: int, tmp_path: Path) -> None:
    verify(random_case(np.random.default_rng(4000 + seed)), tmp_path, seed)


def convolution(groups: int, partial: int | None) -> tuple[Graph, np.ndarray]:
    """4 channels of 5x6 to 6 of 3x4 by a kernel of 3x3, two PEs and a lane or two; the weights."""
    codes, per_group = IntType(-127, 127), 4 // groups
    weight = np.random.default_rng(groups).integers(-127, 128, (6, per_group, 3, 3))
    top = int(np.abs(weight).sum((1, 2, 3)).max()) * 127
    op = hw.MultiplierArray(
        "y", weight, (6, 3, 4), IntType(-top, top), groups, 6 // groups // 1, 2 // groups, partial
    )
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (4, 5, 6), codes, op.simd))
    window = hw.Window((3, 3), groups=groups, repeat=op.repeat, rows=4, lanes=op.simd)
    graph.add("window", window, ["x"])
    graph.add("conv", op, ["window"])
    graph.add("end", hw.Sink(lanes=op.pe), ["conv"])
    return graph, weight


@pytest.mark.sim
@pytest.mark.parametrize(("groups", "partial"), [(1, None), (2, None), (2, 16)])
def test_a_convolution_from_pixels_to_results(
    groups: int, partial: int | None, tmp_path: Path
) -> None:
    graph, weight = convolution(groups, partial)
    design = make_design(graph, "top")
    for name, text in design.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    feed, result = graph.type("x"), graph.type("conv")
    padded = -(-result.elem.bits // 8) * 8
    bench = Bench.build(
        dut="top",
        sources=[tmp_path / name for name in design.sources],
        inputs={"s_axis": feed.width},
        outputs={"m_axis": result.lanes * padded},
        files={name: text for name, text in design.files.items() if name.endswith(".hex")},
        build_dir=tmp_path / "sim",
    )
    x = np.random.default_rng(3).integers(
        -127, 128, (3, 5, 6, 4)
    )  # frames, rows, columns, channels
    patches = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))
    split = patches.reshape(3, 3, 4, groups, 4 // groups, 3, 3)
    grouped = weight.reshape(groups, 6 // groups, 4 // groups, 3, 3)
    y = np.einsum("fijgckl,gockl->fijgo", split, grouped)
    inputs = {"s_axis": Beats.from_frames(x.reshape(3, -1, feed.lanes), 8)}
    outputs = {"m_axis": Beats.from_frames(y.reshape(3, -1, result.lanes), padded)}
    check_stalls(bench, inputs, outputs)
