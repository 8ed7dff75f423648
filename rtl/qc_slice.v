// qc_slice: keeps a regular grid of the pixels of a frame and swallows the rest.
//
//   out[i][j] = in[Y0 + i*DY][X0 + j*DX],   i < NY,  j < NX
//
// Each axis has a count of the pixels (rows) to swallow before the next kept one.
// After the last kept column it is loaded with the way to the first kept column of
// the following row, past the end of this one; likewise for rows and frames. So the
// position in the frame itself is not needed.
//
// Latency   0. s_axis_tready depends on m_axis_tready in the same cycle.
// Rate      one input beat per cycle.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_slice #(
    parameter WIDTH = 8,   // bits of tdata, at least 1
    parameter WORDS = 1,   // beats per pixel, at least 1
    parameter H     = 4,   // rows of an input frame, at least 1
    parameter W     = 4,   // columns of an input frame, at least 1
    parameter Y0    = 0,   // first row kept
    parameter DY    = 2,   // distance of kept rows, at least 1
    parameter NY    = 2,   // rows kept; Y0 + (NY-1)*DY < H
    parameter X0    = 0,   // first column kept
    parameter DX    = 2,   // distance of kept columns, at least 1
    parameter NX    = 2    // columns kept; X0 + (NX-1)*DX < W
) (
    input  wire             clk,
    input  wire             rst,             // synchronous, active high

    input  wire [WIDTH-1:0] s_axis_tdata,
    input  wire             s_axis_tvalid,
    output wire             s_axis_tready,
    input  wire             s_axis_tlast,    // not used: the frame is counted

    output wire [WIDTH-1:0] m_axis_tdata,
    output wire             m_axis_tvalid,
    input  wire             m_axis_tready,
    output wire             m_axis_tlast
);

    // The TURN leads from the last kept column (row) to the first of the next row
    // (frame). It is at least as long as the way to the first one after reset.
    localparam X_STEP = DX - 1;
    localparam X_TURN = X0 + W - 1 - (X0 + (NX-1)*DX);
    localparam X_MAX  = (NX > 1 && X_STEP > X_TURN) ? X_STEP : X_TURN;
    localparam XGB    = (X_MAX > 0) ? $clog2(X_MAX + 1) : 1;
    localparam X_END  = NX - 1;
    localparam XIB    = (NX > 1) ? $clog2(NX) : 1;

    localparam Y_STEP = DY - 1;
    localparam Y_TURN = Y0 + H - 1 - (Y0 + (NY-1)*DY);
    localparam Y_MAX  = (NY > 1 && Y_STEP > Y_TURN) ? Y_STEP : Y_TURN;
    localparam YGB    = (Y_MAX > 0) ? $clog2(Y_MAX + 1) : 1;
    localparam Y_END  = NY - 1;
    localparam YIB    = (NY > 1) ? $clog2(NY) : 1;

    localparam W_END  = WORDS - 1;
    localparam WB     = (WORDS > 1) ? $clog2(WORDS) : 1;

    reg [WB-1:0]  w_q;       // word of the pixel
    reg [XGB-1:0] x_gap_q;   // pixels to swallow before the next kept one
    reg [XIB-1:0] x_idx_q;   // kept columns so far in this row
    reg [YGB-1:0] y_gap_q;   // rows to swallow before the next kept one
    reg [YIB-1:0] y_idx_q;   // kept rows so far in this frame

    wire w_last = (w_q == W_END[WB-1:0]);
    wire x_keep = (x_gap_q == {XGB{1'b0}});
    wire y_keep = (y_gap_q == {YGB{1'b0}});
    wire x_last = x_keep && (x_idx_q == X_END[XIB-1:0]);
    wire y_last = y_keep && (y_idx_q == Y_END[YIB-1:0]);
    wire keep   = x_keep && y_keep;

    // ---- handshake ---------------------------------------------------------

    wire beat = s_axis_tvalid && s_axis_tready;

    assign s_axis_tready = m_axis_tready || !keep;
    assign m_axis_tvalid = s_axis_tvalid && keep;
    assign m_axis_tdata  = s_axis_tdata;
    assign m_axis_tlast  = w_last && x_last && y_last;

    // ---- position ----------------------------------------------------------

    always @(posedge clk) begin
        if (beat) begin
            w_q <= w_last ? {WB{1'b0}} : w_q + 1'b1;
            if (w_last) begin
                if (!x_keep)
                    x_gap_q <= x_gap_q - 1'b1;
                else
                    x_gap_q <= x_last ? X_TURN[XGB-1:0] : X_STEP[XGB-1:0];
                if (x_keep)
                    x_idx_q <= x_last ? {XIB{1'b0}} : x_idx_q + 1'b1;
            end
            if (w_last && x_last) begin
                if (!y_keep)
                    y_gap_q <= y_gap_q - 1'b1;
                else
                    y_gap_q <= y_last ? Y_TURN[YGB-1:0] : Y_STEP[YGB-1:0];
                if (y_keep)
                    y_idx_q <= y_last ? {YIB{1'b0}} : y_idx_q + 1'b1;
            end
        end
        if (rst) begin
            w_q     <= {WB{1'b0}};
            x_gap_q <= X0[XGB-1:0];
            x_idx_q <= {XIB{1'b0}};
            y_gap_q <= Y0[YGB-1:0];
            y_idx_q <= {YIB{1'b0}};
        end
    end

    wire unused_ok = &{1'b0, s_axis_tlast};

endmodule

`default_nettype wire
