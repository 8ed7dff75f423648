"""Costs, cycles and latency of whole pipelines."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from qcompiler.errors import QCompilerError
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.devices import device
from qcompiler.estimate.model import module_cost
from qcompiler.estimate.report import estimate
from qcompiler.estimate.timing import arrival_times, frame_latency
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType

CODES = IntType(0, 15)


def _layer(graph: Graph, name: str, feed: Value | str, out: int, *, pe: int, simd: int) -> Value:
    """A 3x3 convolution that keeps the size, requantized to 4 bits."""
    channels = graph.type(feed).shape[0]
    rng = np.random.default_rng(len(name))
    weight = rng.integers(-7, 8, (out, channels, 3, 3)).astype(np.int64)
    plan = encode(weight)
    size = graph.type(feed).shape[1:]
    array = hw.BitSerialArray(
        name, weight, plan.signs, plan.exps, (out, *size), IntType(-9000, 9000),
        pe=pe, simd=simd, planes=len(plan.signs),
    )  # fmt: skip
    lanes = graph.type(feed).lanes
    padded = graph.add(f"{name}_pad", hw.Pad("p", (1, 1, 1, 1), 0, lanes=lanes), [feed])
    if lanes != simd:
        padded = graph.add(f"{name}_width", hw.Adapter(simd), [padded])
    window = hw.Window((3, 3), repeat=array.repeat, rows=6, lanes=simd)
    windowed = graph.add(f"{name}_window", window, [padded])
    summed = graph.add(name, array, [windowed])
    steps = np.sort(rng.integers(-4000, 4000, (out, 15)), axis=1).astype(np.int64)
    table = np.tile(np.arange(16), (out, 1))
    return graph.add(f"{name}_q", hw.Threshold("q", steps, table, CODES, lanes=pe), [summed])


def _network(layers: int, size: int, channels: int = 16) -> Graph:
    graph = Graph("hardware")
    value = graph.add("x", hw.Source("x", (channels, size, size), CODES, 4))
    for k in range(layers):
        value = _layer(graph, f"conv{k}", value, channels, pe=4, simd=8)
    graph.add("y", hw.Sink(lanes=4), [value])
    return graph


def test_the_total_is_the_sum_and_the_bottleneck_the_slowest() -> None:
    graph = _network(2, 8)
    report = estimate(graph, device("ecp5-25k"))
    assert [row.node for row in report.rows] == list(graph)
    assert report.total == Cost.sum(row.cost for row in report.rows)
    array = graph.op("conv0")
    assert report.cycles == array.rate == 8 * 8 * 4 * 9 * 2
    assert report.bottleneck in ("conv0", "conv0_window")
    assert report.frames_per_second(50.0) == pytest.approx(50e6 / report.cycles)
    assert report.frames_per_second() == pytest.approx(100e6 / report.cycles)
    assert report.latency_seconds(50.0) == pytest.approx(report.latency / 50e6)


def test_a_design_fits_or_says_what_is_short() -> None:
    report = estimate(_network(1, 8), device("ecp5-12k"))
    assert report.fits and not report.shortfalls
    assert report.utilization["LUT"] == pytest.approx(100 * report.total.lut / 12_144)
    small = replace(report, device=replace(report.device, name="tiny", luts=100, brams=0, dsps=0))
    assert not small.fits
    lut = next(short for short in small.shortages if short.resource == "lut")
    assert lut.missing == pytest.approx(report.total.lut - 100) and lut.ratio > 1
    array = next(row.cost.lut for row in report.rows if row.node == "conv0")
    text = next(text for text in small.shortfalls if "LUT" in text)
    assert f"LUT needed, tiny has 100, {lut.missing:.0f} too few (" in text
    assert f"conv0 {array:.0f}" in text and "others " in text
    assert small.utilization["DSP"] == 0.0


def test_a_stream_through_registers_takes_its_beats() -> None:
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (4, 3, 3), CODES, 2))
    graph.add("f", hw.Fifo(4), ["x"])
    graph.add("y", hw.Sink(lanes=2), ["f"])
    times = arrival_times(graph)
    np.testing.assert_array_equal(times[Value("x")], 2 * np.arange(1, 10))
    np.testing.assert_array_equal(times[Value("f")], 2 * np.arange(1, 10) + hw.Fifo.latency)


def test_a_window_waits_for_its_last_row() -> None:
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (1, 4, 4), CODES, 1))
    graph.add("w", hw.Window((3, 3), rows=6, lanes=1), ["x"])
    times = arrival_times(graph)[Value("w")]
    first = 12 + hw.Window.latency + 9  # three rows, then nine beats of the window
    np.testing.assert_array_equal(times, first + 9 * np.arange(4))


@pytest.mark.parametrize(("count", "first", "latency"), [(3, 0, 5), (15, 0, 9), (15, -8, 10)])
def test_a_search_takes_two_cycles_a_stage(count: int, first: int, latency: int) -> None:
    table = np.arange(first, first + count + 1)[None]
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (1, 2, 2), IntType(0, 99), 1))
    op = hw.Threshold("t", np.arange(1, count + 1)[None], table, IntType(-8, 15))
    graph.add("t", op, ["x"])
    times = arrival_times(graph)
    np.testing.assert_array_equal(times[Value("t")], times[Value("x")] + latency)


def test_a_join_waits_for_the_later_branch() -> None:
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (1, 4, 4), CODES, 1))
    graph.add("fork", hw.Fork(2), ["x"])
    graph.add("sum", hw.GlobalSum("s"), [Value("fork", 0)])
    graph.add("crop", hw.Slice("c", (0, 1, 1), (0, 1, 1)), [Value("fork", 1)])
    graph.add("add", hw.Add("a", 1, 1), ["sum", "crop"])
    times = arrival_times(graph)
    assert times[Value("crop")][0] < times[Value("sum")][0] < times[Value("add")][0]


def test_latency_lies_between_the_slowest_module_and_all_in_sequence() -> None:
    graph = _network(3, 16)
    report = estimate(graph, device("ecp5-85k"))
    assert report.cycles < report.latency < 3 * report.cycles
    assert frame_latency(graph) == report.latency


def test_a_deep_network_takes_milliseconds() -> None:
    graph = _network(20, 32)
    estimate(graph, device("ecp5-85k"))
    start = time.perf_counter()
    estimate(graph, device("ecp5-85k"))
    assert time.perf_counter() - start < 1.0  # 30 ms on an idle core


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(QCompilerError, match="no cost model for family 'nexus'"):
        module_cost(hw.Fork(2), [], [], "nexus")


def test_costs_add_and_print() -> None:
    total = Cost(1.5, 2, 3, 4, 5, 6) + Cost(1, 1, 1, 1, 1, 1)
    assert str(total) == "2 LUT, 3 FF, 7 carry, 4 BRAM, 5 DSP, 6 memory bits"
