// qc_pad: frames of H x W pixels grow by a border of FILL beats.
//
//   out[y][x] = in[y - TOP][x - LEFT] inside,   FILL in the border
//
// A frame of the output starts only when a beat waits at the input: after a frame
// the module is silent until the next one comes. Later borders do not wait.
//
// Latency   0. s_axis_tready depends on m_axis_tready in the same cycle.
// Rate      one output beat per cycle.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_pad #(
    parameter             WIDTH  = 8,   // bits of tdata, at least 1
    parameter             WORDS  = 1,   // beats per pixel, at least 1
    parameter             H      = 4,   // rows of an input frame, at least 1
    parameter             W      = 4,   // columns of an input frame, at least 1
    parameter             TOP    = 1,   // border rows above, 0 or more
    parameter             LEFT   = 1,   // border columns on the left, 0 or more
    parameter             BOTTOM = 1,   // border rows below, 0 or more
    parameter             RIGHT  = 1,   // border columns on the right, 0 or more
    parameter [WIDTH-1:0] FILL   = {WIDTH{1'b0}}   // the beat in the border
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

    // Columns are counted in beats: the border is the same for every word.
    localparam XN      = (LEFT + W + RIGHT) * WORDS;
    localparam XB      = (XN > 1) ? $clog2(XN) : 1;
    localparam X_ENTER = LEFT * WORDS - 1;           // last beat of the left border
    localparam X_LEAVE = (LEFT + W) * WORDS - 1;     // last beat of the interior
    localparam X_END   = XN - 1;
    localparam YN      = TOP + H + BOTTOM;
    localparam YB      = (YN > 1) ? $clog2(YN) : 1;
    localparam Y_ENTER = TOP - 1;
    localparam Y_LEAVE = TOP + H - 1;
    localparam Y_END   = YN - 1;

    reg [XB-1:0] x_q;
    reg [YB-1:0] y_q;
    reg          x_in_q;    // x_q is inside the frame that comes in
    reg          y_in_q;    // y_q likewise
    reg          first_q;   // the next output beat is the first of a frame

    wire x_enter = (LEFT > 0) && (x_q == X_ENTER[XB-1:0]);
    wire x_leave = (RIGHT > 0) && (x_q == X_LEAVE[XB-1:0]);
    wire x_last  = (x_q == X_END[XB-1:0]);
    wire y_enter = (TOP > 0) && (y_q == Y_ENTER[YB-1:0]);
    wire y_leave = (BOTTOM > 0) && (y_q == Y_LEAVE[YB-1:0]);
    wire y_last  = (y_q == Y_END[YB-1:0]);
    wire interior = x_in_q && y_in_q;

    // ---- handshake ---------------------------------------------------------

    wire beat = m_axis_tvalid && m_axis_tready;

    assign s_axis_tready = m_axis_tready && interior;
    assign m_axis_tvalid = s_axis_tvalid || !(interior || first_q);
    assign m_axis_tdata  = interior ? s_axis_tdata : FILL;
    assign m_axis_tlast  = x_last && y_last;

    always @(posedge clk) begin
        if (beat) begin
            first_q <= m_axis_tlast;
            x_q     <= x_last ? {XB{1'b0}} : x_q + 1'b1;
            x_in_q  <= x_last ? (LEFT == 0) : x_enter || (x_in_q && !x_leave);
            if (x_last) begin
                y_q    <= y_last ? {YB{1'b0}} : y_q + 1'b1;
                y_in_q <= y_last ? (TOP == 0) : y_enter || (y_in_q && !y_leave);
            end
        end
        if (rst) begin
            first_q <= 1'b1;
            x_q     <= {XB{1'b0}};
            x_in_q  <= (LEFT == 0);
            y_q     <= {YB{1'b0}};
            y_in_q  <= (TOP == 0);
        end
    end

    wire unused_ok = &{1'b0, s_axis_tlast};

endmodule

`default_nettype wire
