// SPDX-License-Identifier: Apache-2.0
//
// qc_sum_pool: sum of every COUNT beats, lane by lane.
//
//   out[i] = in_0[i] + ... + in_{COUNT-1}[i]
//
// The one register is both the running sum and the output.
//
// Latency   1 cycle from the last of the COUNT beats to m_axis_tvalid.
// Rate      one input beat a cycle; stalls only while a result waits for m_axis_tready.
// Overflow  none, if every sum fits OUT_BITS (two's complement where SIGNED).

`default_nettype none

module qc_sum_pool #(
    parameter LANES    = 1,   // values of a beat
    parameter IN_BITS  = 4,   // bits of an input value
    parameter SIGNED   = 0,   // 1: two's complement in and out
    parameter COUNT    = 4,   // beats of a pool, 1 or more
    parameter OUT_BITS = 6    // bits of a sum, IN_BITS or more
) (
    input  wire                      clk,
    input  wire                      rst,   // synchronous, active high

    input  wire [LANES*IN_BITS-1:0]  s_axis_tdata,
    input  wire                      s_axis_tvalid,
    output wire                      s_axis_tready,
    input  wire                      s_axis_tlast,

    output wire [LANES*OUT_BITS-1:0] m_axis_tdata,
    output wire                      m_axis_tvalid,
    input  wire                      m_axis_tready,
    output wire                      m_axis_tlast
);

    localparam integer CB        = (COUNT > 1) ? $clog2(COUNT) : 1;
    localparam integer COUNT_MAX = COUNT - 1;

    reg  [CB-1:0]             count_q;
    reg  [LANES*OUT_BITS-1:0] sum_q;        // not reset: loaded whole by the first beat of a pool
    reg                       last_q;       // not reset: qualified by valid_q
    reg                       valid_q;
    reg  [LANES*OUT_BITS-1:0] sum_d;
    wire                      beat      = s_axis_tvalid && s_axis_tready;
    wire                      first     = (COUNT == 1) || (count_q == {CB{1'b0}});
    wire                      count_end = (COUNT == 1) || (count_q == COUNT_MAX[CB-1:0]);

    integer i;
    integer b;
    reg [OUT_BITS-1:0] term;
    always @* begin
        sum_d = {(LANES*OUT_BITS){1'b0}};
        term  = {OUT_BITS{1'b0}};
        for (i = 0; i < LANES; i = i + 1) begin
            term = {OUT_BITS{(SIGNED != 0) && s_axis_tdata[i*IN_BITS + IN_BITS - 1]}};
            for (b = 0; b < IN_BITS; b = b + 1)
                term[b] = s_axis_tdata[i*IN_BITS + b];
            sum_d[i*OUT_BITS +: OUT_BITS] =
                (first ? {OUT_BITS{1'b0}} : sum_q[i*OUT_BITS +: OUT_BITS]) + term;
        end
    end

    always @(posedge clk) begin
        if (m_axis_tready)
            valid_q <= 1'b0;
        if (beat) begin
            sum_q   <= sum_d;
            last_q  <= s_axis_tlast;
            valid_q <= count_end;
            count_q <= count_end ? {CB{1'b0}} : count_q + 1'b1;
        end
        if (rst) begin
            valid_q <= 1'b0;
            count_q <= {CB{1'b0}};
        end
    end

    assign s_axis_tready = !valid_q || m_axis_tready;
    assign m_axis_tdata  = sum_q;
    assign m_axis_tvalid = valid_q;
    assign m_axis_tlast  = last_q;

endmodule

`default_nettype wire
