// qc_wires: a stream under another name.
//
//   out = in
//
// Stands where a line buffer would be, if all that it did were to pass each beat on once.
//
// Latency   0.
// Rate      one beat per cycle.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_wires #(
    parameter WIDTH = 8   // bits of a beat, at least 1
) (
    input  wire             clk,
    input  wire             rst,             // synchronous, active high

    input  wire [WIDTH-1:0] s_axis_tdata,
    input  wire             s_axis_tvalid,
    output wire             s_axis_tready,
    input  wire             s_axis_tlast,

    output wire [WIDTH-1:0] m_axis_tdata,
    output wire             m_axis_tvalid,
    input  wire             m_axis_tready,
    output wire             m_axis_tlast
);

    wire unused = &{1'b0, clk, rst};

    assign m_axis_tdata  = s_axis_tdata;
    assign m_axis_tvalid = s_axis_tvalid;
    assign m_axis_tlast  = s_axis_tlast;
    assign s_axis_tready = m_axis_tready;

endmodule

`default_nettype wire
