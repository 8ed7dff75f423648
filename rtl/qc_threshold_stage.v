// qc_threshold_stage: one lane of one step of a pipelined binary search.
//
//   count' = 2*count + (x >= rom[word][count])
//
// `count` holds the STAGE bits of the number of thresholds <= x that the stages before found. The
// ROM has DEPTH = WORDS * 2^STAGE entries, entry word * 2^STAGE + count.
//
// Latency   2 steps: the ROM's output register, then the result of the comparison.
// Rate      one value a step. Nothing is reset: the user keeps the valid bits.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_threshold_stage #(
    parameter X_BITS    = 8,    // width of x, and of the thresholds
    parameter SIGNED    = 1,    // 1: x and the thresholds are two's complement
    parameter WORDS     = 1,    // words of a pixel
    parameter WORD_BITS = 1,    // width of `word`, 1 where WORDS is 1
    parameter STAGE     = 0,    // bits of the count found so far
    parameter MEM_FILE  = ""    // WORDS * 2^STAGE thresholds
) (
    input  wire                                clk,
    input  wire                                step,    // everything holds still while low

    input  wire [WORD_BITS-1:0]                word,
    input  wire [X_BITS-1:0]                   x,
    input  wire [(STAGE > 0 ? STAGE : 1)-1:0]  count,   // unused in stage 0

    output wire [X_BITS-1:0]                   x_out,
    output wire [STAGE:0]                      count_out
);

    localparam DEPTH = WORDS << STAGE;

    reg [X_BITS-1:0] rom [0:DEPTH-1];
    generate
        if (MEM_FILE != "") begin : fill   // tools also elaborate a module as it stands
            initial $readmemh(MEM_FILE, rom);
        end
    endgenerate

    // ---- read ----------------------------------------------------------------------------------

    reg [X_BITS-1:0] x_q;
    reg [X_BITS-1:0] threshold_q;
    always @(posedge clk)
        if (step)
            x_q <= x;

    // ---- compare -------------------------------------------------------------------------------

    reg [X_BITS-1:0] x_out_q;
    reg [STAGE:0]    count_out_q;
    wire             reached;
    generate
        if (SIGNED != 0) begin : two_s_complement
            assign reached = $signed(x_q) >= $signed(threshold_q);
        end else begin : plain
            assign reached = x_q >= threshold_q;
        end

        if (STAGE == 0) begin : first
            wire unused = &{1'b0, count};
            always @(posedge clk)
                if (step)
                    count_out_q <= reached;
        end else begin : later
            reg [STAGE-1:0] count_q;
            always @(posedge clk)
                if (step) begin
                    count_q     <= count;
                    count_out_q <= {count_q, reached};
                end
        end

        if (WORDS == 1 && STAGE == 0) begin : one_threshold
            wire unused = &{1'b0, word};
            always @(posedge clk)
                if (step)
                    threshold_q <= rom[0];
        end else if (WORDS == 1) begin : one_word
            wire unused = &{1'b0, word};
            always @(posedge clk)
                if (step)
                    threshold_q <= rom[count];
        end else if (STAGE == 0) begin : by_word
            always @(posedge clk)
                if (step)
                    threshold_q <= rom[word];
        end else begin : by_word_and_count
            always @(posedge clk)
                if (step)
                    threshold_q <= rom[{word, count}];
        end
    endgenerate

    always @(posedge clk)
        if (step)
            x_out_q <= x_q;

    assign x_out     = x_out_q;
    assign count_out = count_out_q;

endmodule

`default_nettype wire
