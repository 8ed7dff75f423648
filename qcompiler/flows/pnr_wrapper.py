"""A top of five pins around a module of any number of ports, for nextpnr places chips alone."""

from __future__ import annotations

from dataclasses import dataclass

NAME = "pnr_top"
DUT = "dut"


@dataclass(frozen=True)
class Port:
    """A port of a module."""

    name: str
    output: bool
    width: int


def pins(ports: list[Port]) -> int:
    """Pads that a module needs by itself."""
    return sum(port.width for port in ports)


def wrapper(top: str, ports: list[Port]) -> str:
    """Verilog of the module ``pnr_top`` around ``top``.

    Every port but ``clk`` and ``rst`` is between registers, so that paths inside ``top`` alone
    decide the clock. Inputs come from a shift register, outputs are caught and shifted out.
    """
    inner = [port for port in ports if port.name not in ("clk", "rst")]
    inputs = [port for port in inner if not port.output]
    outputs = [port for port in inner if port.output]
    drive, catch = max(pins(inputs), 1), max(pins(outputs), 1)
    binds = [f".{port.name}({port.name})" for port in ports if port not in inner]
    binds += _slices(inputs, "drive_q") + _slices(outputs, "caught")
    return f"""// {top} with all ports registered and shifted through two pins.
`default_nettype none
module {NAME} (
    input  wire clk,
    input  wire rst,
    input  wire shift_in,
    input  wire take,
    output wire shift_out
);
    reg  [{drive}:0] in_chain;
    reg  [{drive - 1}:0] drive_q;
    wire [{catch - 1}:0] caught;
    reg  [{catch - 1}:0] caught_q;
    reg  [{catch}:0] out_chain;
    always @(posedge clk) begin
        in_chain  <= {{in_chain[{drive - 1}:0], shift_in}};
        drive_q   <= in_chain[{drive - 1}:0];
        caught_q  <= caught;
        out_chain <= take ? {{caught_q, 1'b0}} : {{out_chain[{catch - 1}:0], 1'b0}};
    end
    assign shift_out = out_chain[{catch}] ^ in_chain[{drive}];
    {top} {DUT} ({", ".join(binds)});
endmodule
`default_nettype wire
"""


def _slices(ports: list[Port], bus: str) -> list[str]:
    found, low = [], 0
    for port in ports:
        found.append(f".{port.name}({bus}[{low + port.width - 1}:{low}])")
        low += port.width
    return found
