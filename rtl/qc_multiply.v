// qc_multiply: gates the channels of a stream: each word of a frame times its own word of a gate.
//
//   p = a - A_ZERO,  q = b - B_ZERO,  out[pixel][word] = p[pixel][word] * q[word]
//
// A frame of b is one pixel, WORDS beats, for the PIXELS pixels of a frame of a. A RAM of WORDS
// words holds q. While the last pixel passes, the words that are done with make room for those of
// the next gate: if they wait at the input, the next frame follows without a bubble.
//
// Latency   2 cycles from a beat of a: operands, product.
// Rate      one beat a cycle; stalls while the gate's word is not there, and while the result waits
//           for m_axis_tready, on which a_axis_tready depends in the same cycle.
// Overflow  none, if P_BITS, Q_BITS and OUT_BITS hold the exact values.
// Registers that are not reset hold data whose valid bit is reset.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_multiply #(
    parameter         LANES    = 1,   // values of a beat, at least 1
    parameter         A_BITS   = 8,   // bits of a value of a
    parameter         A_SIGNED = 0,   // 1: a is two's complement
    parameter integer A_ZERO   = 0,   // what is taken from a, of either sign
    parameter         P_BITS   = 8,   // bits of a value of p
    parameter         P_SIGNED = 0,   // 1: p may be negative
    parameter         B_BITS   = 8,   // likewise for the gate
    parameter         B_SIGNED = 0,
    parameter integer B_ZERO   = 0,
    parameter         Q_BITS   = 8,
    parameter         Q_SIGNED = 0,
    parameter         OUT_BITS = 16,  // bits of a product, two's complement if p or q is signed
    parameter         WORDS    = 2,   // beats of a pixel, at least 1
    parameter         PIXELS   = 16   // pixels of a frame, at least 1
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
    input  wire                      b_axis_tlast,    // not used: WORDS tells

    output wire [LANES*OUT_BITS-1:0] m_axis_tdata,
    output wire                      m_axis_tvalid,
    input  wire                      m_axis_tready,
    output wire                      m_axis_tlast
);

    localparam integer WB         = (WORDS > 1) ? $clog2(WORDS) : 1;
    localparam integer PB         = (PIXELS > 1) ? $clog2(PIXELS) : 1;
    localparam integer WORDS_MAX  = WORDS - 1;
    localparam integer PIXELS_MAX = PIXELS - 1;
    localparam integer PRODUCT    = P_BITS + Q_BITS + 2;

    // ---- control --------------------------------------------------------------------------------

    reg [1:0]    valid_q;   // operands, product
    reg [1:0]    last_q;
    reg [WB-1:0] word_q;    // of a
    reg [PB-1:0] pixel_q;
    reg [WB-1:0] load_q;    // next word of the gate to come
    reg          whole_q;   // the gate of this frame is loaded

    // Until the gate is whole, load_q is at word_q or ahead of it. Then it stands at 0, and in the
    // last pixel it follows word_q.
    wire apart      = (WORDS > 1) && (load_q != word_q);
    wire word_end   = (WORDS == 1) || (word_q == WORDS_MAX[WB-1:0]);
    wire load_end   = (WORDS == 1) || (load_q == WORDS_MAX[WB-1:0]);
    wire last_pixel = (PIXELS == 1) || (pixel_q == PIXELS_MAX[PB-1:0]);
    wire move       = !valid_q[1] || m_axis_tready;
    wire beat       = a_axis_tvalid && a_axis_tready;
    wire load       = b_axis_tvalid && b_axis_tready;

    assign a_axis_tready = move && (whole_q || apart);
    assign b_axis_tready = !whole_q || (last_pixel && (apart || (WORDS == 1 && beat)));
    assign m_axis_tvalid = valid_q[1];
    assign m_axis_tlast  = last_q[1];

    always @(posedge clk) begin
        if (move) begin
            valid_q <= {valid_q[0], beat};
            last_q  <= {last_q[0], a_axis_tlast};
        end
        if (beat)
            word_q <= word_end ? {WB{1'b0}} : word_q + 1'b1;
        if (beat && word_end)
            pixel_q <= last_pixel ? {PB{1'b0}} : pixel_q + 1'b1;
        if (load)
            load_q <= load_end ? {WB{1'b0}} : load_q + 1'b1;
        whole_q <= (load && load_end) || (whole_q && !(beat && word_end && last_pixel));
        if (rst) begin
            valid_q <= 2'b00;
            word_q  <= {WB{1'b0}};
            pixel_q <= {PB{1'b0}};
            load_q  <= {WB{1'b0}};
            whole_q <= 1'b0;
        end
    end

    // ---- the gate -------------------------------------------------------------------------------

    wire [LANES*P_BITS-1:0] p;
    wire [LANES*Q_BITS-1:0] q;
    reg  [LANES*P_BITS-1:0] p_q;
    reg  [LANES*Q_BITS-1:0] q_q;

    always @(posedge clk)
        if (move)
            p_q <= p;

    generate
        if (WORDS == 1) begin : g_register

            reg [LANES*Q_BITS-1:0] held_q;
            always @(posedge clk) begin
                if (load)
                    held_q <= q;
                if (move)
                    q_q <= held_q;
            end

        end else begin : g_ram

            // A word that goes on to the product was written in an earlier cycle.
            (* no_rw_check *)
            reg [LANES*Q_BITS-1:0] ram [0:WORDS-1];
            always @(posedge clk) begin
                if (load)
                    ram[load_q] <= q;
                if (move)
                    q_q <= ram[word_q];
            end

        end
    endgenerate

    // ---- lanes ----------------------------------------------------------------------------------

    // The zeros modulo 2^P_BITS and 2^Q_BITS.
    localparam [P_BITS+31:0] A_C = {{P_BITS{A_ZERO[31]}}, A_ZERO};
    localparam [Q_BITS+31:0] B_C = {{Q_BITS{B_ZERO[31]}}, B_ZERO};

    genvar i;
    generate
        for (i = 0; i < LANES; i = i + 1) begin : g_lane

            wire [P_BITS-1:0] a;   // operands modulo 2^P_BITS and 2^Q_BITS
            wire [Q_BITS-1:0] b;

            if (A_BITS < P_BITS) begin : g_a_extend
                wire sign = (A_SIGNED != 0) && a_axis_tdata[i*A_BITS + A_BITS - 1];
                assign a = {{(P_BITS-A_BITS){sign}}, a_axis_tdata[i*A_BITS +: A_BITS]};
            end else begin : g_a_low
                assign a = a_axis_tdata[i*A_BITS +: P_BITS];
            end

            if (B_BITS < Q_BITS) begin : g_b_extend
                wire sign = (B_SIGNED != 0) && b_axis_tdata[i*B_BITS + B_BITS - 1];
                assign b = {{(Q_BITS-B_BITS){sign}}, b_axis_tdata[i*B_BITS +: B_BITS]};
            end else begin : g_b_low
                assign b = b_axis_tdata[i*B_BITS +: Q_BITS];
            end

            assign p[i*P_BITS +: P_BITS] = a - A_C[P_BITS-1:0];
            assign q[i*Q_BITS +: Q_BITS] = b - B_C[Q_BITS-1:0];

            wire signed [P_BITS:0] p_x = {(P_SIGNED != 0) && p_q[i*P_BITS + P_BITS - 1],
                                          p_q[i*P_BITS +: P_BITS]};
            wire signed [Q_BITS:0] q_x = {(Q_SIGNED != 0) && q_q[i*Q_BITS + Q_BITS - 1],
                                          q_q[i*Q_BITS +: Q_BITS]};
            wire signed [PRODUCT-1:0] product = p_x * q_x;
            reg  [OUT_BITS-1:0]       product_q;

            always @(posedge clk)
                if (move)
                    product_q <= product[OUT_BITS-1:0];

            assign m_axis_tdata[i*OUT_BITS +: OUT_BITS] = product_q;

            if (PRODUCT > OUT_BITS) begin : g_unused
                wire unused_ok = &{1'b0, product[PRODUCT-1:OUT_BITS]};
            end

        end
    endgenerate

    wire unused_ok = &{1'b0, a_axis_tdata, b_axis_tdata, b_axis_tlast};

endmodule

`default_nettype wire
