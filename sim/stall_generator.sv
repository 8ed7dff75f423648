// stall_generator: says in which cycles a source or a sink holds its stream up.
//
// Stalls come in episodes, so that one side can run far ahead of the other: an episode lasts
// 1 + (a & b) cycles for random 4-bit a and b, that is 1 to 16 with a mean of 4.75, and in every
// cycle outside an episode one begins with probability THRESHOLD / 65536. The caller turns the
// wanted share of stalled cycles into the threshold (0 never stalls, 65536 always).
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module stall_generator (
    input  wire        clk,
    input  wire [31:0] seed,
    input  wire [16:0] threshold,
    output reg         stall,
    output reg  [31:0] noise      // a fresh random word every cycle
);

    reg [ 3:0] left    = 4'd0;    // cycles of the episode still to come
    reg        started = 1'b0;
    reg [31:0] draw;

    initial begin
        stall = 1'b0;
        noise = 32'd1;
    end

    function [31:0] xorshift(input [31:0] x);
        begin
            xorshift = x ^ (x << 13);
            xorshift = xorshift ^ (xorshift >> 17);
            xorshift = xorshift ^ (xorshift << 5);
        end
    endfunction

    always @(posedge clk) begin
        // The seed arrives by plusarg, after this module's own initial block may have run.
        draw = xorshift(started ? noise : (seed == 32'd0 ? 32'h9E3779B9 : seed));
        started <= 1'b1;
        noise   <= draw;
        if (left != 4'd0) begin
            left  <= left - 4'd1;
            stall <= 1'b1;
        end else if ({1'b0, draw[15:0]} < threshold) begin
            left  <= draw[19:16] & draw[23:20];
            stall <= 1'b1;
        end else begin
            stall <= 1'b0;
        end
    end

endmodule

`default_nettype wire
