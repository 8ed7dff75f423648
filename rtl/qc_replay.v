// qc_replay: turns blocks of beats from word by word to step by step, and repeats them.
//
//   for each block   in  w < WORDS, s < STEPS
//                    out r < REPEAT, s < STEPS, w < WORDS   (outermost first)
//
// Two halves of one memory: a block goes into one of them while the other is read. tlast of the
// last beat of a block comes back with the last beat of its last repetition.
//
// Latency   3 cycles from the last beat of a block to its first beat out.
// Rate      one beat a cycle, in and out; the output has no bubble while there are blocks.
// Ready     s_axis_tready comes from registers only.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_replay #(
    parameter WIDTH  = 8,   // bits of a beat
    parameter WORDS  = 2,   // beats of a step, 1 or more
    parameter STEPS  = 4,   // steps of a block, 1 or more
    parameter REPEAT = 2    // times that a block is sent, 1 or more
) (
    input  wire             clk,
    input  wire             rst,   // synchronous, active high

    input  wire [WIDTH-1:0] s_axis_tdata,
    input  wire             s_axis_tvalid,
    output wire             s_axis_tready,
    input  wire             s_axis_tlast,

    output wire [WIDTH-1:0] m_axis_tdata,
    output wire             m_axis_tvalid,
    input  wire             m_axis_tready,
    output wire             m_axis_tlast
);

    localparam integer BLOCK      = WORDS * STEPS;
    localparam integer DEPTH      = 2 * BLOCK;
    localparam integer AB         = $clog2(DEPTH);
    localparam integer SB         = (STEPS > 1) ? $clog2(STEPS) : 1;
    localparam integer REB        = (REPEAT > 1) ? $clog2(REPEAT) : 1;
    localparam integer BLOCK_MAX  = BLOCK - 1;
    localparam integer DEPTH_MAX  = DEPTH - 1;
    localparam integer STEPS_MAX  = STEPS - 1;
    localparam integer REPEAT_MAX = REPEAT - 1;
    localparam integer ONE        = 1;
    localparam integer WORD_STEP  = WORDS;                         // to the next step of a word
    localparam integer WORD_BACK  = 1 - STEPS_MAX * WORDS;         // to the first one of the next

    // ---- halves ---------------------------------------------------------------------------------

    reg  [1:0] full_q;
    reg  [1:0] end_q;       // the frame ends with the block in this half; qualified by full_q
    reg        in_half_q;
    reg        out_half_q;
    wire       write     = s_axis_tvalid && s_axis_tready;
    wire       write_end;
    wire       read;
    wire       read_end;

    assign s_axis_tready = !full_q[in_half_q];

    always @(posedge clk) begin
        if (write_end) begin
            full_q[in_half_q] <= 1'b1;
            end_q[in_half_q]  <= s_axis_tlast;
            in_half_q         <= !in_half_q;
        end
        if (read_end) begin
            full_q[out_half_q] <= 1'b0;
            out_half_q         <= !out_half_q;
        end
        if (rst) begin
            full_q     <= 2'b00;
            in_half_q  <= 1'b0;
            out_half_q <= 1'b0;
        end
    end

    // ---- input: a stride of WORDS through the half ----------------------------------------------

    reg  [SB-1:0] step_q;
    reg  [AB-1:0] waddr_q;
    wire          step_last  = (STEPS == 1) || (step_q == STEPS_MAX[SB-1:0]);
    wire          block_last = waddr_q == (in_half_q ? DEPTH_MAX[AB-1:0] : BLOCK_MAX[AB-1:0]);

    assign write_end = write && block_last;

    // Modulo 2^AB; the last beat of a block is the last one of its half.
    wire [AB-1:0] next = (step_last && !block_last) ? WORD_BACK[AB-1:0]
                       : block_last ? ONE[AB-1:0] : WORD_STEP[AB-1:0];

    always @(posedge clk) begin
        if (write) begin
            step_q  <= step_last ? {SB{1'b0}} : step_q + 1'b1;
            waddr_q <= (block_last && in_half_q) ? {AB{1'b0}} : waddr_q + next;
        end
        if (rst) begin
            step_q  <= {SB{1'b0}};
            waddr_q <= {AB{1'b0}};
        end
    end

    // ---- output: straight through the half, REPEAT times ----------------------------------------

    reg  [REB-1:0] repeat_q;
    reg  [AB-1:0]  raddr_q;
    wire           read_last   = raddr_q == (out_half_q ? DEPTH_MAX[AB-1:0] : BLOCK_MAX[AB-1:0]);
    wire           repeat_last = (REPEAT == 1) || (repeat_q == REPEAT_MAX[REB-1:0]);

    assign read_end = read && read_last && repeat_last;

    always @(posedge clk) begin
        if (read) begin
            raddr_q <= raddr_q + 1'b1;
            if (read_last) begin
                raddr_q  <= (out_half_q != repeat_last) ? BLOCK[AB-1:0] : {AB{1'b0}};
                repeat_q <= repeat_last ? {REB{1'b0}} : repeat_q + 1'b1;
            end
        end
        if (rst) begin
            raddr_q  <= {AB{1'b0}};
            repeat_q <= {REB{1'b0}};
        end
    end

    // ---- memory and output ----------------------------------------------------------------------

    (* no_rw_check *)
    reg  [WIDTH-1:0] memory [0:DEPTH-1];
    reg  [WIDTH-1:0] memory_q;      // not reset: qualified by memory_valid_q
    reg  [WIDTH-1:0] out_q;         // not reset: qualified by out_valid_q
    reg              memory_last_q;
    reg              out_last_q;
    reg              memory_valid_q;
    reg              out_valid_q;
    wire             out_move = !out_valid_q || m_axis_tready;

    assign read = full_q[out_half_q] && (!memory_valid_q || out_move);

    always @(posedge clk)
        if (write)
            memory[waddr_q] <= s_axis_tdata;

    always @(posedge clk)
        if (read)
            memory_q <= memory[raddr_q];

    always @(posedge clk) begin
        if (read)
            memory_last_q <= read_end && end_q[out_half_q];
        if (out_move) begin
            out_q       <= memory_q;
            out_last_q  <= memory_last_q;
            out_valid_q <= memory_valid_q;
        end
        if (read)
            memory_valid_q <= 1'b1;
        else if (out_move)
            memory_valid_q <= 1'b0;
        if (rst) begin
            memory_valid_q <= 1'b0;
            out_valid_q    <= 1'b0;
        end
    end

    assign m_axis_tdata  = out_q;
    assign m_axis_tvalid = out_valid_q;
    assign m_axis_tlast  = out_last_q;

endmodule

`default_nettype wire
