"""The depthwise array behind its line buffer, in simulation, against integer convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.hardware.design import make_design
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType
from qcompiler.passes.lower_hardware import make_window
from tests.rtl.benches import check_resets, check_stalls

FRAMES = 4


@dataclass(frozen=True)
class Case:
    """A depthwise convolution of (channels, *size) codes; weights are drawn from ``values``."""

    channels: int
    kernel: tuple[int, int]
    pe: int
    slots: int
    codes: IntType
    values: tuple[int, ...]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    size: tuple[int, int] = (7, 8)

    def graph(self, weight: np.ndarray) -> Graph:
        """Pixels to results, nothing else."""
        planes = encode(weight)
        lo, hi = self.codes.lo, self.codes.hi
        low = int(np.minimum(weight * lo, weight * hi).sum((1, 2, 3)).min())
        high = int(np.maximum(weight * lo, weight * hi).sum((1, 2, 3)).max())
        shape = (self.channels, *patches(self, np.zeros((1, *self.size, 1))).shape[1:3])
        op = hw.DepthwiseArray(
            "y", weight, planes.signs, planes.exps, shape, IntType(low, high), self.channels,
            pe=self.pe, planes=self.slots,
        )  # fmt: skip
        frame = (self.channels, *self.size)
        window = make_window(frame, self.kernel, self.stride, self.dilation, self.channels, 1)
        graph = Graph("hardware")
        graph.add("x", hw.Source("x", frame, self.codes, self.pe))
        graph.add("window", op.fed_by(window), ["x"])
        graph.add("conv", op, ["window"])
        graph.add("end", hw.Sink(lanes=self.pe), ["conv"])
        return graph

    def weights(self, rng: np.random.Generator) -> np.ndarray:
        return rng.choice(np.array(self.values, np.int64), (self.channels, 1, *self.kernel))

    def inputs(self, weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Frames [frame, row, column, channel]: random, all at one end, and what reaches most."""
        lo, hi = self.codes.lo, self.codes.hi
        x = rng.integers(lo, hi + 1, (FRAMES, *self.size, self.channels))
        x[1], x[2] = lo, hi
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        most = np.where(weight[:, 0] > 0, hi, lo).transpose(1, 2, 0)
        x[3, : (kh - 1) * dh + 1 : dh, : (kw - 1) * dw + 1 : dw] = most
        return x


def patches(case: Case, x: np.ndarray) -> np.ndarray:
    """Windows [frame, row, column, channel, kh, kw] of frames [frame, row, column, channel]."""
    (kh, kw), (dh, dw), (sh, sw) = case.kernel, case.dilation, case.stride
    span = (kh - 1) * dh + 1, (kw - 1) * dw + 1
    every = np.lib.stride_tricks.sliding_window_view(x, span, (1, 2))
    return every[:, ::sh, ::sw, :, ::dh, ::dw]


def bench_of(graph: Graph, folder: Path) -> Bench:
    design = make_design(graph, "top")
    for name, text in design.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    feed, result = graph.type("x"), graph.type("conv")
    return Bench.build(
        dut="top_core",
        sources=[folder / name for name in design.sources if name != "top.v"],
        inputs={"s_axis": feed.width},
        outputs={"m_axis": result.width},
        files={name: text for name, text in design.files.items() if name.endswith(".hex")},
        build_dir=folder / "sim",
    )


