// qc_upsize: gathers RATIO beats into one.
//
//   out[n] = { in[n*RATIO + RATIO-1], ..., in[n*RATIO + 1], in[n*RATIO] }
//
// The beats are shifted in from the top. A frame is a whole number of output
// beats; tlast is that of the last beat gathered.
//
// Latency   1 cycle from the last beat gathered.
// Rate      one input beat per cycle; stalls only if the next beat arrives while
//           a finished one waits for m_axis_tready.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_upsize #(
    parameter WIDTH = 8,   // bits of an input beat, at least 1
    parameter RATIO = 2    // input beats in an output beat, at least 2
) (
    input  wire                   clk,
    input  wire                   rst,             // synchronous, active high

    input  wire [WIDTH-1:0]       s_axis_tdata,
    input  wire                   s_axis_tvalid,
    output wire                   s_axis_tready,
    input  wire                   s_axis_tlast,

    output wire [RATIO*WIDTH-1:0] m_axis_tdata,    // first input beat in the low bits
    output wire                   m_axis_tvalid,
    input  wire                   m_axis_tready,
    output wire                   m_axis_tlast
);

    localparam KB    = $clog2(RATIO);
    localparam K_END = RATIO - 1;

    reg [KB-1:0]          k_q;       // beats gathered so far
    reg                   valid_q;   // data_q is whole
    reg                   last_q;    // not reset: qualified by valid_q
    reg [RATIO*WIDTH-1:0] data_q;    // not reset: qualified by valid_q

    wire beat   = s_axis_tvalid && s_axis_tready;
    wire k_last = (k_q == K_END[KB-1:0]);

    assign s_axis_tready = !valid_q || m_axis_tready;
    assign m_axis_tvalid = valid_q;
    assign m_axis_tdata  = data_q;
    assign m_axis_tlast  = last_q;

    always @(posedge clk) begin
        if (m_axis_tready)
            valid_q <= 1'b0;
        if (beat) begin
            data_q  <= {s_axis_tdata, data_q[RATIO*WIDTH-1:WIDTH]};
            last_q  <= s_axis_tlast;
            valid_q <= k_last;
            k_q     <= k_last ? {KB{1'b0}} : k_q + 1'b1;
        end
        if (rst) begin
            valid_q <= 1'b0;
            k_q     <= {KB{1'b0}};
        end
    end

endmodule

`default_nettype wire
