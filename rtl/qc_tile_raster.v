// qc_tile_raster: puts the outputs of tiles in raster order and crops what lies beyond the frame.
//
//   in  tile row < TH, tile column < TW, c < CFOLDS, y < M, x < M   (outermost first)
//   out row < H, column < W, c < CFOLDS
//
// with TH = ceil(H / M), TW = ceil(W / M): pixel (tile row * M + y, tile column * M + x).
//
// Two halves of one memory, each a row of tiles: one is filled while the rows of the other leave.
// Columns beyond W are not written, rows beyond H not read.
//
// Latency   3 cycles from the last beat of a row of tiles to its first beat out.
// Rate      one beat a cycle, in and out.
// Ready     s_axis_tready comes from registers only.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_tile_raster #(
    parameter WIDTH  = 8,   // bits of a beat
    parameter H      = 5,   // rows and columns of the outputs, 1 or more
    parameter W      = 5,
    parameter M      = 2,   // rows and columns of a tile, 1 or more
    parameter CFOLDS = 2    // beats of a pixel, 1 or more
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

    localparam integer TH    = (H + M - 1) / M;
    localparam integer TW    = (W + M - 1) / M;
    localparam integer ROW   = W * CFOLDS;              // beats of a row
    localparam integer BLOCK = M * ROW;                 // beats of a half
    localparam integer REST  = H - (TH - 1) * M;        // rows of the last row of tiles
    localparam integer DEPTH = 2 * BLOCK;

    localparam integer AB  = $clog2(DEPTH);
    localparam integer XB  = $clog2(TW * M + 1);
    localparam integer MB  = (M > 1) ? $clog2(M) : 1;
    localparam integer CB  = (CFOLDS > 1) ? $clog2(CFOLDS) : 1;
    localparam integer THB = (TH > 1) ? $clog2(TH) : 1;

    localparam integer M_MAX      = M - 1;
    localparam integer CFOLDS_MAX = CFOLDS - 1;
    localparam integer TH_MAX     = TH - 1;
    localparam integer FULL_MAX   = BLOCK - 1;          // last beat that is read of a half
    localparam integer REST_MAX   = REST * ROW - 1;
    localparam integer TW_LAST    = (TW - 1) * M;       // first column of the last tile

    // ---- halves ---------------------------------------------------------------------------------

    reg  [1:0] full_q;
    reg        in_half_q;
    reg        out_half_q;
    wire       beat     = s_axis_tvalid && s_axis_tready;
    wire       in_end;
    wire       read;
    wire       read_end;

    assign s_axis_tready = !full_q[in_half_q];

    always @(posedge clk) begin
        if (in_end) begin
            full_q[in_half_q] <= 1'b1;
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

    // ---- input: four loops and the address that they step through a half ------------------------

    reg  [MB-1:0] x_q;
    reg  [MB-1:0] y_q;
    reg  [CB-1:0] c_q;
    reg  [XB-1:0] left_q;           // first column of the tile
    reg  [AB-1:0] waddr_q;          // within the half; beyond it where the column is not written
    wire          x_end = (M == 1) || (x_q == M_MAX[MB-1:0]);
    wire          y_end = x_end && ((M == 1) || (y_q == M_MAX[MB-1:0]));
    wire          c_end = y_end && ((CFOLDS == 1) || (c_q == CFOLDS_MAX[CB-1:0]));
    wire          t_end = c_end && (left_q == TW_LAST[XB-1:0]);

    assign in_end = beat && t_end;

    localparam integer STEP_X = CFOLDS;
    localparam integer STEP_Y = ROW - M_MAX * CFOLDS;
    localparam integer STEP_C = 1 - M_MAX * ROW - M_MAX * CFOLDS;
    localparam integer STEP_T = 1 - M_MAX * ROW;
    reg  [AB-1:0] step;             // modulo 2^AB
    always @* begin
        step = STEP_X[AB-1:0];
        if (c_end)
            step = STEP_T[AB-1:0];
        else if (y_end)
            step = STEP_C[AB-1:0];
        else if (x_end)
            step = STEP_Y[AB-1:0];
    end

    always @(posedge clk) begin
        if (beat) begin
            x_q     <= x_end ? {MB{1'b0}} : x_q + 1'b1;
            waddr_q <= t_end ? (in_half_q ? {AB{1'b0}} : BLOCK[AB-1:0]) : waddr_q + step;
            if (x_end)
                y_q <= y_end ? {MB{1'b0}} : y_q + 1'b1;
            if (y_end)
                c_q <= c_end ? {CB{1'b0}} : c_q + 1'b1;
            if (c_end)
                left_q <= t_end ? {XB{1'b0}} : left_q + M[XB-1:0];
        end
        if (rst) begin
            x_q     <= {MB{1'b0}};
            y_q     <= {MB{1'b0}};
            c_q     <= {CB{1'b0}};
            left_q  <= {XB{1'b0}};
            waddr_q <= {AB{1'b0}};
        end
    end

    wire inside;                    // the column lies in the frame
    generate
        if (TW * M == W) begin : g_whole
            assign inside = 1'b1;
        end else begin : g_crop
            wire [XB-1:0] column = left_q + {{(XB-MB){1'b0}}, x_q};
            assign inside = column < W[XB-1:0];
        end
    endgenerate

    // ---- output: straight through the rows of a half --------------------------------------------

    reg  [THB-1:0] row_q;           // row of tiles
    reg  [AB-1:0]  raddr_q;
    wire           row_last = (TH == 1) || (row_q == TH_MAX[THB-1:0]);
    wire [AB-1:0]  full_max = row_last ? REST_MAX[AB-1:0] : FULL_MAX[AB-1:0];
    wire [AB-1:0]  first    = out_half_q ? BLOCK[AB-1:0] : {AB{1'b0}};

    assign read_end = read && raddr_q == first + full_max;

    always @(posedge clk) begin
        if (read)
            raddr_q <= read_end ? (out_half_q ? {AB{1'b0}} : BLOCK[AB-1:0]) : raddr_q + 1'b1;
        if (read_end)
            row_q <= row_last ? {THB{1'b0}} : row_q + 1'b1;
        if (rst) begin
            raddr_q <= {AB{1'b0}};
            row_q   <= {THB{1'b0}};
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
        if (beat && inside)
            memory[waddr_q] <= s_axis_tdata;

    always @(posedge clk)
        if (read)
            memory_q <= memory[raddr_q];

    always @(posedge clk) begin
        if (read)
            memory_last_q <= read_end && row_last;
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

    // The frame's shape is known from the parameters.
    wire unused_tlast = s_axis_tlast;

endmodule

`default_nettype wire
