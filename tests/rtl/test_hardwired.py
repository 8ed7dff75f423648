"""The hard-wired engine in simulation, against integer products with its weights."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from qcompiler.errors import VerificationError
from qcompiler.flows.bench import Beats, Bench
from qcompiler.flows.synth import check_rtl
from qcompiler.flows.verilator import find_toolchain
from qcompiler.hardware.design import make_design
from qcompiler.hardware.hardwired import HardwiredUnit
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.types import IntType
from qcompiler.passes.lower_hardware import make_window
from qcompiler.resources import RTL
from tests.rtl.benches import check_resets, check_stalls

LIBRARY = RTL / "qc_serial_sum.v"


@dataclass(frozen=True)
class Case:
    """(outputs, inputs), both ways of folding them, and what codes and weights are drawn from."""

    shape: tuple[int, int]
    pe: int
    simd: int
    digit: int
    codes: IntType
    values: tuple[int, ...]

    def op(self, rng: np.random.Generator) -> hw.Hardwired:
        w = rng.choice(np.array(self.values, np.int64), self.shape)
        least = np.minimum(w * self.codes.lo, w * self.codes.hi).sum(1)
        most = np.maximum(w * self.codes.lo, w * self.codes.hi).sum(1)
        acc = IntType(int(least.min()), int(most.max()))
        weight = w[:, :, None, None]
        return hw.Hardwired("y", weight, (len(w), 1, 1), acc, self.pe, self.simd, self.digit)

    def unit(self, op: hw.Hardwired) -> HardwiredUnit:
        return HardwiredUnit.of("wired", op, self.codes)

    def inputs(self, weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Frames [6, 2, inputs] of two windows: random ones and the extremes."""
        lo, hi = self.codes.lo, self.codes.hi
        x = rng.integers(lo, hi + 1, (6, 2, self.shape[1]))
        x[1], x[2] = lo, hi
        for turn in range(2):  # both ends of what some output reaches
            row = weight[rng.integers(len(weight))]
            x[3, turn] = np.where(row > 0, *((hi, lo) if turn else (lo, hi)))
        return x


def span(top: int) -> tuple[int, ...]:
    return tuple(range(-top, top + 1))


BYTE = IntType(-128, 127)
CASES = {
    "a_bit_a_cycle": Case((6, 9), 2, 3, 1, BYTE, span(31)),
    "two_bits": Case((5, 7), 5, 7, 2, IntType(-127, 127), span(31)),
    "three_bits_unsigned": Case((4, 10), 1, 2, 3, IntType(0, 255), span(7)),
    "unsigned_codes": Case((6, 8), 3, 8, 1, IntType(0, 63), span(15)),
    "ternary": Case((12, 16), 4, 4, 1, BYTE, (-1, 0, 1)),
    "wider_than_a_result": Case((3, 2), 3, 2, 8, IntType(0, 3), (-1, 1)),
    "many_words": Case((16, 3), 1, 1, 4, IntType(0, 15), span(3)),
    "one_weight": Case((1, 1), 1, 1, 1, BYTE, (5,)),
    "negative_weights": Case((3, 5), 3, 5, 2, BYTE, (-4, -2, -1)),
    "even_weights": Case((4, 5), 2, 5, 1, IntType(0, 15), (-12, -4, 0, 4, 24)),
    "all_zero": Case((3, 4), 3, 4, 1, BYTE, (0,)),
    "one_bit_codes": Case((4, 6), 2, 3, 2, IntType(0, 1), span(5)),
    "codes_of_one_value": Case((2, 3), 2, 3, 1, IntType(0, 0), (4, 12)),
}


def random_case(rng: np.random.Generator) -> Case:
    """Any shape, codes of 1 to 10 bits, weights of 1 to 8, all digits."""
    pe, words, simd, beats = (int(v) for v in rng.integers(1, [5, 5, 5, 6]))
    bits, top, digit = int(rng.integers(1, 11)), int(rng.integers(1, 128)), int(rng.integers(1, 9))
    low = -(1 << bits - 1) if rng.integers(2) else 0
    codes = IntType(low, low + (1 << bits) - 1)
    return Case((pe * words, simd * beats), pe, simd, digit, codes, span(top))


def bench_of(
    unit: HardwiredUnit, folder: Path, text: str | None = None, *, lint: bool = True
) -> Bench:
    folder.mkdir(exist_ok=True)
    (folder / f"{unit.name}.v").write_text(text or unit.verilog())
    return Bench.build(
        dut=unit.name,
        sources=[folder / f"{unit.name}.v", LIBRARY],
        inputs={"s_axis": unit.simd * unit.plan.act.bits},
        outputs={"m_axis": unit.pe * unit.plan.acc_bits},
        build_dir=folder / "sim",
        lint=lint,
    )


def beats_of(case: Case, op: hw.Hardwired, x: np.ndarray) -> tuple[dict[str, Beats], ...]:
    y = x @ op.weight[:, :, 0, 0].T
    given = Beats.from_frames(x.reshape(len(x), -1, op.simd), case.codes.bits)
    wanted = Beats.from_frames(y.reshape(len(y), -1, op.pe), op.acc.bits)
    return {"s_axis": given}, {"m_axis": wanted}


