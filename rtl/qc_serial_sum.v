// qc_serial_sum: adds K numbers that come DIGIT bits a cycle, lowest bits first.
//
//   q = x[0] + ... + x[K-1] + INIT, a cycle later
//
// An operand that is to be subtracted comes inverted, with 1 more in INIT. With four operands the
// sum of a bit position and its carry is at most 7, so the carry is two bits and each bit of sum
// and carry is a function of six bits; with two operands it is one bit.
//
// `start` is high in the cycle before the first digits and loads the carry.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_serial_sum #(
    parameter K     = 2,   // operands, 2 to 4
    parameter DIGIT = 1,   // bits a cycle, at least 1
    parameter INIT  = 0    // added, below K
) (
    input  wire               clk,
    input  wire               move,    // nothing changes while it is low
    input  wire               start,
    input  wire [K*DIGIT-1:0] x,       // operand k at x[k*DIGIT +: DIGIT]
    output wire [DIGIT-1:0]   q
);

    localparam [1:0] KEPT = K > 2 ? 2'b11 : 2'b01;   // two operands carry one bit

    reg [DIGIT-1:0]   sum_q;     // not reset: garbage before the first digits
    reg [1:0]         carry_q;   // not reset: loaded by start

    reg [4*DIGIT-1:0] terms;     // operands that are not there are zero
    reg [DIGIT-1:0]   sum;
    reg [1:0]         carry;
    reg               half, low, high;
    integer           b;
    always @* begin
        terms = {4*DIGIT{1'b0}};
        terms[K*DIGIT-1:0] = x;
        carry = carry_q;
        for (b = 0; b < DIGIT; b = b + 1) begin
            half = terms[b] ^ terms[DIGIT+b] ^ terms[2*DIGIT+b];
            high = (terms[b] & terms[DIGIT+b]) | (terms[2*DIGIT+b] & (terms[b] | terms[DIGIT+b]));
            low  = (half & terms[3*DIGIT+b]) | (carry[0] & (half | terms[3*DIGIT+b]));
            sum[b] = half ^ terms[3*DIGIT+b] ^ carry[0];
            carry  = {(low & high) | (carry[1] & (low | high)), low ^ high ^ carry[1]};
        end
    end

    always @(posedge clk)
        if (move) begin
            sum_q   <= sum;
            carry_q <= start ? INIT[1:0] : carry & KEPT;
        end

    assign q = sum_q;

endmodule

`default_nettype wire
