// qc_channel_pad: fill beats before and after the words of each pixel.
//
//   out[p] = { BEFORE x FILL, in[p][0], ..., in[p][WORDS-1], AFTER x FILL }
//
// A frame of the output starts only when a beat waits at the input: after a frame
// the module is silent until the next one comes. Later fills do not wait. tlast is
// carried from the last word of the last pixel to the end of its fill.
//
// Latency   0. s_axis_tready depends on m_axis_tready in the same cycle.
// Rate      one output beat per cycle.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_channel_pad #(
    parameter             WIDTH  = 8,   // bits of tdata, at least 1
    parameter             WORDS  = 1,   // beats per pixel at the input, at least 1
    parameter             BEFORE = 0,   // fill beats ahead of them, 0 or more
    parameter             AFTER  = 1,   // fill beats behind them, 0 or more
    parameter             PIXELS = 4,   // pixels per frame (tlast already tells)
    parameter [WIDTH-1:0] FILL   = {WIDTH{1'b0}}   // the fill beat
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

    localparam KN      = BEFORE + WORDS + AFTER;
    localparam KB      = (KN > 1) ? $clog2(KN) : 1;
    localparam K_ENTER = BEFORE - 1;           // last fill beat ahead of the words
    localparam K_LEAVE = BEFORE + WORDS - 1;   // last word
    localparam K_END   = KN - 1;

    reg [KB-1:0] k_q;       // beat of the output pixel
    reg          word_q;    // k_q is at a word of the input
    reg          first_q;   // the next output beat is the first of a frame

    wire k_enter = (BEFORE > 0) && (k_q == K_ENTER[KB-1:0]);
    wire k_leave = (AFTER > 0) && (k_q == K_LEAVE[KB-1:0]);
    wire k_last  = (k_q == K_END[KB-1:0]);
    wire beat    = m_axis_tvalid && m_axis_tready;

    assign s_axis_tready = m_axis_tready && word_q;
    assign m_axis_tvalid = s_axis_tvalid || !(word_q || first_q);
    assign m_axis_tdata  = word_q ? s_axis_tdata : FILL;

    generate
        if (AFTER > 0) begin : g_after
            reg last_q;   // not reset: loaded with the last word of every pixel
            assign m_axis_tlast = last_q && k_last;
            always @(posedge clk)
                if (beat && word_q)
                    last_q <= s_axis_tlast;
        end else begin : g_no_after
            assign m_axis_tlast = s_axis_tlast && k_last;
        end
    endgenerate

    always @(posedge clk) begin
        if (beat) begin
            first_q <= m_axis_tlast;
            k_q     <= k_last ? {KB{1'b0}} : k_q + 1'b1;
            word_q  <= k_last ? (BEFORE == 0) : k_enter || (word_q && !k_leave);
        end
        if (rst) begin
            first_q <= 1'b1;
            k_q     <= {KB{1'b0}};
            word_q  <= (BEFORE == 0);
        end
    end

    wire unused_ok = &{1'b0, PIXELS[0]};

endmodule

`default_nettype wire
