// SPDX-License-Identifier: Apache-2.0
//
// qc_global_sum: sum over the pixels of a frame, for each word of a pixel, lane by lane.
//
//   for w < WORDS:   out_w[i] = sum over p < PIXELS of in[p][w][i]
//
// The running sums sit in a RAM of WORDS entries (a register when WORDS is 1). The beats of the last
// pixel bring the sums to the output register, so the RAM is free for the next frame at once.
//
// Latency   1 cycle from a beat of the last pixel to m_axis_tvalid of its word.
// Rate      one input beat a cycle; stalls only where a beat of the last pixel comes while the
//           result before it waits for m_axis_tready.
// Overflow  none, if every sum fits OUT_BITS (two's complement where SIGNED).

`default_nettype none

module qc_global_sum #(
    parameter LANES    = 1,    // values of a beat
    parameter IN_BITS  = 4,    // bits of an input value
    parameter SIGNED   = 0,    // 1: two's complement in and out
    parameter WORDS    = 2,    // beats of a pixel
    parameter PIXELS   = 16,   // pixels of a frame
    parameter OUT_BITS = 8     // bits of a sum, IN_BITS or more
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

    localparam integer WB         = (WORDS > 1) ? $clog2(WORDS) : 1;
    localparam integer PB         = (PIXELS > 1) ? $clog2(PIXELS) : 1;
    localparam integer WORDS_MAX  = WORDS - 1;
    localparam integer PIXELS_MAX = PIXELS - 1;

    // ---- control --------------------------------------------------------------------------------

    reg  [WB-1:0] word_q;
    reg  [PB-1:0] pixel_q;
    reg           valid_q;
    reg           last_q;           // not reset: qualified by valid_q
    wire          beat        = s_axis_tvalid && s_axis_tready;
    wire          word_end    = (WORDS == 1) || (word_q == WORDS_MAX[WB-1:0]);
    wire          first_pixel = (PIXELS == 1) || (pixel_q == {PB{1'b0}});
    wire          last_pixel  = (PIXELS == 1) || (pixel_q == PIXELS_MAX[PB-1:0]);

    assign s_axis_tready = !last_pixel || !valid_q || m_axis_tready;

    always @(posedge clk) begin
        if (m_axis_tready)
            valid_q <= 1'b0;
        if (beat && last_pixel) begin
            valid_q <= 1'b1;
            last_q  <= s_axis_tlast;
        end
        if (beat)
            word_q <= word_end ? {WB{1'b0}} : word_q + 1'b1;
        if (beat && word_end)
            pixel_q <= last_pixel ? {PB{1'b0}} : pixel_q + 1'b1;
        if (rst) begin
            valid_q <= 1'b0;
            word_q  <= {WB{1'b0}};
            pixel_q <= {PB{1'b0}};
        end
    end

    // ---- sums -----------------------------------------------------------------------------------

    wire [LANES*OUT_BITS-1:0] held;         // running sum of this word
    reg  [LANES*OUT_BITS-1:0] sum;
    reg  [LANES*OUT_BITS-1:0] out_q;        // not reset: qualified by valid_q

    integer i;
    integer b;
    reg [OUT_BITS-1:0] term;
    always @* begin
        sum  = {(LANES*OUT_BITS){1'b0}};
        term = {OUT_BITS{1'b0}};
        for (i = 0; i < LANES; i = i + 1) begin
            term = {OUT_BITS{(SIGNED != 0) && s_axis_tdata[i*IN_BITS + IN_BITS - 1]}};
            for (b = 0; b < IN_BITS; b = b + 1)
                term[b] = s_axis_tdata[i*IN_BITS + b];
            sum[i*OUT_BITS +: OUT_BITS] =
                (first_pixel ? {OUT_BITS{1'b0}} : held[i*OUT_BITS +: OUT_BITS]) + term;
        end
    end

    always @(posedge clk)
        if (beat && last_pixel)
            out_q <= sum;

    generate
        if (WORDS == 1) begin : g_register
            reg [LANES*OUT_BITS-1:0] held_q;    // not reset: written by the first pixel
            assign held = held_q;
            always @(posedge clk)
                if (beat)
                    held_q <= sum;
        end else begin : g_ram
            reg [LANES*OUT_BITS-1:0] ram [0:WORDS-1];
            assign held = ram[word_q];
            always @(posedge clk)
                if (beat)
                    ram[word_q] <= sum;
        end
    endgenerate

    assign m_axis_tdata  = out_q;
    assign m_axis_tvalid = valid_q;
    assign m_axis_tlast  = last_q;

endmodule

`default_nettype wire
