// stream_sink: a ready line with stalls.
//
// Plusargs: +NAME.stall=N (threshold of stall_generator), +NAME.seed=N. Ready does not depend on
// valid and may fall without a transfer, as a stream allows. It is low in reset, so that what a
// design forgets to reset does not drain away unseen.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module stream_sink #(
    parameter NAME = "m_axis"
) (
    input  wire clk,
    input  wire rst,
    output wire tready
);

    reg [16:0] threshold;
    reg [31:0] seed;

    initial begin
        if (!$value$plusargs({NAME, ".stall=%d"}, threshold)) threshold = 17'd0;
        if (!$value$plusargs({NAME, ".seed=%d"}, seed)) seed = 32'd1;
    end

    wire stall;

    stall_generator stalls (
        .clk(clk), .seed(seed), .threshold(threshold), .stall(stall), .noise()
    );

    assign tready = !rst && !stall && threshold != 17'h10000;

endmodule

`default_nettype wire
