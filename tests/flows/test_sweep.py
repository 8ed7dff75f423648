"""Designs that are not on disk, synthesized one after another."""

from __future__ import annotations

import json

import pytest

from qcompiler.flows.sweep import sweep

CORE = """
module t_core (input wire clk, input wire [WIDTH-1:0] d, output wire [WIDTH-1:0] q);
    bank u_bank (.clk(clk), .d(d), .q(q));
endmodule
module bank (input wire clk, input wire [WIDTH-1:0] d, output reg [WIDTH-1:0] q);
    always @(posedge clk) q <= d;
endmodule
module t (input wire clk, input wire [WIDTH-1:0] d, output wire [WIDTH-1:0] q);
    t_core core (.clk(clk), .d(d), .q(q));
endmodule
"""


def registers(width: int) -> dict[str, str]:
    manifest = json.dumps({"top": "t", "sources": ["t.v"]})
    return {"t.v": CORE.replace("WIDTH", str(width)), "manifest.json": manifest}


@pytest.mark.synth
def test_each_design_has_its_cells() -> None:
    found = dict(sweep([(registers(3), "ecp5"), (registers(5), "ice40")]))
    assert {number: nodes["bank"].ff for number, nodes in found.items()} == {0: 3, 1: 5}