U4, S4, U8, S8 = IntType(0, 15), IntType(-8, 7), IntType(0, 255), IntType(-127, 127)
NIBBLE, BYTE = tuple(range(-7, 8)), tuple(range(-127, 128))
CASES = {
    "all_planes_all_channels": Case(6, (3, 3), 6, 4, U4, NIBBLE),
    "one_channel_one_plane": Case(3, (3, 3), 1, 1, S4, NIBBLE),
    "odd_channels": Case(15, (3, 3), 5, 2, U4, NIBBLE, size=(5, 6)),
    "stride_two": Case(6, (3, 3), 2, 3, S8, BYTE, stride=(2, 2)),
    "five_by_five": Case(4, (5, 5), 2, 8, U8, BYTE, stride=(2, 1)),
    "dilated": Case(7, (3, 2), 7, 1, S4, NIBBLE, dilation=(2, 3)),
    "few_planes": Case(9, (3, 3), 3, 2, U8, (0, 4, -32, 36)),
    "one_sign": Case(4, (2, 3), 4, 2, U4, (0, -1, -2, -3)),
    "no_live_plane": Case(4, (3, 3), 2, 1, S4, (0,)),
    "one_tap": Case(6, (1, 1), 2, 2, S8, NIBBLE, size=(4, 4)),
}


def verify(case: Case, folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = case.weights(rng)
    graph = case.graph(weight)
    bench = bench_of(graph, folder)
    x = case.inputs(weight, rng)
    y = np.einsum("fijckl,ckl->fijc", patches(case, x), weight[:, 0])
    feed, result = graph.type("x"), graph.type("conv")
    assert y.min() >= result.elem.lo and y.max() <= result.elem.hi
    given = {"s_axis": Beats.from_frames(x.reshape(FRAMES, -1, feed.lanes), feed.elem.bits)}
    wanted = {"m_axis": Beats.from_frames(y.reshape(FRAMES, -1, case.pe), result.elem.bits)}
    check_stalls(bench, given, wanted, seed=seed)
    beats = len(given["s_axis"])
    check_resets(bench, given, wanted, (beats // 3 + 8, beats // 2 + 8), sink_stall=0.4)
    # the interval of frames is that of the model, taken where the pipeline has filled
    full = bench.check(given, wanted, repeat=3)
    ends = full.frame_ends["m_axis"]
    busy = max(feed.beats, graph.type("window").beats)
    assert ends[-1] - ends[FRAMES] == (len(ends) - 1 - FRAMES) * busy


@pytest.mark.sim
@pytest.mark.parametrize("name", CASES)
def test_exact_at_every_stall(name: str, tmp_path: Path) -> None:
    verify(CASES[name], tmp_path, seed=7)


def test_beats_of_a_frame_are_words_steps_and_taps() -> None:
    case = CASES["odd_channels"]
    graph = case.graph(case.weights(np.random.default_rng(0)))
    op = graph.op("conv")
    steps = -(-op.plane_count // 2)
    assert (op.words, op.repeat, op.weight_words) == (3, steps, 3 * steps * 9)
    assert graph.type("window").beats == op.rate == 3 * 4 * 3 * steps * 9


def random_case(rng: np.random.Generator) -> Case:
    """Any kernel, stride, dilation, folding, sign and width."""
    pe, words, bits = (int(v) for v in rng.integers(1, [9, 4, 9]))
    kernel = (int(rng.integers(1, 6)), int(rng.integers(1, 6)))
    stride = (int(rng.integers(1, 3)), int(rng.integers(1, 4)))
    dilation = (int(rng.integers(1, 3)), 1)
    span = (kernel[0] - 1) * dilation[0] + 1, kernel[1]
    size = (span[0] + int(rng.integers(5)), span[1] + int(rng.integers(5)))
    codes = IntType(-(1 << bits - 1), (1 << bits - 1) - 1)
    if rng.random() < 0.5:
        codes = IntType(0, (1 << bits) - 1)
    top = 1 << int(rng.integers(8))
    values = tuple(int(v) for v in rng.integers(-top, top + 1, int(rng.integers(1, 20))))
    slots = int(rng.integers(1, 10))
    channels = max(pe * words, 2)
    pe = pe if channels % pe == 0 else 1
    return Case(channels, kernel, pe, slots, codes, values, stride, dilation, size)


@pytest.mark.sim
@pytest.mark.long
@pytest.mark.parametrize("seed", range(40))
def test_random_parameters(seed: int, tmp_path: Path) -> None:
    verify(random_case(np.random.default_rng(6000 + seed)), tmp_path, seed)
