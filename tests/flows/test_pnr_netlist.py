"""Netlists for place and route: whose a cell is, and when a block RAM takes a register."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from qcompiler.errors import ToolFailedError
from qcompiler.flows.pnr_netlist import TOP, Netlist, scope
from qcompiler.flows.pnr_registers import absorb_output_registers
from qcompiler.flows.pnr_report import Names, critical_path, fmax, signal, slowest, used
from qcompiler.flows.yosys import run_script
from tests.flows.ecp5_cells import cell, netlist, same_outputs


def flip_flop(d: int, q: int) -> dict[str, Any]:
    return cell("TRELLIS_FF", {"CLK": [2], "DI": [d], "LSR": ["0"]}, {"Q": [q]})


def lut(a: int, z: int) -> dict[str, Any]:
    return cell("LUT4", {"A": [a]}, {"Z": [z]})


def test_scopes() -> None:
    assert scope("dut.core.u_conv1.acc[0].q_TRELLIS_FF_Q") == "conv1"
    assert scope("core.u_wide__up.data_q") == "wide"
    assert scope("core.conv1_tdata") is None
    assert scope("core.u_net_tdata") is None  # the stream of a node called u_net
    assert scope("core.u_u_net.data_q") == "u_net"


def test_a_register_belongs_to_the_node_that_drives_it() -> None:
    """Its cell is named after a port of the next node; the names of its net tell."""
    cells = {
        "core.u_b.s_axis_tdata_TRELLIS_FF_Q": flip_flop(11, 10),
        "core.u_b.s_axis_tdata_TRELLIS_FF_Q_DI_LUT4_Z": lut(12, 11),
        "core.a_tdata_TRELLIS_FF_Q": flip_flop(13, 12),
        "in_q_TRELLIS_FF_Q": flip_flop(14, 13),
    }
    names = {
        "core.u_a.m_axis_tdata": [10],
        "core.u_b.s_axis_tdata": [10],
        "core.u_b.other_q": [20],
        "core.a_tdata": [12],  # the stream of node a
        "in_q": [13],
        "core.u_a.s_axis_tdata": [13],  # driven from outside
        "core.u_b.s_axis_tdata_TRELLIS_FF_Q_DI": [11],
    }
    found = netlist(cells, names)
    assert list(found.node_of.values()).count("a") == 3
    assert found.node_of["in_q_TRELLIS_FF_Q"] == TOP
    counted = found.cells_of_nodes("ecp5")
    assert (counted["a"].ff, counted["a"].lut, counted[TOP].ff) == (2, 1, 1)


NAMES = ["conv1", "conv1_window", "conv10", "conv1_0", "conv", "u_1", "fork"]


@pytest.mark.parametrize("node", NAMES)
def test_names_that_begin_or_end_alike(node: str) -> None:
    """Registers in each of them, on each wire between them, and logic in front, are told apart."""
    cells: dict[str, Any] = {}
    names: dict[str, list[int]] = {}
    for k, name in enumerate(NAMES):
        inside, wire, out, before = range(100 + 10 * k, 104 + 10 * k)
        cells[f"core.u_{name}.x_q_TRELLIS_FF_Q"] = flip_flop(before, inside)
        cells[f"core.{name}_tdata_TRELLIS_FF_Q"] = flip_flop(inside, wire)  # by the stream's name
        cells[f"core.u_other.s_axis_tdata_TRELLIS_FF_Q_{k}"] = flip_flop(wire, out)
        cells[f"$abc${k}"] = lut(wire, before)
        names |= {f"core.u_{name}.x_q": [inside], f"core.{name}_tdata": [wire]}
        names |= {f"core.u_{name}.m_axis_tdata": [out], f"core.u_other.s_axis_tdata{k}": [90]}
    names |= {"core.fork_0_tdata": [80], "core.fork_1_tvalid": [81]}
    cells["core.fork_0_tdata_TRELLIS_FF_Q"] = flip_flop(100, 80)
    cells["core.fork_1_tvalid_TRELLIS_FF_Q"] = flip_flop(100, 81)
    counted = netlist(cells, names).cells_of_nodes("ecp5")
    assert (counted[node].ff, counted[node].lut) == (5 if node == "fork" else 3, 1)


def test_a_net_that_is_an_input_wherever_it_is_named_belongs_outside() -> None:
    """Logic without a name serves the node with most readers."""
    cells = {
        "core.u_a.s_axis_tdata_TRELLIS_FF_Q": flip_flop(11, 10),
        "l": lut(20, 21),
        "core.u_a.p_q_TRELLIS_FF_Q": flip_flop(21, 30),
        "core.u_b.p_q_TRELLIS_FF_Q": flip_flop(21, 31),
        "core.u_b.r_q_TRELLIS_FF_Q": flip_flop(21, 32),
    }
    names = {
        "core.u_a.s_axis_tdata": [10],
        "core.u_b.s_axis_tdata": [10],
        "padded_q": [10],
        "core.u_a.p_q": [30],
        "core.u_b.p_q": [31],
        "core.u_b.r_q": [32],
    }
    found = netlist(cells, names).node_of
    assert found["core.u_a.s_axis_tdata_TRELLIS_FF_Q"] == TOP
    assert found["l"] == "b"


def test_ready_runs_backwards_and_names_of_tools_tell_nothing() -> None:
    cells = {
        "core.u_b.m_axis_tready_TRELLIS_FF_Q": flip_flop(11, 10),
        "core.u_c.x_TRELLIS_FF_Q": flip_flop(12, 13),
        "core.u_d.y_TRELLIS_FF_Q": flip_flop(12, 14),
    }
    names = {
        "core.u_b.m_axis_tready": [10],
        "core.u_c.s_axis_tready": [10],
        "core.u_a.q_LUT4_Z_1": [13],
        "core.u_c.x": [13],
        "core.u_a.hidden": [14],
        "core.u_d.y": [14],
    }
    found = netlist(cells, names)
    found.module["netnames"]["core.u_a.hidden"]["hide_name"] = 1
    assert list(found.node_of.values()) == ["c", "c", "d"]


def test_a_second_name_within_the_reader_and_a_ready_of_no_node() -> None:
    cells = {
        "core.u_b.seen_TRELLIS_FF_Q": flip_flop(11, 10),
        "core.u_c.room_q_TRELLIS_FF_Q": flip_flop(12, 13),
    }
    names = {
        "core.u_z.q": [10],
        "core.u_b.s_axis_tdata": [10],
        "core.u_b.seen": [10],  # assigned from the port
        "core.c_tready": [13],  # a stream's ready is not made by who makes its data
    }
    assert list(netlist(cells, names).node_of.values()) == ["z", "c"]


# ---- output registers of block RAM ---------------------------------------------------------------

HEAD = (
    "(input wire clk, input wire rst, input wire en, input wire go, input wire [8:0] a, {out});\n"
)
ROM = """
    reg [35:0] rom [0:511];
    integer k;
    initial for (k = 0; k < 512; k = k + 1) rom[k] = (k + 1) * 64'h9E3779B97F4A7C15 >> 13;
    reg [35:0] word_q;
