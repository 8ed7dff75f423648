"""Forks, and FIFOs whose depths can be worked out by hand."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest

from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.planes import encode
from qcompiler.ir.rates import bottleneck
from qcompiler.ir.types import IntType
from qcompiler.passes.base import run_passes
from qcompiler.passes.connect import InsertForks, SizeFifos, burst_fifos, fifo_bits
from qcompiler.passes.demands import Demands, dominators
from tests.graphs import folding_space, lowered

NIBBLE = IntType(0, 15)


def residual(lanes: int = 1, channels: int = 1) -> Graph:
    """x -> (pad, 3x3 window, array, thresholds) + x, over 4x4 pixels."""
    shape = (channels, 4, 4)
    weight = np.ones((channels, channels, 3, 3), np.int64)
    acc = IntType(0, 15 * 9 * channels)
    array = hw.BitSerialArray("conv", weight, (1,), (0,), shape, acc, pe=lanes, simd=lanes)
    none, zero = np.zeros((channels, 0), np.int64), np.zeros((channels, 1), np.int64)
    steps = hw.Threshold("q", none, zero, NIBBLE, lanes=lanes)
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", shape, NIBBLE, lanes))
    graph.add("pad", hw.Pad("pad", (1, 1, 1, 1), 0, lanes=lanes), ["x"])
    window = hw.Window((3, 3), repeat=array.repeat, rows=6, lanes=lanes)
    graph.add("window", window, ["pad"])
    graph.add("conv", array, ["window"])
    graph.add("q", steps, ["conv"])
    graph.add("sum", hw.Add("sum", 1, 1, lanes=lanes), ["q", "x"])
    graph.add("y", hw.Sink(lanes=lanes), ["sum"])
    return graph


# Output row r of the convolution reads padded rows r … r+2, i.e. all of input row r+1, the last of
# which is row 3. A window fetches whole rows.
FIRST = [*[8] * 4, *[12] * 4, *[16] * 8]
BRANCH = [0, *FIRST, *(16 + n for n in FIRST)]


def test_demands_of_a_residual() -> None:
    demands = Demands(residual(), "x", 144)
    np.testing.assert_array_equal(demands.demand(Value("q"), False), BRANCH)
    np.testing.assert_array_equal(demands.demand(Value("x"), False), np.arange(33))
    np.testing.assert_array_equal(demands.demand(Value("sum"), False), BRANCH)
    # one row of prefetch: each row asks for what the next one needs, the last for the next frame's
    ahead = [0, *[12] * 4, *[16] * 8, *[24] * 4, *[28] * 4, *[32] * 8, *[40] * 4]
    np.testing.assert_array_equal(demands.demand(Value("q"), True), ahead)
    np.testing.assert_array_equal(demands.demand(Value("x"), True), np.arange(33))


def test_depths_of_a_residual() -> None:
    """On the skip, 12 pixels have come when the first is taken (with prefetch), and 16 for the
    fifth, so 12 wait: 12 + 1 on the way, plus slack. Behind the array at most 8 wait: its last two
    rows, which need no more input than the row before."""
    demands = Demands(residual(), "x", 144)
    assert demands.depths("sum", 0) == [8 + 1, 12 + 1]
    assert demands.depths("sum", 2) == [8 + 3, 12 + 3]


def test_depths_are_in_beats() -> None:
    graph = residual(lanes=2, channels=6)
    assert Demands(graph, "x", 144).depths("sum", 2) == [9 * 3 + 2, 13 * 3 + 2]


def test_what_lies_before_both_branches_counts_for_nothing() -> None:
    """A second convolution before the fork fetches a row ahead for both."""
    graph = residual()
    trunk = residual()
    for name in ("pad", "window", "conv", "q"):
        graph.add(f"trunk_{name}", trunk.op(name), [graph_input(trunk, name)])
    graph.reconnect("pad", 0, "trunk_q")
    graph.reconnect("sum", 1, "trunk_q")
    after = run_passes(graph, [InsertForks(), SizeFifos(slack=2)])
    assert [after.op(f"sum_fifo{k}").depth for k in (0, 1)] == [8 + 3, 12 + 3]


def graph_input(graph: Graph, name: str) -> str:
    """The node before ``name``, by the name that it has in a trunk."""
    node = graph.inputs(name)[0].node
    return node if node == "x" else f"trunk_{node}"


def test_dominators() -> None:
    graph = residual()
    graph.add("outer", hw.Add("outer", 1, 1), ["sum", "conv"])
    found = dominators(graph)
    assert found["x"] == "x" and found["conv"] == "window" and found["q"] == "conv"
    assert found["sum"] == "x" and found["y"] == "sum"
    assert found["outer"] == "x"
    graph.reconnect("sum", 1, "conv")
    assert dominators(graph)["sum"] == "conv"
    assert dominators(graph)["outer"] == "conv"


def test_equal_branches_hold_one_pixel_and_one_on_the_way() -> None:
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (2, 3, 3), NIBBLE))
    graph.add("sum", hw.Add("sum", 1, 1), ["x", "x"])
    graph.add("y", hw.Sink(), ["sum"])
    after = run_passes(graph, [InsertForks(), SizeFifos(slack=0)])
    assert [after.op(f).depth for f in after.find(hw.Fifo)] == [2 * 2, 2 * 2]


def test_forks_and_fifos_are_put_in_place() -> None:
    after = run_passes(residual(), [InsertForks(), SizeFifos()])
    assert after.users("x") == [("x_fork", 0)]
    assert after.op("x_fork").outputs == 2
    assert after.inputs("sum") == [Value("sum_fifo0"), Value("sum_fifo1")]
    assert after.op("sum_fifo0").depth == 11 and after.op("sum_fifo1").depth == 15
    assert after.inputs("sum_fifo0") == [Value("q")]
    assert after.inputs("sum_fifo1")[0].node == "x_fork"
    # the border must not hold up the skip: 14 pixels of it, 16 beats in 144 cycles, 2 come
    assert after.op("pad_fifo").depth == 2 + 1 + 2
    graph = residual()
    graph.reconnect("sum", 1, "q")
    after = run_passes(graph, [InsertForks(), SizeFifos()])
    assert "pad_fifo" not in after, "the network input alone may wait"
    wide = residual(lanes=2, channels=4)
    wide.reconnect("sum", 1, "q")
    wide.replace("x", hw.Source("x", (4, 4, 4), NIBBLE, 2))
    narrow = wide.insert("narrow", hw.Adapter(1), "x")
    wide.insert("wide", hw.Adapter(2), narrow)
    after = run_passes(wide, [InsertForks(), SizeFifos()])
    assert after.find(hw.Adapter) and "pad_fifo" not in after, "also through an adapter"


def test_bits_of_fifos_and_of_frames() -> None:
    """Before the join 11 and 15 beats of 4 bits where a frame has 16, before the border 5."""
    after = run_passes(residual(), [InsertForks(), SizeFifos()])
    assert fifo_bits(after) == ((11 + 15 + 5) * 4, (16 + 16 + 5) * 4)
    deep = after.copy()
    deep.replace("sum_fifo1", hw.Fifo(20))
    assert fifo_bits(deep) == ((11 + 20 + 5) * 4, (16 + 20 + 5) * 4), "more than a frame counts"
    burst = run_passes(bursts(lanes=1), [SizeFifos()])
    width = burst.type("conv_fifo").width
    assert fifo_bits(burst) == (3 * width, 3 * width), "no join"


def test_a_border_in_the_middle_gets_a_fifo() -> None:
    graph = residual()
    graph.insert("again", hw.Pad("again", (1, 1, 1, 1), 0), "sum")
    after = run_passes(graph, [InsertForks(), SizeFifos()])
    # 2 rows of 6 and 2 pixels are written while nothing is taken; in the 16 beats of 144 cycles
    # that come, -(-14 * 16 // 144) = 2 arrive
    assert after.op("again_fifo").depth == 2 + 1 + 2


def test_a_border_waits_for_what_is_behind_it() -> None:
    """An adapter to one lane takes two cycles for each pixel of the border."""
    graph = residual(lanes=2, channels=2)
    graph.insert("again", hw.Pad("again", (1, 1, 1, 1), 0, lanes=2), "sum")
    again = run_passes(graph, [InsertForks(), SizeFifos()]).op("again_fifo").depth
    graph.insert("wide", hw.Adapter(2), graph.insert("narrow", hw.Adapter(1), "again"))
    after = run_passes(graph, [InsertForks(), SizeFifos()])
    frame = bottleneck(graph)[1]
    assert after.op("again_fifo").depth == ceil(14 * 2 * 16 / frame) + 1 + 2 > again


def test_left_alone() -> None:
    graph = residual()
    graph.replace("sum", hw.Add("sum", 1, 1))
    graph.reconnect("y", 0, "q")
    graph.discard("sum")
    assert str(run_passes(graph, [InsertForks(), SizeFifos()])) == str(graph)


@pytest.mark.parametrize("seed", range(10))
def test_every_join_and_every_stream_of_random_networks(seed: int) -> None:
    space = folding_space(lowered(seed)[1])
    after = run_passes(space.balanced(space.slowest() // 4), [InsertForks(), SizeFifos()])
    for name in after:
        many = isinstance(after.op(name), hw.Fork)
        for port in range(len(after.types(name))):
            users = after.users(name, port)
            assert len(users) == (0 if isinstance(after.op(name), hw.Sink) else 1), (name, many)
        if isinstance(after.op(name), hw.Add | hw.Concat):
            assert all(isinstance(after.op(v.node), hw.Fifo) for v in after.inputs(name))


@pytest.mark.parametrize("seed", range(10))
def test_demands_grow_from_frame_to_frame(seed: int) -> None:
    graph = lowered(seed)[1]
    source = graph.only(hw.Source)
    demands = Demands(graph, source, bottleneck(graph)[1])
    total = graph.type(source).pixels
    for name in graph:
        plain, ahead = (demands.demand(Value(name), a) for a in (False, True))
        for need in (plain, ahead):
            assert need[0] == 0 and (np.diff(need) >= 0).all(), name
        assert (ahead >= plain).all(), name
        frame = graph.type(name).positions
        first, second = plain[1 : frame + 1], plain[frame + 1 :]
        some = first > 0  # a border that comes first needs nothing of its own frame
        np.testing.assert_allclose(first[some] + total, second[some])


def bursts(lanes: int, per_fold: bool = True, bits: int = 0) -> Graph:
    """An array of two PEs with results after 6, 1 and 1 cycles, then thresholds on some lanes.

    Args:
        bits: Of the count, found one a cycle.
    """
    weight = np.zeros((6, 2, 1, 1), np.int64)
    weight[:2, :, 0, 0] = [[-32, 21], [10, 1]]
    weight[2:] = 1
    planes = encode(weight)
    array = hw.BitSerialArray(
        "conv", weight, planes.signs, planes.exps, (6, 4, 4), IntType(-9999, 9999)
    ).folded(2, 2, 1, per_fold)
    thresholds = np.zeros((6, (1 << bits) - 1), np.int64)
    table = np.zeros((6, 1 << bits), np.int64)
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (2, 4, 4), NIBBLE, 2))
    window = hw.Window((1, 1), repeat=array.repeat, rows=2, reshape=(2, 16, 1), lanes=2)
    graph.add("window", window, ["x"])
    graph.add("conv", array, ["window"])
    steps = hw.Threshold("q", thresholds, table, NIBBLE, lanes=lanes, serial=bits > 0)
    behind = "conv" if lanes == 2 else graph.add("width", hw.Adapter(lanes), ["conv"])
    graph.add("q", steps, [behind])
    graph.add("y", hw.Sink(lanes=lanes), ["q"])
    return graph


def test_bursts_of_results_wait_in_a_fifo() -> None:
    """Three results take six beats on one lane, and eight cycles to compute."""
    after = run_passes(bursts(lanes=1), [SizeFifos()])
    assert after.inputs("width") == [Value("conv_fifo")]
    assert after.op("conv_fifo").depth == 3
    assert burst_fifos(after) == {"conv": "conv_fifo"}
    assert burst_fifos(run_passes(residual(), [InsertForks(), SizeFifos()])) == {}


def test_bursts_wait_for_a_search_of_a_bit_a_cycle() -> None:
    """Three results take six cycles for two bits, and three for one; two of them come in two."""
    after = run_passes(bursts(lanes=2, bits=2), [SizeFifos()])
    assert after.inputs("q") == [Value("conv_fifo")]
    assert run_passes(bursts(lanes=2, bits=1), [SizeFifos()]).find(hw.Fifo) == []


@pytest.mark.parametrize(("lanes", "per_fold"), [(2, True), (1, False)])
def test_no_fifo_where_results_come_no_faster_than_they_leave(lanes: int, per_fold: bool) -> None:
    after = run_passes(bursts(lanes, per_fold), [SizeFifos()])
    assert after.find(hw.Fifo) == []
