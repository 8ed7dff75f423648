"""The composed Winograd unit behind its line buffer, against direct convolution."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench, BenchResult
from qcompiler.flows.synth import check_rtl
from qcompiler.hardware.design import make_design
from qcompiler.hardware.winograd import WinogradUnit
from qcompiler.ir import hardware as hw
from qcompiler.ir import integer
from qcompiler.ir.graph import Graph
from qcompiler.ir.types import IntType
from qcompiler.ir.winograd import tile
from qcompiler.passes.base import run_passes
from qcompiler.passes.explicit import ExplicitPadding
from qcompiler.passes.winograd import UseWinograd
from qcompiler.reference.integer import IntegerReference
from qcompiler.resources import RTL
from tests.graphs import integer_graph
from tests.rtl.benches import Values, check_resets, check_stalls

LIBRARY = ("qc_upsize", "qc_downsize", "qc_replay", "qc_tile_raster")


@dataclass(frozen=True)
class Case:
    """A layer of ``out`` x ``channels`` kernels with weights in ±top, ``size`` outputs a frame."""

    m: int
    out: int
    channels: int
    pe: int
    simd: int
    x: IntType
    top: int
    size: tuple[int, int]
    partial: int | None = None

    def weights(self, rng: np.random.Generator) -> Values:
        w = rng.integers(-self.top, self.top + 1, (self.out, self.channels, 3, 3))
        w[0], w[-1] = self.top, -self.top
        return w

    def frames(self, w: Values, rng: np.random.Generator) -> Values:
        """[frames, C, rows, columns] of all that the tiles read: random ones and extremes."""
        t, (lo, hi) = tile(self.m), (self.x.lo, self.x.hi)
        rows, columns = (t.cover(n) for n in self.size)
        x = rng.integers(lo, hi + 1, (6, self.channels, rows, columns))
        x[1], x[2] = lo, hi
        x[3] = np.where(np.indices((rows, columns)).sum(0) % 2, lo, hi)
        # windows that reach both ends of a channel's results, laid out without overlap
        kernel = np.tile(w[len(w) // 2], (1, -(-rows // 3), -(-columns // 3)))[:, :rows, :columns]
        x[4], x[5] = np.where(kernel > 0, hi, lo), np.where(kernel > 0, lo, hi)
        return x

    def unit(self, w: Values) -> WinogradUnit:
        low, high = (
            np.minimum(w * self.x.lo, w * self.x.hi),
            np.maximum(w * self.x.lo, w * self.x.hi),
        )
        axes = (1, 2, 3)
        acc = IntType(int(low.sum(axes).min()), int(high.sum(axes).max()))
        return WinogradUnit.build(
            "unit", weight=w, m=self.m, x=self.x, acc=acc, size=self.size,
            pe=self.pe, simd=self.simd, partial_bits=self.partial,
        )  # fmt: skip

    def streams(self, unit: WinogradUnit, w: Values, x: Values) -> tuple[Beats, Beats]:
        """Windows in the order of `qc_window`, and the raster of direct convolution."""
        t = tile(self.m)
        tiles = np.lib.stride_tricks.sliding_window_view(x, (t.t, t.t), axis=(2, 3))
        tiles = tiles[:, :, :: t.m, :: t.m]
        words = tiles.reshape(len(x), -1, self.simd, *tiles.shape[2:])
        given = words.transpose(0, 3, 4, 1, 5, 6, 2).reshape(len(x), -1, self.simd)
        patches = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
        y = np.einsum("ocij,fcyxij->fyxo", w, patches)[:, : self.size[0], : self.size[1]]
        assert unit.plan.acc.holds(y)
        return (
            Beats.from_frames(given, self.x.bits),
            Beats.from_frames(y.reshape(len(x), -1, self.pe), unit.plan.acc.bits),
        )


def build(unit: WinogradUnit, folder: Path) -> Bench:
    files = unit.modules()
    for name, text in files.items():
        (folder / name).write_text(text)
    sources = [*(folder / name for name in files), *(RTL / f"{name}.v" for name in LIBRARY)]
    for name, text in unit.memories().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    check_rtl(sources, unit.name, folder)
    return Bench.build(
        dut=unit.name,
        sources=sources,
        inputs={"s_axis": unit.in_width},
        outputs={"m_axis": unit.out_width},
        files=unit.memories(),
        build_dir=folder / "sim",
    )


CASES = {
    "2_one_lane": Case(2, 1, 1, 1, 1, IntType(-7, 7), 7, (4, 4)),
    "2_odd_size": Case(2, 6, 4, 3, 2, IntType(0, 15), 7, (5, 7)),
    "2_turns_in": Case(2, 12, 6, 2, 6, IntType(-63, 63), 63, (3, 5)),
    "2_turns_out": Case(2, 6, 12, 6, 2, IntType(-128, 127), 127, (5, 2)),
    "2_one_bit": Case(2, 4, 5, 2, 5, IntType(0, 1), 1, (4, 3)),
    "2_never_zero": Case(2, 4, 3, 4, 1, IntType(3, 9), 7, (1, 1)),
    "2_partial": Case(2, 4, 8, 2, 2, IntType(0, 3), 3, (3, 4), 16),
    "4_one_lane": Case(4, 1, 1, 1, 1, IntType(-63, 63), 63, (4, 4)),
    "4_odd_size": Case(4, 6, 3, 2, 3, IntType(0, 15), 7, (6, 9)),
    "4_turns": Case(4, 6, 12, 3, 4, IntType(-128, 127), 127, (5, 3)),
    "4_one_output": Case(4, 5, 2, 5, 1, IntType(-63, 63), 63, (1, 1)),
}  # fmt: skip


def verify(case: Case, folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    w = case.weights(rng)
    unit = case.unit(w)
    bench = build(unit, folder)
    x, y = case.streams(unit, w, case.frames(w, rng))
    given, wanted = {"s_axis": x}, {"m_axis": y}
    free = check_stalls(bench, given, wanted, seed=seed)
    check_time(unit, free, frames=6)
    check_resets(bench, given, wanted, (len(x) // 3 + 8, len(x) // 2 + 9), sink_stall=0.4)


def check_time(unit: WinogradUnit, free: BenchResult, frames: int) -> None:
    """Frames follow each other as fast as the products can, tile by tile."""
    plan = unit.plan
    tiles = plan.tile.tiles(unit.size[0]) * plan.tile.tiles(unit.size[1])
    ends = np.diff(free.frame_ends["m_axis"])
    assert len(ends) == frames - 1
    assert set(ends) == {tiles * plan.tile_cycles}


@pytest.mark.sim
@pytest.mark.synth
@pytest.mark.parametrize("name", CASES)
def test_exact_at_every_stall(name: str, tmp_path: Path) -> None:
    verify(CASES[name], tmp_path, seed=list(CASES).index(name))


@pytest.mark.sim
@pytest.mark.parametrize("m", [2, 4])
def test_latency_of_one_tile(m: int, tmp_path: Path) -> None:
    """With one tile a frame nothing stands in the way of the first one."""
    case = Case(m, 6, 12, 3, 2, IntType(-63, 63), 63, (m, m - 1))
    rng = np.random.default_rng(m)
    w = case.weights(rng)
    unit = case.unit(w)
    x, y = case.streams(unit, w, case.frames(w, rng))
    free = build(unit, tmp_path).check({"s_axis": x}, {"m_axis": y})
    op = hw.Winograd("y", w, m, (6, m, m - 1), unit.plan.acc, pe=3, simd=2)
    assert free.frame_starts["m_axis"][0] - free.frame_ends["s_axis"][0] == op.latency


@pytest.mark.sim
@pytest.mark.parametrize(
    ("m", "size", "simd", "pe"), [(2, (7, 6), 2, 3), (4, (6, 5), 4, 2), (4, (9, 4), 1, 6)]
)
def test_behind_border_and_line_buffer(
    m: int, size: tuple[int, int], simd: int, pe: int, tmp_path: Path
) -> None:
    """From an integer graph's padded 3x3 convolution to its raster, through `qc_window`."""
    rng, x = np.random.default_rng(m), IntType(-7, 8)
    conv = integer.Conv(rng.integers(-7, 8, (6, 4, 3, 3)), padding=(1, 1, 1, 1), pad_code=3)
    before = integer_graph(conv, shape=(4, *size), elem=x)
    explicit = run_passes(before, [UseWinograd({"op0": m}), ExplicitPadding()])
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (4, *size), x, simd))
    ((_, _), (top, bottom), (left, right)) = explicit.op("op0_pad").pads
    border = hw.Pad("p", (top, left, bottom, right), explicit.op("op0_pad").code, lanes=simd)
    graph.add("border", border, ["x"])
    kind = before.type("op0")
    op = hw.Winograd("op0", conv.weight, m, kind.shape, kind.integers, pe=pe, simd=simd)
    order = op.order
    window = hw.Window(
        order.kernel, order.stride, groups=order.groups, rows=2 * op.tile.t, lanes=simd
    )
    graph.add("window", window, ["border"])
    graph.add("op0", op, ["window"])
    graph.add("y", hw.Sink(lanes=pe), ["op0"])
    design = make_design(graph, "design")
    for name, text in design.files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    bench = Bench.build(
        dut="design_core",
        sources=[tmp_path / name for name in design.sources if name != "design.v"],
        inputs={"s_axis": simd * x.bits},
        outputs={"m_axis": pe * kind.integers.bits},
        files={name: text for name, text in design.files.items() if name.startswith("mem/")},
        build_dir=tmp_path / "sim",
    )
    codes = rng.integers(x.lo, x.hi + 1, (5, 4, *size))
    wanted = IntegerReference(before).trace(codes)["op0"]
    given = {"s_axis": raster(codes, simd, x.bits)}
    result = {"m_axis": raster(wanted, pe, kind.integers.bits)}
    free = check_stalls(bench, given, result)
    check_resets(bench, given, result, (50, 700), sink_stall=0.4)
    assert set(np.diff(free.frame_ends["m_axis"])[1:]) == {op.rate}


def raster(values: Values, lanes: int, bits: int) -> Beats:
    """[frames, C, H, W] as beats of ``lanes`` channels."""
    return Beats.from_frames(values.transpose(0, 2, 3, 1).reshape(len(values), -1, lanes), bits)
