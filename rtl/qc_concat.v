// qc_concat: joins the channels of two streams.
//
//   out[p] = { a[p][0], ..., a[p][A_WORDS-1], b[p][0], ..., b[p][B_WORDS-1] }
//
// Both frames have the same number of pixels; tlast is that of b, whose last word
// ends the frame.
//
// Latency   0. The ready outputs depend on m_axis_tready in the same cycle.
// Rate      one output beat per cycle.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_concat #(
    parameter WIDTH   = 8,   // bits of tdata, at least 1
    parameter A_WORDS = 1,   // beats per pixel of a, at least 1
    parameter B_WORDS = 1,   // beats per pixel of b, at least 1
    parameter PIXELS  = 4    // pixels per frame (tlast already tells)
) (
    input  wire             clk,
    input  wire             rst,             // synchronous, active high

    input  wire [WIDTH-1:0] a_axis_tdata,
    input  wire             a_axis_tvalid,
    output wire             a_axis_tready,
    input  wire             a_axis_tlast,    // not used: b ends the frame

    input  wire [WIDTH-1:0] b_axis_tdata,
    input  wire             b_axis_tvalid,
    output wire             b_axis_tready,
    input  wire             b_axis_tlast,

    output wire [WIDTH-1:0] m_axis_tdata,
    output wire             m_axis_tvalid,
    input  wire             m_axis_tready,
    output wire             m_axis_tlast
);

    localparam KN     = A_WORDS + B_WORDS;
    localparam KB     = $clog2(KN);
    localparam K_TO_B = A_WORDS - 1;   // last word of a
    localparam K_END  = KN - 1;

    reg [KB-1:0] k_q;        // beat of the output pixel
    reg          from_b_q;   // k_q is at a word of b

    wire k_last = (k_q == K_END[KB-1:0]);

    assign a_axis_tready = m_axis_tready && !from_b_q;
    assign b_axis_tready = m_axis_tready && from_b_q;
    assign m_axis_tvalid = from_b_q ? b_axis_tvalid : a_axis_tvalid;
    assign m_axis_tdata  = from_b_q ? b_axis_tdata : a_axis_tdata;
    assign m_axis_tlast  = from_b_q && b_axis_tlast;

    always @(posedge clk) begin
        if (m_axis_tvalid && m_axis_tready) begin
            k_q      <= k_last ? {KB{1'b0}} : k_q + 1'b1;
            from_b_q <= !k_last && (from_b_q || k_q == K_TO_B[KB-1:0]);
        end
        if (rst) begin
            k_q      <= {KB{1'b0}};
            from_b_q <= 1'b0;
        end
    end

    wire unused_ok = &{1'b0, a_axis_tlast, PIXELS[0]};

endmodule

`default_nettype wire