"""
BODIES = {
    "same": ("output reg [35:0] q", "if (en) begin word_q <= rom[a]; q <= word_q; end"),
    "every": ("output reg [35:0] q", "begin word_q <= rom[a]; q <= word_q; end"),
    "wider": (
        "output reg [35:0] q",
        "begin if (en || go) word_q <= rom[a]; if (en) q <= word_q; end",
    ),
    "held": ("output reg [35:0] q", "begin if (en) word_q <= rom[a]; q <= word_q; end"),
    "other": ("output reg [35:0] q", "begin if (en) word_q <= rom[a]; if (go) q <= word_q; end"),
    "reset": (
        "output reg [35:0] q",
        "begin if (en) begin word_q <= rom[a]; q <= word_q; end if (rst) q <= 0; end",
    ),
    "logic": ("output reg [35:0] q", "if (en) begin word_q <= rom[a]; q <= ~word_q; end"),
    "read_reset": (  # which clears the output register too, were it used
        "output reg [35:0] q",
        "begin if (rst) word_q <= 0; else if (en) word_q <= rom[a]; if (en) q <= word_q; end",
    ),
    "seen": (
        "output reg [35:0] q, output wire [35:0] w",
        "if (en) begin word_q <= rom[a]; q <= word_q; end assign w = word_q;",
    ),
}
TAKEN = {"same", "every", "wider"}


@pytest.mark.synth
def test_registers_move_into_the_block_where_nothing_else_changes(tmp_path: Path) -> None:
    """Also not where the register would move while the port waits, or somebody else reads."""
    text = "".join(
        f"module {name} {HEAD.format(out=out)}{ROM}always @(posedge clk) {body}\nendmodule\n"
        for name, (out, body) in BODIES.items()
    )
    (tmp_path / "t.v").write_text(text)
    for name in BODIES:
        commands = ["read_verilog t.v", f"synth_ecp5 -top {name}", f"write_json {name}.json"]
        run_script("\n".join(commands) + "\n", cwd=tmp_path, folder=name)
        found = Netlist(json.loads((tmp_path / f"{name}.json").read_text()), name)
        blocks = [c for c in found.cells.values() if c["type"] == "DP16KD"]
        before, original = _flip_flops(found), deepcopy(found.module)
        assert before == 36 and len(blocks) == 1, name
        taken = absorb_output_registers(found)
        assert (taken, _flip_flops(found)) == ((1, 0) if name in TAKEN else (0, 36)), name
        assert same_outputs(original, found.module) if taken else original == found.module, name
        modes = {blocks[0]["parameters"][f"REGMODE_{half}"] for half in "AB"}
        assert modes == {"OUTREG" if taken else "NOREG"}, name
        if taken:  # the outputs are the ports now, enabled as the registers were
            after = Netlist(found.document, name)
            q = found.module["ports"]["q"]["bits"]
            assert all(found.cells[after.drivers[bit]]["type"] == "DP16KD" for bit in q), name
            enable = blocks[0]["connections"]["OCEB"][0]
            inputs = {"same": "en", "wider": "en"}.get(name)
            driver = found.cells.get(after.drivers.get(enable, ""))
            reached = enable if driver is None else driver["connections"]["A"][0]
            want = found.module["ports"][inputs]["bits"][0] if inputs else "1"
            assert reached == want, name


PRODUCT = "module {name} (input wire clk, input wire en, input wire go, input wire signed [8:0] a,"
PRODUCT += " input wire signed [8:0] b, output reg signed [{top}:0] q);\n"
PRODUCT += "    always @(posedge clk) {body}\nendmodule\n"


@pytest.mark.synth
def test_a_product_goes_to_the_register_of_its_multiplier(tmp_path: Path) -> None:
    """Where all of it moves at once; a sum behind it keeps its register."""
    bodies = {
        "at_once": "if (en) q <= a * b;",
        "wide": "if (en) q <= a * b;",
        "in_parts": "begin if (en) q[8:0] <= a * b; if (go) q[17:9] <= (a * b) >>> 9; end",
        "added": "if (en) q <= q + a * b;",
    }
    text = "".join(
        PRODUCT.format(name=name, body=body, top=21 if name == "wide" else 17)  # copies of the sign
        for name, body in bodies.items()
    )
    (tmp_path / "t.v").write_text(text)
    for name in bodies:
        commands = ["read_verilog t.v", f"synth_ecp5 -top {name}", f"write_json {name}.json"]
        run_script("\n".join(commands) + "\n", cwd=tmp_path, folder=name)
        found = Netlist(json.loads((tmp_path / f"{name}.json").read_text()), name)
        block = next(c for c in found.cells.values() if c["type"] == "MULT18X18D")
        before, original = _flip_flops(found), deepcopy(found.module)
        taken = absorb_output_registers(found)
        assert (taken, _flip_flops(found)) == (
            (1, 0) if name in ("at_once", "wide") else (0, before)
        ), name
        assert same_outputs(original, found.module) if taken else original == found.module, name
        if taken:
            after = Netlist(found.document, name)
            q = found.module["ports"]["q"]["bits"]
            assert all(found.cells[after.drivers[bit]] is block for bit in q)
            assert len(set(q)) == 18, name
            assert block["parameters"]["REG_OUTPUT_CLK"] == "CLK0"
            assert block["connections"]["CE0"] == found.module["ports"]["en"]["bits"]
            assert block["connections"]["CLK0"] == found.module["ports"]["clk"]["bits"]
        else:
            assert "REG_OUTPUT_CLK" not in block["parameters"]


def _flip_flops(found: Netlist) -> int:
    return sum(c["type"] == "TRELLIS_FF" for c in found.cells.values())


# ---- the slowest path ----------------------------------------------------------------------------


def arc(kind: str, delay: float, source: str, sink: str, port: str = "D") -> dict[str, Any]:
    ends = {"from": {"cell": source, "port": "Q"}, "to": {"cell": sink, "port": port}}
    return {"type": kind, "delay": delay, **ends}


def report_and_names() -> tuple[dict[str, Any], Names]:
    rom, carry, end = (
        "core.u_a.rom.0.0",
        "core.u_a.x_CCU2C_S0",
        "core.u_b.s_axis_tdata_TRELLIS_FF_Q",
    )
    one, two, enabled = "core.u_b.y_LUT4_Z", "core.u_b.z_LUT4_Z", "core.u_b.n_q_TRELLIS_FF_Q_3"
    cells = {
        rom: cell("DP16KD", {}, {"DOA0": [30]}),
        carry: cell("CCU2C", {"A0": [30]}, {"S0": [31]}),
        one: lut(31, 32),
        two: lut(32, 33),
        end: flip_flop(33, 34),
        enabled: flip_flop(33, 35),
    }
    names = {"core.u_a.m_axis_tdata": [31], "core.u_b.n_q": [35], "core.u_b.t_q": [34]}
    found = netlist(cells, names | {"core.u_b.y": [32], "core.u_b.z": [33], "core.u_a.rom": [30]})
    arcs = [
        arc("clk-to-q", 5.0, rom, rom),
        arc("routing", 1.0, rom, f"{carry}$CCU2_COMB0"),
        arc("logic", 0.5, f"{carry}$CCU2_COMB0", f"{carry}$CCU2_COMB1"),
        arc("logic", 0.25, f"{carry}$CCU2_COMB1", f"{carry}$CCU2_COMB1"),
        arc("routing", 0.75, carry, one),
        arc("logic", 0.25, one, one),
        arc("routing", 0.5, one, two),
        arc("logic", 0.25, two, two),
        arc("routing", 0.5, two, enabled, "CE"),
    ]
    clock = "posedge clk"
    paths = [{"from": "<async>", "to": clock, "path": [arc("routing", 99.0, end, end)]}]
    paths.append({"from": clock, "to": clock, "path": arcs})
    ends = [
        {"cell": enabled, "event": clock, "delay": [8.0, 9.0], "port": "CE"},
        {"cell": end, "event": clock, "delay": [6.0, 7.0], "port": "DI"},
        {"cell": end, "event": clock, "delay": [90.0, 99.0], "port": "DI"},  # from a pad
        {"cell": end, "event": "<async>", "delay": [8.0, 8.5], "port": "DI"},
    ]
    nets = [{"event": clock, "endpoints": ends}]
    return {"critical_paths": paths, "detailed_net_timings": nets}, Names(found)


def test_the_slowest_path_by_node() -> None:
    report, names = report_and_names()
    path = critical_path(report, names)
    assert path.ns == pytest.approx(9.0) and path.routing == pytest.approx(2.75)
    assert (path.start, path.end, path.nodes) == ("u_a.rom", "u_b.n_q (enable)", ["a", "b"])
    kinds = [(s.node, s.kind, s.cells, s.logic, s.routing) for s in path.steps]
    assert kinds == [
        ("a", "block RAM", 1, 5.0, 0.0),
        ("a", "carry chain", 1, 0.75, 1.0),
        ("b", "LUT", 2, 0.5, 1.25),
        ("b", "register", 1, 0.0, 0.5),
    ]
    assert path.text == "block RAM 5.0 -> carry chain 1.8 -> 2 LUT 1.8 (b) -> register 0.5"
    assert slowest(report, names, path.ns) == {"b": 9.0}


def test_the_set_up_time_is_the_last_step() -> None:
    """Also right behind the register where the path starts."""
    report, names = report_and_names()
    start, end = "core.u_b.n_q_TRELLIS_FF_Q_3", "core.u_b.s_axis_tdata_TRELLIS_FF_Q"
    arcs = [
        arc("clk-to-q", 0.5, start, start),
        arc("routing", 10.0, start, end),
        arc("setup", 0.125, end, end, "DI"),
    ]
    report["critical_paths"].append({"from": "posedge clk", "to": "posedge clk", "path": arcs})
    path = critical_path(report, names)
    assert [(s.kind, s.cells, s.logic, s.routing) for s in path.steps] == [
        ("register", 1, 0.5, 0.0),
        ("register", 1, 0.125, 10.0),
    ]
    assert path.ns == pytest.approx(10.625) and path.end == "u_b.s_axis_tdata"
    between = {"from": "posedge clk", "to": "posedge other", "path": [*arcs, *arcs]}
    report["critical_paths"].append(between)  # of two clocks: nobody closes timing on that
    assert critical_path(report, names).ns == pytest.approx(10.625)


def test_cells_as_nextpnr_calls_them() -> None:
    _, names = report_and_names()
    ram, sums = "core.u_b.m_q.0.0$DPRAM0_COMB", "core.u_a.x_CCU2C_S0$CCU2_COMB1"
    assert [names.kind(cell) for cell in (ram, sums, "clk$tr_io")] == [
        "LUT RAM",
        "carry chain",
        "pad",
    ]
    assert [names.node(cell) for cell in (ram, sums, "core.u_x.q", "clk$tr_io")] == [
        "b",
        "a",
        TOP,
        TOP,
    ]
    assert names.kind("core.u_b.y_LUT4_Z") == "LUT"


def test_clock_and_use_of_blocks() -> None:
    clocks = {"fmax": {"clk": {"achieved": 90.5}, "other": {"achieved": 80.5}}}
    assert fmax(clocks, "top") == 80.5
    with pytest.raises(ToolFailedError, match="top: nextpnr found no path between registers"):
        fmax({"fmax": {}}, "top")
    blocks = {"TRELLIS_COMB": {"used": 7, "available": 9}, "DP16KD": {"used": 1, "available": 2}}
    assert used({"utilization": blocks}) == {"LUT": (7, 9), "BRAM": (1, 2)}


def test_signals_are_named_as_in_the_verilog() -> None:
    assert signal("dut.core.u_c.acc[0].q_TRELLIS_FF_Q_4") == "u_c.acc[0].q"
    assert signal("core.u_c.rom.0.13") == "u_c.rom"
    assert signal("core.u_c.q_SB_DFFESR_Q_2_DFFLC") == "u_c.q"
    assert signal("out_q_TRELLIS_FF_Q") == "out_q"
    assert signal("dut.core.u_net_tdata_TRELLIS_FF_Q_1") == "dut.core.u_net_tdata"