def verify(case: Case, folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    op = case.op(rng)
    bench = bench_of(case.unit(op), folder)
    x = case.inputs(op.weight[:, :, 0, 0], rng)
    given, wanted = beats_of(case, op, x)
    check_stalls(bench, given, wanted, seed=seed)
    cycles = op.pace * 2 * len(x)
    check_resets(bench, given, wanted, (cycles // 3 + 8, cycles // 2 + 8), sink_stall=0.4)
    full = bench.check(given, wanted, repeat=5)
    windows = 5 * 2 * len(x)
    first = full.frame_starts["m_axis"][0]
    assert full.frame_ends["m_axis"][-1] - first + 1 == op.pace * (windows - 1) + op.words
    assert first == full.frame_starts["s_axis"][0] + op.beats - 1 + op.latency


@pytest.mark.sim
@pytest.mark.parametrize("name", CASES)
def test_exact_at_every_stall(name: str, tmp_path: Path) -> None:
    verify(CASES[name], tmp_path, seed=11)


@pytest.mark.sim
@pytest.mark.long
@pytest.mark.parametrize("seed", range(40))
def test_random_parameters(seed: int, tmp_path: Path) -> None:
    verify(random_case(np.random.default_rng(5000 + seed)), tmp_path, seed)


@pytest.mark.sim
def test_a_planted_fault_is_caught(tmp_path: Path) -> None:
    rng, case = np.random.default_rng(0), CASES["a_bit_a_cycle"]
    op = case.op(rng)
    unit = case.unit(op)
    x = case.inputs(op.weight[:, :, 0, 0], rng)
    given, wanted = beats_of(case, op, x)
    text = unit.verilog()
    faults = {
        "a carry that is not loaded": re.sub(
            r"\.start\(tok\[\d+\]\)", ".start(1'b0)", text, count=1
        ),
        "bits of the frame before": text.replace("d0 : w", "d1 : w", 1),
        "a result too early": text.replace(f"tok[{unit.plan.done}]", f"tok[{unit.plan.done - 1}]"),
    }
    for number, (what, wrong) in enumerate(faults.items()):
        assert wrong != text, what
        bench = bench_of(unit, tmp_path / str(number), wrong, lint=False)
        with pytest.raises(VerificationError):
            bench.check(given, wanted)


@pytest.mark.parametrize("name", CASES)
def test_verilator_has_no_complaint(name: str, tmp_path: Path) -> None:
    case, tools = CASES[name], find_toolchain()
    (tmp_path / "wired.v").write_text(case.unit(case.op(np.random.default_rng(0))).verilog())
    command = [str(tools.verilator), "--lint-only", "-Wall", "--language", "1364-2005"]
    done = subprocess.run(
        [*command, f"-I{RTL}", "wired.v"],
        cwd=tmp_path, env={**os.environ, **tools.env}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "%Warning" not in done.stderr


@pytest.mark.synth
def test_yosys_finds_no_latch_and_no_conflict(tmp_path: Path) -> None:
    shutil.copy(LIBRARY, tmp_path)
    files = [Path(LIBRARY.name)]
    for name, case in CASES.items():
        unit = case.unit(case.op(np.random.default_rng(0)))
        files.append(Path(f"{name}.v"))
        text = unit.verilog().replace("module wired (", f"module {name} (")
        (tmp_path / files[-1]).write_text(text)
    text = "".join(f"{name} u_{name} ();\n" for name in CASES)
    (tmp_path / "all.v").write_text(f"module all ();\n{text}endmodule\n")
    check_rtl([*files, Path("all.v")], "all", tmp_path)


CONVOLUTIONS = {  # kernel, stride, SIMD
    "overlapping": ((3, 3), (1, 2), 2),
    "pixels": ((1, 1), (1, 1), 4),
    "all_of_the_frame": ((5, 6), (1, 1), 1),
}


@pytest.mark.sim
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution_from_pixels_to_results(name: str, tmp_path: Path) -> None:
    kernel, stride, simd = CONVOLUTIONS[name]
    codes, rng = IntType(0, 15), np.random.default_rng(4)
    weight = rng.integers(-7, 8, (6, 4, *kernel))
    x = rng.integers(0, 16, (3, 5, 6, 4))  # frames, rows, columns, channels
    patches = np.lib.stride_tricks.sliding_window_view(x, kernel, (1, 2))
    patches = patches[:, :: stride[0], :: stride[1]]
    y = np.einsum("fijckl,ockl->fijo", patches, weight)
    top = int(np.abs(weight).sum((1, 2, 3)).max()) * 15
    op = hw.Hardwired("y", weight, (6, *y.shape[1:3]), IntType(-top, top), 2, simd, 2)
    window = op.fed_by(make_window((4, 5, 6), kernel, stride, (1, 1), 1, 1))
    assert isinstance(window, hw.Straight) == (name != "overlapping")
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (4, 5, 6), codes, simd))
    graph.add("window", window, ["x"])
    graph.add("conv", op, ["window"])
    graph.add("end", hw.Sink(lanes=2), ["conv"])
    design, result = make_design(graph, "top"), graph.type("conv")
    for path, text in design.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    bench = Bench.build(
        dut="top_core",
        sources=[tmp_path / path for path in design.sources if path != "top.v"],
        inputs={"s_axis": graph.type("x").width},
        outputs={"m_axis": result.width},
        build_dir=tmp_path / "sim",
    )
    given = {"s_axis": Beats.from_frames(x.reshape(3, -1, simd), 4)}
    wanted = {"m_axis": Beats.from_frames(y.reshape(3, -1, 2), result.elem.bits)}
    free = check_stalls(bench, given, wanted)
    beats = np.diff(free.frame_ends["m_axis"])
    frame = max(
        graph.op(n).cycles([graph.type(v) for v in graph.inputs(n)], graph.types(n)) for n in graph
    )
    assert beats[-1] == frame
