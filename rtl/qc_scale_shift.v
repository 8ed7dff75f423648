// qc_scale_shift: integer requantization, LANES values a beat.
//
//   out = clamp((x * m + r) >>> SHIFT, LO, HI)      m and r per channel
//
// Word k of a pixel takes entry k of the ROM: lane i at [i*(M_BITS+R_BITS) +: M_BITS+R_BITS],
// r above m. The registers around the product are there for the multiplier of a DSP block.
//
// Latency   4 cycles: input and ROM, product, sum, shift and clamp.
// Rate      one beat a cycle; stalls only while the last register waits for m_axis_tready.
// Overflow  none: product and sum are kept whole.
// Registers that are not reset hold data whose valid bit is reset.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_scale_shift #(
    parameter LANES     = 1,
    parameter IN_BITS   = 16,
    parameter IN_SIGNED = 1,
    parameter M_BITS    = 16,   // two's complement
    parameter R_BITS    = 16,   // two's complement
    parameter SHIFT     = 8,    // 0 or more
    parameter OUT_BITS  = 8,    // 31 at most
    parameter signed [31:0] LO = 0,     // smallest and largest code
    parameter signed [31:0] HI = 255,
    parameter WORDS     = 1,    // words of a pixel
    parameter MEM_FILE  = ""
) (
    input  wire                        clk,
    input  wire                        rst,

    input  wire [LANES*IN_BITS-1:0]    s_axis_tdata,
    input  wire                        s_axis_tvalid,
    output wire                        s_axis_tready,
    input  wire                        s_axis_tlast,

    output wire [LANES*OUT_BITS-1:0]   m_axis_tdata,
    output wire                        m_axis_tvalid,
    input  wire                        m_axis_tready,
    output wire                        m_axis_tlast
);

    localparam X_BITS    = IN_BITS + (IN_SIGNED != 0 ? 0 : 1);     // as two's complement
    localparam P_BITS    = X_BITS + M_BITS;
    localparam SUM_BITS  = (P_BITS > R_BITS ? P_BITS : R_BITS) + 1;
    localparam KEPT_BITS = SUM_BITS > SHIFT ? SUM_BITS - SHIFT : 1;
    localparam C_BITS    = KEPT_BITS > 32 ? KEPT_BITS : 33;        // holds LO and HI too
    localparam WORD_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam ENTRY     = M_BITS + R_BITS;

    // ---- control -------------------------------------------------------------------------------

    reg [3:0] valid_q;
    reg [3:0] last_q;
    wire      move = !valid_q[3] || m_axis_tready;
    always @(posedge clk) begin
        if (move) begin
            valid_q <= {valid_q[2:0], s_axis_tvalid};
            last_q  <= {last_q[2:0], s_axis_tlast};
        end
        if (rst)
            valid_q <= 4'd0;
    end

    assign s_axis_tready = move;
    assign m_axis_tvalid = valid_q[3];
    assign m_axis_tlast  = last_q[3];

    // ---- input and constants -------------------------------------------------------------------

    reg [LANES*ENTRY-1:0] rom [0:WORDS-1];
    generate
        if (MEM_FILE != "") begin : fill   // tools also elaborate a module as it stands
            initial $readmemh(MEM_FILE, rom);
        end
    endgenerate

    reg [WORD_BITS-1:0] word_q;
    generate
        if (WORDS > 1) begin : count
            localparam [WORD_BITS-1:0] LAST = WORDS[WORD_BITS-1:0] - 1'b1;
            always @(posedge clk)
                if (rst)
                    word_q <= {WORD_BITS{1'b0}};
                else if (move && s_axis_tvalid)
                    word_q <= word_q == LAST ? {WORD_BITS{1'b0}} : word_q + 1'b1;
        end else begin : one
            always @(posedge clk)
                word_q <= 1'b0;
        end
    endgenerate

    reg [LANES*IN_BITS-1:0] in_q;
    reg [LANES*ENTRY-1:0]   constants_q;
    always @(posedge clk)
        if (move) begin
            in_q        <= s_axis_tdata;
            constants_q <= rom[word_q];
        end

    // ---- lanes ---------------------------------------------------------------------------------

    localparam signed [C_BITS-1:0] LEAST = {{(C_BITS-32){LO[31]}}, LO[31:0]};
    localparam signed [C_BITS-1:0] MOST  = {{(C_BITS-32){HI[31]}}, HI[31:0]};

    genvar i;
    generate
        for (i = 0; i < LANES; i = i + 1) begin : lane
            wire signed [X_BITS-1:0] x;
            if (IN_SIGNED != 0) begin : two_s_complement
                assign x = in_q[i*IN_BITS +: IN_BITS];
            end else begin : plain
                assign x = {1'b0, in_q[i*IN_BITS +: IN_BITS]};
            end
            wire signed [M_BITS-1:0] m = constants_q[i*ENTRY +: M_BITS];

            reg signed [P_BITS-1:0]   product_q;
            reg signed [R_BITS-1:0]   r_q;
            reg signed [SUM_BITS-1:0] sum_q;
            wire signed [SUM_BITS-1:0] scaled = sum_q >>> SHIFT;
            wire signed [C_BITS-1:0]   code;
            if (C_BITS > SUM_BITS) begin : widen
                assign code = {{(C_BITS-SUM_BITS){scaled[SUM_BITS-1]}}, scaled};
            end else begin : narrow
                wire unused = &{1'b0, scaled};   // above C_BITS there are copies of the sign
                assign code = scaled[C_BITS-1:0];
            end
            reg [OUT_BITS-1:0] out_q;
            always @(posedge clk)
                if (move) begin
                    product_q <= {{M_BITS{x[X_BITS-1]}}, x} * {{X_BITS{m[M_BITS-1]}}, m};
                    r_q       <= constants_q[i*ENTRY+M_BITS +: R_BITS];
                    sum_q     <= {{(SUM_BITS-P_BITS){product_q[P_BITS-1]}}, product_q}
                               + {{(SUM_BITS-R_BITS){r_q[R_BITS-1]}}, r_q};
                    out_q     <= code < LEAST ? LEAST[OUT_BITS-1:0] :
                                 code > MOST  ? MOST[OUT_BITS-1:0]  : code[OUT_BITS-1:0];
                end
            assign m_axis_tdata[i*OUT_BITS +: OUT_BITS] = out_q;
        end
    endgenerate

endmodule

`default_nettype wire
