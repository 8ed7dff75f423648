"""The clock model: stages of modules, the slowest of a design, grades."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qcompiler.estimate.accuracy import clock_error
from qcompiler.estimate.devices import FAMILY, device
from qcompiler.estimate.fmax import (
    BLOCK,
    LUT_RAM,
    OUTPUT,
    REGISTER,
    Stage,
    design_clock,
    has_clock_model,
    ready_hops,
    slowest_stage,
    stages,
)
from qcompiler.estimate.fmax_coefficients import DELAYS, GRADES, IN_DESIGN
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.types import IntType
from qcompiler.report.clock import clock_line
from tests.estimate.test_savings import layers


def test_a_stage_costs_what_it_is_made_of() -> None:
    parts = DELAYS["ecp5"]
    assert Stage("none").delay("ecp5") == pytest.approx(parts[REGISTER])
    long = Stage("long", BLOCK, luts=2, bits=10, multipliers=1, fan=8)
    expected = parts[BLOCK] + 2 * parts["lut"] + parts["chain"] + 10 * parts["bit"]
    expected += parts["multiplier"] + parts["fan"]  # the cube root of 8, less one
    assert long.delay("ecp5") == pytest.approx(expected)
    assert parts[BLOCK] > parts[LUT_RAM] > parts[REGISTER]
    assert parts[BLOCK] > parts[OUTPUT] + 3


def _starts(graph: Graph, name: str) -> set[str]:
    inputs = [graph.type(v) for v in graph.inputs(name)]
    return {stage.start for stage in stages(graph.op(name), inputs, graph.types(name), "ecp5")}


def test_reading_ahead_leaves_the_block_ram_a_cycle_of_its_own() -> None:
    graph = layers(8)
    ahead = graph.op("conv0")
    banks = replace(ahead, ahead=False)
    inputs = [graph.type(v) for v in graph.inputs("conv0")]
    slow = max(s.delay("ecp5") for s in stages(banks, inputs, graph.types("conv0"), "ecp5"))
    quick = slowest_stage(graph, "conv0", "ecp5")
    assert quick is not None and slow > quick.delay("ecp5")
    assert BLOCK in {s.start for s in stages(banks, inputs, graph.types("conv0"), "ecp5")}


def test_weights_in_luts_wait_for_no_block_ram() -> None:
    graph = layers(8)
    inputs = [graph.type(v) for v in graph.inputs("conv0")]
    found = stages(graph.op("conv0").in_luts(), inputs, graph.types("conv0"), "ecp5")
    (table,) = (stage for stage in found if stage.what == "weight ROM")
    assert table.bits > 0 and {s.start for s in found} == {REGISTER}


def _pipeline(depth: int) -> Graph:
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (8, 8, 8), IntType(0, 255), 8))
    graph.add("pad", hw.Pad("p", (1, 1, 1, 1), 0, lanes=8), ["x"])
    graph.add("fifo", hw.Fifo(depth), ["pad"])
    table = np.arange(256)
    graph.add("map", hw.Lookup("t", table, IntType(0, 255), lanes=8), ["fifo"])
    graph.add("y", hw.Sink(lanes=8), ["map"])
    return graph


def test_the_slowest_module_decides() -> None:
    small, large = _pipeline(2), _pipeline(600)
    assert LUT_RAM not in _starts(small, "fifo") and BLOCK in _starts(large, "fifo")
    clock = design_clock(large, "ecp5")
    assert (clock.node, clock.stage.start) == ("fifo", BLOCK)
    delay = clock.stage.delay("ecp5") * IN_DESIGN["ecp5"]
    assert clock.mhz == pytest.approx(1000 / delay) and clock.error == clock_error("ecp5")
    assert design_clock(small, "ecp5").mhz > clock.mhz
    by_grade = [design_clock(large, "ecp5", grade).mhz for grade in (6, 7, 8)]
    assert by_grade[0] == clock.mhz < by_grade[1] < by_grade[2]
    assert set(GRADES["ecp5"]) == set(FAMILY["ecp5"].speeds)


def test_a_fifo_cuts_the_chain_of_readies() -> None:
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (8, 8, 8), IntType(0, 15), 8))
    graph.add("window", hw.Window((2, 2), (2, 2), rows=4, lanes=8), ["x"])
    graph.add("pool", hw.MaxPool("m", (8, 4, 4), lanes=8), ["window"])
    graph.add("map", hw.Lookup("t", np.arange(16), IntType(0, 15), lanes=8), ["pool"])
    graph.add("fifo", hw.Fifo(2), ["map"])
    graph.add("y", hw.Sink(lanes=8), ["fifo"])
    assert [ready_hops(graph, name) for name in ("window", "pool", "fifo")] == [2, 1, 0]
    stage = slowest_stage(graph, "window", "ecp5")
    assert stage is not None and (stage.what, stage.luts) == ("ready chain", 3.2)


def test_the_line_about_the_clock() -> None:
    graph = _pipeline(600)
    text = clock_line(graph, device("ecp5-25k"), 1000)
    mhz = design_clock(graph, "ecp5").mhz
    assert f"about {mhz:.0f} MHz on grade 6, " in text and "on grade 8" in text
    assert f"{mhz * 1000:,.0f} frames/s" in text and "bound by fifo (memory)" in text
    assert not has_clock_model("xc7")
    assert clock_line(graph, device("xc7a35t"), 1000).startswith("there is no clock model for xc7")
