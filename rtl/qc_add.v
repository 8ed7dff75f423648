// qc_add: weighted sum of two streams, beat by beat and lane by lane.
//
//   out = A_MUL*a + B_MUL*b
//
// A constant is split into the nonzero digits of its canonical signed form
// (13 = 16 - 4 + 1). Up to four of them make a sum of shifted copies of the operand;
// a constant of more digits is left to the multipliers of the device. If the two
// constants have more than three digits together, the products are registered before
// they are added.
//
// Latency   1 cycle, or 2 with registered products.
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

    function [OUT_BITS-1:0] shift_add;
        input [OUT_BITS-1:0] x;
        input [31:0]         pos;
        input [31:0]         neg;
        integer              i;
        begin
            shift_add = {OUT_BITS{1'b0}};
            for (i = 21; i >= 0; i = i - 1)
                if (pos[i])
                    shift_add = shift_add + (x << i);
                else if (neg[i])
                    shift_add = shift_add - (x << i);
        end
    endfunction

    // ---- handshake ---------------------------------------------------------

    reg  valid_q;
    reg  last_q;      // not reset: qualified by valid_q
    wire load = !valid_q || m_axis_tready;

    wire pair = a_axis_tvalid && b_axis_tvalid;
    wire free;        // a pair may be taken
    wire sum_valid;   // the products at the adder
    wire sum_last;

    assign a_axis_tready = b_axis_tvalid && free;
    assign b_axis_tready = a_axis_tvalid && free;
    assign m_axis_tvalid = valid_q;
    assign m_axis_tlast  = last_q;

    always @(posedge clk) begin
        if (load) begin
            valid_q <= sum_valid;
            last_q  <= sum_last;
        end
        if (rst)
            valid_q <= 1'b0;
    end

    // ---- products ----------------------------------------------------------

    wire [LANES*OUT_BITS-1:0] a_product;
    wire [LANES*OUT_BITS-1:0] b_product;
    wire [LANES*OUT_BITS-1:0] a_term;      // what the adder sees
    wire [LANES*OUT_BITS-1:0] b_term;

    generate
        if (A_DIGITS + B_DIGITS > 3) begin : g_two_stages

            reg                      product_valid_q;
            reg                      product_last_q;   // not reset: product_valid_q
            reg [LANES*OUT_BITS-1:0] a_product_q;      // likewise
            reg [LANES*OUT_BITS-1:0] b_product_q;      // likewise

            assign free      = !product_valid_q || load;
            assign sum_valid = product_valid_q;
            assign sum_last  = product_last_q;
            assign a_term    = a_product_q;
            assign b_term    = b_product_q;

            always @(posedge clk) begin
                if (free) begin
                    product_valid_q <= pair;
                    product_last_q  <= a_axis_tlast;
                    a_product_q     <= a_product;
                    b_product_q     <= b_product;
                end
                if (rst)
                    product_valid_q <= 1'b0;
            end

        end else begin : g_one_stage

            assign free      = load;
            assign sum_valid = pair;
            assign sum_last  = a_axis_tlast;
            assign a_term    = a_product;
            assign b_term    = b_product;

        end
    endgenerate

    genvar lane;
    generate
        for (lane = 0; lane < LANES; lane = lane + 1) begin : g_lane

            wire [OUT_BITS-1:0] a_x;   // operands modulo 2^OUT_BITS
            wire [OUT_BITS-1:0] b_x;
            reg  [OUT_BITS-1:0] sum_q;   // not reset: qualified by valid_q

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

            if (A_DIGITS > 4) begin : g_a_mul
                assign a_product[lane*OUT_BITS +: OUT_BITS] =
                    $signed(a_x) * $signed(A_C[OUT_BITS-1:0]);
            end else begin : g_a_shift
                assign a_product[lane*OUT_BITS +: OUT_BITS] = shift_add(a_x, A_POS, A_NEG);
            end

            if (B_DIGITS > 4) begin : g_b_mul
                assign b_product[lane*OUT_BITS +: OUT_BITS] =
                    $signed(b_x) * $signed(B_C[OUT_BITS-1:0]);
            end else begin : g_b_shift
                assign b_product[lane*OUT_BITS +: OUT_BITS] = shift_add(b_x, B_POS, B_NEG);
            end

            always @(posedge clk)
                if (load)
                    sum_q <= a_term[lane*OUT_BITS +: OUT_BITS] + b_term[lane*OUT_BITS +: OUT_BITS];

            assign m_axis_tdata[lane*OUT_BITS +: OUT_BITS] = sum_q;

        end
    endgenerate

    wire unused_ok = &{1'b0, a_axis_tdata, b_axis_tdata, b_axis_tlast};

endmodule

`default_nettype wire
