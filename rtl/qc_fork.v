// qc_fork: each input beat goes once to each of N outputs.
//
//   out_i[n] = in[n],   i < N
//
// An output that has taken the beat waits for the others, so it is ahead of
// them by one beat at most.
//
// Latency   0. tdata, tlast and tvalid pass through; s_axis_tready depends on
//           every m_axis_tready in the same cycle.
// Rate      one beat per cycle while all outputs are ready.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_fork #(
    parameter WIDTH = 8,   // bits of tdata, at least 1
    parameter N     = 2    // outputs, at least 1
) (
    input  wire               clk,
    input  wire               rst,             // synchronous, active high

    input  wire [WIDTH-1:0]   s_axis_tdata,
    input  wire               s_axis_tvalid,
    output wire               s_axis_tready,
    input  wire               s_axis_tlast,

    output wire [N*WIDTH-1:0] m_axis_tdata,    // output i at [i*WIDTH +: WIDTH]
    output wire [N-1:0]       m_axis_tvalid,
    input  wire [N-1:0]       m_axis_tready,
    output wire [N-1:0]       m_axis_tlast
);

    reg [N-1:0] done_q;   // this output has taken the beat that waits at the input

    assign s_axis_tready = &(done_q | m_axis_tready);
    assign m_axis_tvalid = {N{s_axis_tvalid}} & ~done_q;
    assign m_axis_tdata  = {N{s_axis_tdata}};
    assign m_axis_tlast  = {N{s_axis_tlast}};

    always @(posedge clk) begin
        if (s_axis_tvalid)
            done_q <= s_axis_tready ? {N{1'b0}} : done_q | m_axis_tready;
        if (rst)
            done_q <= {N{1'b0}};
    end

endmodule

`default_nettype wire
