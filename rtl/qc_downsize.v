// qc_downsize: splits one beat into RATIO beats.
//
//   out[n*RATIO + k] = in[n][k*WIDTH +: WIDTH],   k < RATIO
//
// The input beat stays where it is until its last part has gone, so nothing but
// the part number is stored. tlast is high on the last part of the last beat.
//
// Latency   0. s_axis_tready depends on m_axis_tready in the same cycle.
// Rate      one output beat per cycle.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_downsize #(
    parameter WIDTH = 8,   // bits of an output beat, at least 1
    parameter RATIO = 2    // output beats in an input beat, at least 2
) (
    input  wire                   clk,
    input  wire                   rst,             // synchronous, active high

    input  wire [RATIO*WIDTH-1:0] s_axis_tdata,    // low bits leave first
    input  wire                   s_axis_tvalid,
    output wire                   s_axis_tready,
    input  wire                   s_axis_tlast,

    output wire [WIDTH-1:0]       m_axis_tdata,
    output wire                   m_axis_tvalid,
    input  wire                   m_axis_tready,
    output wire                   m_axis_tlast
);

    localparam KB    = $clog2(RATIO);
    localparam K_END = RATIO - 1;

    reg [KB-1:0] k_q;   // part at the output

    wire k_last = (k_q == K_END[KB-1:0]);

    assign s_axis_tready = m_axis_tready && k_last;
    assign m_axis_tvalid = s_axis_tvalid;
    assign m_axis_tdata  = s_axis_tdata[k_q*WIDTH +: WIDTH];
    assign m_axis_tlast  = s_axis_tlast && k_last;

    always @(posedge clk) begin
        if (m_axis_tvalid && m_axis_tready)
            k_q <= k_last ? {KB{1'b0}} : k_q + 1'b1;
        if (rst)
            k_q <= {KB{1'b0}};
    end

endmodule

`default_nettype wire
