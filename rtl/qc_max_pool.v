// SPDX-License-Identifier: Apache-2.0
//
// qc_max_pool: maximum of every COUNT beats, lane by lane.
//
//   out[i] = max(in_0[i], ..., in_{COUNT-1}[i])
//
// The one register is both the running maximum and the output.
//
// Latency   1 cycle from the last of the COUNT beats to m_axis_tvalid.
// Rate      one input beat a cycle; stalls only while a result waits for m_axis_tready.

`default_nettype none

module qc_max_pool #(
    parameter LANES  = 1,   // values of a beat
    parameter BITS   = 4,   // bits of a value
    parameter SIGNED = 0,   // 1: two's complement
    parameter COUNT  = 4    // beats of a pool, 1 or more
) (
    input  wire                  clk,
    input  wire                  rst,   // synchronous, active high

    input  wire [LANES*BITS-1:0] s_axis_tdata,
    input  wire                  s_axis_tvalid,
    output wire                  s_axis_tready,
    input  wire                  s_axis_tlast,

    output wire [LANES*BITS-1:0] m_axis_tdata,
    output wire                  m_axis_tvalid,
    input  wire                  m_axis_tready,
    output wire                  m_axis_tlast
);

    localparam integer CB        = (COUNT > 1) ? $clog2(COUNT) : 1;
    localparam integer COUNT_MAX = COUNT - 1;

    reg  [CB-1:0]         count_q;
    reg  [LANES*BITS-1:0] best_q;       // not reset: loaded whole by the first beat of a pool
    reg                   last_q;       // not reset: qualified by valid_q
    reg                   valid_q;
    reg  [LANES*BITS-1:0] best_d;
    wire                  beat      = s_axis_tvalid && s_axis_tready;
    wire                  first     = (COUNT == 1) || (count_q == {CB{1'b0}});
    wire                  count_end = (COUNT == 1) || (count_q == COUNT_MAX[CB-1:0]);

    // Signed values compare like unsigned ones once their sign bits are flipped.
    integer i;
    reg [BITS-1:0] flip;
    always @* begin
        flip           = {BITS{1'b0}};
        flip[BITS - 1] = SIGNED != 0;
        best_d = s_axis_tdata;
        for (i = 0; i < LANES; i = i + 1)
            if (!first && (best_q[i*BITS +: BITS] ^ flip) > (s_axis_tdata[i*BITS +: BITS] ^ flip))
                best_d[i*BITS +: BITS] = best_q[i*BITS +: BITS];
    end

    always @(posedge clk) begin
        if (m_axis_tready)
            valid_q <= 1'b0;
        if (beat) begin
            best_q  <= best_d;
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
    assign m_axis_tdata  = best_q;
    assign m_axis_tvalid = valid_q;
    assign m_axis_tlast  = last_q;

endmodule

`default_nettype wire
