// qc_add: weighted sum of two streams, beat by beat and lane by lane.
//
//   out = A_MUL*a + B_MUL*b
//
// A constant is split into the nonzero digits of its canonical signed form
// (13 = 16 - 4 + 1). Up to four of them make terms, shifted copies of the operand; a constant of
// more digits is left to the multipliers of the device. The terms are added two by two with a
// register after every level; a product has its first level alone.
//
// Latency   STAGES cycles: one for two digits in all, two for three or four, at most three.
// Rate      one beat per cycle; stalls only while the result waits for
//           m_axis_tready, on which the ready outputs depend in the same cycle.
// Overflow  none, if OUT_BITS holds the exact sum: all sums are modulo 2^OUT_BITS.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_add #(
    parameter         LANES    = 1,   // values per beat, at least 1
    parameter         A_BITS   = 8,   // bits of a value of a, at least 1
    parameter         A_SIGNED = 1,   // 1: a is two's complement
    parameter         B_BITS   = 8,   // bits of a value of b, at least 1
    parameter         B_SIGNED = 1,   // 1: b is two's complement
    parameter integer A_MUL    = 1,   // constant of at most 20 bits, may be negative
    parameter integer B_MUL    = 1,   // likewise
    parameter         OUT_BITS = 9    // bits of a result, at least 1
) (
    input  wire                      clk,
    input  wire                      rst,             // synchronous, active high

    input  wire [LANES*A_BITS-1:0]   a_axis_tdata,
    input  wire                      a_axis_tvalid,
    output wire                      a_axis_tready,
    input  wire                      a_axis_tlast,

    input  wire [LANES*B_BITS-1:0]   b_axis_tdata,
    input  wire                      b_axis_tvalid,
    output wire                      b_axis_tready,
    input  wire                      b_axis_tlast,    // not used: the same as that of a

    output wire [LANES*OUT_BITS-1:0] m_axis_tdata,
    output wire                      m_axis_tvalid,
    input  wire                      m_axis_tready,
    output wire                      m_axis_tlast
);

    // The constants modulo 2^OUT_BITS, for the device's multipliers.
    localparam [OUT_BITS+31:0] A_C = {{OUT_BITS{A_MUL[31]}}, A_MUL};
    localparam [OUT_BITS+31:0] B_C = {{OUT_BITS{B_MUL[31]}}, B_MUL};

    // ---- digits of the constants -------------------------------------------

    // With h = |m| >> 1 and s = |m| + h, the nonzero digits of |m| are where s and h
    // differ: +1 where s has the bit, -1 where h has it.
    localparam [31:0] A_H   = ((A_MUL < 0) ? -A_MUL : A_MUL) / 2;
    localparam [31:0] A_S   = ((A_MUL < 0) ? -A_MUL : A_MUL) + A_H;
    localparam [31:0] A_POS = (A_MUL < 0) ? A_H & ~A_S : A_S & ~A_H;
    localparam [31:0] A_NEG = (A_MUL < 0) ? A_S & ~A_H : A_H & ~A_S;
    localparam [31:0] B_H   = ((B_MUL < 0) ? -B_MUL : B_MUL) / 2;
    localparam [31:0] B_S   = ((B_MUL < 0) ? -B_MUL : B_MUL) + B_H;
    localparam [31:0] B_POS = (B_MUL < 0) ? B_H & ~B_S : B_S & ~B_H;
    localparam [31:0] B_NEG = (B_MUL < 0) ? B_S & ~B_H : B_H & ~B_S;

    function integer ones;
        input [31:0] mask;
        integer      i;
        begin
            ones = 0;
            for (i = 0; i < 32; i = i + 1)
                if (mask[i])
                    ones = ones + 1;
        end
    endfunction

    localparam A_DIGITS = ones(A_POS | A_NEG);
    localparam B_DIGITS = ones(B_POS | B_NEG);

    // ---- terms -------------------------------------------------------------

    // Term t and term N-1-t meet in the first level. Products come first and what they meet is
    // nothing; then plus digits of a and b, then minus digits, so that most minuses meet a plus.
    localparam A_MULT = (A_DIGITS > 4) ? 1 : 0;
    localparam B_MULT = (B_DIGITS > 4) ? 1 : 0;
    localparam A_PLUS = A_MULT ? 0 : ones(A_POS);
    localparam B_PLUS = B_MULT ? 0 : ones(B_POS);
    localparam A_LESS = A_MULT ? 0 : ones(A_NEG);
    localparam B_LESS = B_MULT ? 0 : ones(B_NEG);
    localparam MULTS  = A_MULT + B_MULT;
    localparam PLUS   = MULTS + A_PLUS + B_PLUS;   // terms before this one are added
    localparam LESS   = PLUS + A_LESS + B_LESS;    // before this one subtracted, then nothing
    localparam N      = LESS + MULTS;
    localparam PAIRS  = (N + 1) / 2;
    localparam STAGES = (N <= 2) ? 1 : (N <= 4) ? 2 : 3;

    // Place of the k-th digit from below.
    function integer place;
        input [31:0] mask;
        input integer k;
        integer i, left;
        begin
            place = 0;
            left  = k;
            for (i = 31; i >= 0; i = i - 1)
                if (mask[i] && ones(mask & ~({32{1'b1}} << i)) == left)
                    place = i;
        end
    endfunction

    // ---- handshake ---------------------------------------------------------

    reg  [STAGES-1:0] valid_q;
    reg  [STAGES-1:0] last_q;   // not reset: qualified by valid_q
    wire [STAGES:0] valid = {valid_q, a_axis_tvalid && b_axis_tvalid};   // before stage 0, behind each
    wire [STAGES:0] last  = {last_q, a_axis_tlast};
    wire move = !valid[STAGES] || m_axis_tready;

    assign a_axis_tready = b_axis_tvalid && move;
    assign b_axis_tready = a_axis_tvalid && move;
    assign m_axis_tvalid = valid[STAGES];
    assign m_axis_tlast  = last[STAGES];

    always @(posedge clk) begin
        if (move) begin
            valid_q <= valid[STAGES-1:0];
            last_q  <= last[STAGES-1:0];
        end
        if (rst)
            valid_q <= {STAGES{1'b0}};
    end

    // ---- sums --------------------------------------------------------------

    genvar lane, t;
    generate
        for (lane = 0; lane < LANES; lane = lane + 1) begin : g_lane

            wire [OUT_BITS-1:0] a_x;   // operands modulo 2^OUT_BITS
            wire [OUT_BITS-1:0] b_x;

            if (A_BITS < OUT_BITS) begin : g_a_extend
                wire sign = (A_SIGNED != 0) && a_axis_tdata[lane*A_BITS + A_BITS - 1];
                assign a_x = {{(OUT_BITS-A_BITS){sign}}, a_axis_tdata[lane*A_BITS +: A_BITS]};
            end else begin : g_a_low
                assign a_x = a_axis_tdata[lane*A_BITS +: OUT_BITS];
            end

            if (B_BITS < OUT_BITS) begin : g_b_extend
                wire sign = (B_SIGNED != 0) && b_axis_tdata[lane*B_BITS + B_BITS - 1];
                assign b_x = {{(OUT_BITS-B_BITS){sign}}, b_axis_tdata[lane*B_BITS +: B_BITS]};
            end else begin : g_b_low
                assign b_x = b_axis_tdata[lane*B_BITS +: OUT_BITS];
            end

            for (t = 0; t < N; t = t + 1) begin : g_term
                wire [OUT_BITS-1:0] x;
                if (t < A_MULT) begin : g_a_product
                    assign x = $signed(a_x) * $signed(A_C[OUT_BITS-1:0]);
                end else if (t < MULTS) begin : g_b_product
                    assign x = $signed(b_x) * $signed(B_C[OUT_BITS-1:0]);
                end else if (t < MULTS + A_PLUS) begin : g_a_plus
                    assign x = a_x << place(A_POS, t - MULTS);
                end else if (t < PLUS) begin : g_b_plus
                    assign x = b_x << place(B_POS, t - MULTS - A_PLUS);
                end else if (t < PLUS + A_LESS) begin : g_a_less
                    assign x = a_x << place(A_NEG, t - PLUS);
                end else if (t < LESS) begin : g_b_less
                    assign x = b_x << place(B_NEG, t - PLUS - A_LESS);
                end else begin : g_nothing
                    assign x = {OUT_BITS{1'b0}};
                end
            end

            for (t = 0; t < PAIRS; t = t + 1) begin : g_pair
                localparam U = N - 1 - t;
                reg [OUT_BITS-1:0] q;   // not reset: qualified by valid_q
                always @(posedge clk)
                    if (move) begin
                        if (U == t || U >= LESS)
                            q <= (t < PLUS) ? g_term[t].x : -g_term[t].x;
                        else if (t >= PLUS)
                            q <= -g_term[t].x - g_term[U].x;
                        else if (U >= PLUS)
                            q <= g_term[t].x - g_term[U].x;
                        else
                            q <= g_term[t].x + g_term[U].x;
                    end
            end

            wire [OUT_BITS-1:0] sum;
            if (PAIRS == 1) begin : g_one_level
                assign sum = g_pair[0].q;
            end else if (PAIRS == 2) begin : g_two_levels
                reg [OUT_BITS-1:0] q;
                always @(posedge clk)
                    if (move)
                        q <= g_pair[0].q + g_pair[1].q;
                assign sum = q;
            end else begin : g_three_levels
                reg [OUT_BITS-1:0] low_q, high_q, q;
                always @(posedge clk)
                    if (move) begin
                        low_q <= g_pair[0].q + g_pair[1].q;
                        q     <= low_q + high_q;
                    end
                if (PAIRS == 4) begin : g_four
                    always @(posedge clk)
                        if (move)
                            high_q <= g_pair[2].q + g_pair[3].q;
                end else begin : g_three
                    always @(posedge clk)
                        if (move)
                            high_q <= g_pair[2].q;
                end
                assign sum = q;
            end
            assign m_axis_tdata[lane*OUT_BITS +: OUT_BITS] = sum;

            wire unused = &{1'b0, a_x, b_x};   // where a constant is 0

        end
    endgenerate

    wire unused_ok = &{1'b0, a_axis_tdata, b_axis_tdata, b_axis_tlast};

endmodule

`default_nettype wire
