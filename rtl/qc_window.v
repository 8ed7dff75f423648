// SPDX-License-Identifier: Apache-2.0
//
// qc_window: line buffer that turns a raster of pixels into a stream of windows.
//
//   for oy, ox, g < GROUPS, r < REPEAT, kh < KH, kw < KW, w < WORDS   (outermost first)
//       out = in[oy*SH + kh*DH][ox*SW + kw*DW][g*WORDS + w]
//
// with oy < (H - KSPAN) / SH + 1, KSPAN = (KH-1)*DH + 1, and ox likewise.
//
// The rows lie in a ring of ROWS rows. One address register walks it: the step from each beat to
// the next is a constant that depends only on which of the eight loops advances and on whether the
// row wraps round the ring. The loops run a beat ahead of the address and leave the step in a
// register, so that the choice and the sum have a cycle each. `rows_q` counts the whole
// rows from the first row of the current output row on. An output row runs while all its KSPAN
// rows are there; its end takes the rows that no later one needs out of the count. Rows of the
// frame that no window uses (between windows where SH > KSPAN, and at the bottom) are swallowed at
// the input and never take up room. The write port only ever touches rows outside the count, the
// read port only rows inside it, so the two never meet at an address.
//
// Latency   an output row's first beat is valid 3 cycles after the last beat it waits for went in.
// Rate      one output beat a cycle, without a bubble between pixels, output rows or frames while
//           the rows are there; one input beat a cycle while fewer than ROWS whole rows are held.
//           Rows freed by the last read of an output row can be written from the next cycle on.
//           With ROWS = KSPAN output rows and the rows they wait for take turns; min(SH, KSPAN)
//           rows more let them overlap within a frame, 2*KSPAN rows also between frames.
// Ready     s_axis_tready comes from registers only; m_axis_tready reaches the clock enables of the
//           two output stages, the loops and the address through two gates.

`default_nettype none

module qc_window #(
    parameter WIDTH  = 8,   // bits of a beat
    parameter H      = 6,   // rows of an input frame, padding included; at least (KH-1)*DH+1
    parameter W      = 6,   // pixels of a row; at least (KW-1)*DW+1
    parameter GROUPS = 1,   // convolution groups that a pixel's beats are split into
    parameter WORDS  = 1,   // beats of one group of a pixel
    parameter KH     = 3,   // kernel, stride and dilation, 1 or more
    parameter KW     = 3,
    parameter SH     = 1,
    parameter SW     = 1,
    parameter DH     = 1,
    parameter DW     = 1,
    parameter REPEAT = 1,   // times that a window is sent
    parameter ROWS   = 4    // rows held; at least (KH-1)*DH+1
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

    // ---- sizes, in beats unless named rows ------------------------------------------------------

    localparam integer PIXEL = GROUPS * WORDS;
    localparam integer ROW   = W * PIXEL;
    localparam integer DEPTH = ROWS * ROW;

    localparam integer BACK  = (KH - 1) * DH;                   // rows from first to last of a window
    localparam integer KSPAN = BACK + 1;
    localparam integer OH    = (H - KSPAN) / SH + 1;
    localparam integer OW    = (W - ((KW - 1) * DW + 1)) / SW + 1;
    localparam integer DROP  = (SH < KSPAN) ? SH : KSPAN;       // rows freed after an output row
    localparam integer USED  = (OH - 1) * SH + KSPAN;           // rows up to the last one in use

    localparam integer AB  = (DEPTH > 1) ? $clog2(DEPTH) : 1;
    localparam integer RB  = (ROWS > 1) ? $clog2(ROWS) : 1;
    localparam integer CB  = $clog2(ROWS + 1);
    localparam integer XB  = (ROW > 1) ? $clog2(ROW) : 1;
    localparam integer YB  = (H > 1) ? $clog2(H) : 1;
    localparam integer SB  = (SH > 1) ? $clog2(SH) : 1;
    localparam integer WB  = (WORDS > 1) ? $clog2(WORDS) : 1;
    localparam integer KWB = (KW > 1) ? $clog2(KW) : 1;
    localparam integer KHB = (KH > 1) ? $clog2(KH) : 1;
    localparam integer REB = (REPEAT > 1) ? $clog2(REPEAT) : 1;
    localparam integer GB  = (GROUPS > 1) ? $clog2(GROUPS) : 1;
    localparam integer OXB = (OW > 1) ? $clog2(OW) : 1;
    localparam integer OYB = (OH > 1) ? $clog2(OH) : 1;

    // Last value of each counter.
    localparam integer DEPTH_MAX  = DEPTH - 1;
    localparam integer ROW_MAX    = ROW - 1;
    localparam integer H_MAX      = H - 1;
    localparam integer SH_MAX     = SH - 1;
    localparam integer WORDS_MAX  = WORDS - 1;
    localparam integer KW_MAX     = KW - 1;
    localparam integer KH_MAX     = KH - 1;
    localparam integer REPEAT_MAX = REPEAT - 1;
    localparam integer GROUPS_MAX = GROUPS - 1;
    localparam integer OW_MAX     = OW - 1;
    localparam integer OH_MAX     = OH - 1;

    // ---- rows held ------------------------------------------------------------------------------

    localparam integer ONE = 1;
    localparam [(1<<CB)-1:0] ENOUGH = {(1<<CB){1'b1}} << KSPAN;  // bit n: n rows do for an output row

    reg  [CB-1:0] rows_q;           // whole rows in the ring that are still needed
    wire          row_in;           // the last beat of a row goes into the ring
    reg  [CB-1:0] rows_out;         // rows freed by the read of this cycle
    wire          room  = rows_q != ROWS[CB-1:0];
    wire          ready = ENOUGH[rows_q];

    always @(posedge clk) begin
        rows_q <= rows_q + (row_in ? ONE[CB-1:0] : {CB{1'b0}}) - rows_out;
        if (rst)
            rows_q <= {CB{1'b0}};
    end

    // ---- input ----------------------------------------------------------------------------------

    wire          skip;             // the row that comes in is used by no window
    reg  [XB-1:0] x_q;              // beat of the row
    reg  [AB-1:0] waddr_q;
    wire          beat_in  = s_axis_tvalid && s_axis_tready;
    wire          write    = s_axis_tvalid && room && !skip;
    wire          x_last   = (ROW == 1) || (x_q == ROW_MAX[XB-1:0]);
    wire          row_end  = beat_in && x_last;

    assign s_axis_tready = room || skip;
    assign row_in        = row_end && !skip;

    always @(posedge clk) begin
        if (beat_in)
            x_q <= x_last ? {XB{1'b0}} : x_q + 1'b1;
        if (write)
            waddr_q <= (waddr_q == DEPTH_MAX[AB-1:0]) ? {AB{1'b0}} : waddr_q + 1'b1;
        if (rst) begin
            x_q     <= {XB{1'b0}};
            waddr_q <= {AB{1'b0}};
        end
    end

    generate
        if (USED == H && SH <= KSPAN) begin : g_keep
            assign skip = 1'b0;
        end else begin : g_skip
            reg  [YB-1:0] y_q;      // row of the frame
            reg  [SB-1:0] phase_q;  // y_q modulo SH
            wire signed [31:0] y     = {{(32-YB){1'b0}}, y_q};
            wire signed [31:0] phase = {{(32-SB){1'b0}}, phase_q};
            wire          y_last = y_q == H_MAX[YB-1:0];
            assign skip = (y >= USED) || (phase >= KSPAN);
            always @(posedge clk) begin
                if (row_end) begin
                    y_q     <= y_last ? {YB{1'b0}} : y_q + 1'b1;
                    phase_q <= (y_last || phase_q == SH_MAX[SB-1:0]) ? {SB{1'b0}} : phase_q + 1'b1;
                end
                if (rst) begin
                    y_q     <= {YB{1'b0}};
                    phase_q <= {SB{1'b0}};
                end
            end
        end
    endgenerate

    // ---- loops, of the beat after the one at addr_q ------------------------------------------------

    reg  [WB-1:0]  w_q;
    reg  [KWB-1:0] kw_q;
    reg  [KHB-1:0] kh_q;
    reg  [REB-1:0] r_q;
    reg  [GB-1:0]  g_q;
    reg  [OXB-1:0] ox_q;
    reg  [OYB-1:0] oy_q;

    // Each of these says that its loop and all loops inside it are at their last turn.
    wire w_end  = (WORDS == 1) || (w_q == WORDS_MAX[WB-1:0]);
    wire kw_end = w_end  && ((KW == 1) || (kw_q == KW_MAX[KWB-1:0]));
    wire kh_end = kw_end && ((KH == 1) || (kh_q == KH_MAX[KHB-1:0]));
    wire r_end  = kh_end && ((REPEAT == 1) || (r_q == REPEAT_MAX[REB-1:0]));
    wire g_end  = r_end  && ((GROUPS == 1) || (g_q == GROUPS_MAX[GB-1:0]));
    wire ox_end = g_end  && ((OW == 1) || (ox_q == OW_MAX[OXB-1:0]));
    wire oy_end = ox_end && ((OH == 1) || (oy_q == OH_MAX[OYB-1:0]));

    reg  primed_q;                  // step_q and the loops are at the first beat and behind it
    reg  row_done_q;                // the beat at addr_q is the last of an output row
    reg  frame_done_q;              // and of the frame
    wire read;                      // the beat at addr_q is read
    wire advance = read || !primed_q;

    always @(posedge clk) begin
        primed_q <= !rst;
        if (advance) begin
            row_done_q   <= ox_end;
            frame_done_q <= oy_end;
        end
    end

    always @(posedge clk) begin
        if (advance) begin
            w_q <= w_end ? {WB{1'b0}} : w_q + 1'b1;
            if (w_end)
                kw_q <= kw_end ? {KWB{1'b0}} : kw_q + 1'b1;
            if (kw_end)
                kh_q <= kh_end ? {KHB{1'b0}} : kh_q + 1'b1;
            if (kh_end)
                r_q <= r_end ? {REB{1'b0}} : r_q + 1'b1;
            if (r_end)
                g_q <= g_end ? {GB{1'b0}} : g_q + 1'b1;
            if (g_end)
                ox_q <= ox_end ? {OXB{1'b0}} : ox_q + 1'b1;
            if (ox_end)
                oy_q <= oy_end ? {OYB{1'b0}} : oy_q + 1'b1;
        end
        if (rst) begin
            w_q  <= {WB{1'b0}};
            kw_q <= {KWB{1'b0}};
            kh_q <= {KHB{1'b0}};
            r_q  <= {REB{1'b0}};
            g_q  <= {GB{1'b0}};
            ox_q <= {OXB{1'b0}};
            oy_q <= {OYB{1'b0}};
        end
    end

    always @* begin
        rows_out = {CB{1'b0}};
        if (read && row_done_q)
            rows_out = frame_done_q ? KSPAN[CB-1:0] : DROP[CB-1:0];
    end

    // ---- address --------------------------------------------------------------------------------

    // A window's beats span HOME; an output row's windows start within SWEEP of each other.
    localparam integer HOME     = BACK * ROW + (KW - 1) * DW * PIXEL + WORDS - 1;
    localparam integer SWEEP    = (OW - 1) * SW * PIXEL + (GROUPS - 1) * WORDS;
    localparam integer STEP_W   = 1;
    localparam integer STEP_KW  = DW * PIXEL - (WORDS - 1);
    localparam integer STEP_KH  = DH * ROW - (KW - 1) * DW * PIXEL - (WORDS - 1);
    localparam integer STEP_R   = -HOME;
    localparam integer STEP_G   = WORDS - HOME;
    localparam integer STEP_OX  = SW * PIXEL - (GROUPS - 1) * WORDS - HOME;
    localparam integer STEP_OY  = DROP * ROW - SWEEP - HOME;
    localparam integer STEP_END = KSPAN * ROW - SWEEP - HOME;

    // The same steps in rows of the ring. A step down may pass the end of the ring, one up its start.
    localparam integer UP_R     = BACK;
    localparam integer DOWN_OY  = (DROP > BACK) ? DROP - BACK : 0;
    localparam integer UP_OY    = (DROP > BACK) ? 0 : BACK - DROP;

    // Bit n: from row n a step of so many rows passes the end of the ring, or its start.
    localparam [(1<<RB)-1:0] ALL     = {(1<<RB){1'b1}};
    localparam [(1<<RB)-1:0] PAST_KH  = ALL << ((KH > 1) ? ROWS - DH : 0);
    localparam [(1<<RB)-1:0] PAST_OY  = ALL << (ROWS - DOWN_OY);
    localparam [(1<<RB)-1:0] PAST_END = ALL << (ROWS - 1);
    localparam [(1<<RB)-1:0] BELOW_R  = ~(ALL << UP_R);
    localparam [(1<<RB)-1:0] BELOW_OY = ~(ALL << UP_OY);

    // Modulo 2^AB and 2^RB: exact, because the sums lie in 0 .. DEPTH-1 and 0 .. ROWS-1.
    localparam integer RING_KH  = STEP_KH - DEPTH;
    localparam integer RING_R   = STEP_R + DEPTH;
    localparam integer RING_G   = STEP_G + DEPTH;
    localparam integer RING_OX  = STEP_OX + DEPTH;
    localparam integer RING_OY  = (DROP > BACK) ? STEP_OY - DEPTH : STEP_OY + DEPTH;
    localparam integer RING_END = STEP_END - DEPTH;
    localparam integer ROWS_KH  = DH;
    localparam integer ROWS_R   = -UP_R;
    localparam integer ROWS_OY  = DOWN_OY - UP_OY;
    localparam integer TURN_KH  = DH - ROWS;
    localparam integer TURN_R   = ROWS - UP_R;
    localparam integer TURN_OY  = (DROP > BACK) ? ROWS_OY - ROWS : ROWS_OY + ROWS;
    localparam integer TURN_END = 1 - ROWS;

    reg  [AB-1:0] addr_q;
    reg  [AB-1:0] step_q;           // from the beat at addr_q to the next
    reg  [RB-1:0] row_q;            // row of the ring of the beat that the loops are at
    reg  [AB-1:0] step;
    reg  [RB-1:0] rows;

    always @* begin
        step = PAST_END[row_q] ? RING_END[AB-1:0] : STEP_END[AB-1:0];
        rows = PAST_END[row_q] ? TURN_END[RB-1:0] : ONE[RB-1:0];
        if (!kw_end) begin
            step = w_end ? STEP_KW[AB-1:0] : STEP_W[AB-1:0];
            rows = {RB{1'b0}};
        end else if (!kh_end) begin
            step = PAST_KH[row_q] ? RING_KH[AB-1:0] : STEP_KH[AB-1:0];
            rows = PAST_KH[row_q] ? TURN_KH[RB-1:0] : ROWS_KH[RB-1:0];
        end else if (!ox_end) begin
            if (BELOW_R[row_q])
                step = !r_end ? RING_R[AB-1:0] : !g_end ? RING_G[AB-1:0] : RING_OX[AB-1:0];
            else
                step = !r_end ? STEP_R[AB-1:0] : !g_end ? STEP_G[AB-1:0] : STEP_OX[AB-1:0];
            rows = BELOW_R[row_q] ? TURN_R[RB-1:0] : ROWS_R[RB-1:0];
        end else if (!oy_end) begin
            step = (PAST_OY[row_q] || BELOW_OY[row_q]) ? RING_OY[AB-1:0] : STEP_OY[AB-1:0];
            rows = (PAST_OY[row_q] || BELOW_OY[row_q]) ? TURN_OY[RB-1:0] : ROWS_OY[RB-1:0];
        end
    end

    always @(posedge clk) begin
        if (read)
            addr_q <= addr_q + step_q;
        if (advance) begin
            step_q <= step;
            row_q  <= row_q + rows;
        end
        if (rst) begin
            addr_q <= {AB{1'b0}};
            row_q  <= {RB{1'b0}};
        end
    end

    // ---- ring and output ------------------------------------------------------------------------

    (* no_rw_check *)
    reg  [WIDTH-1:0] ring [0:DEPTH-1];
    reg  [WIDTH-1:0] ring_q;        // not reset: qualified by ring_valid_q
    reg  [WIDTH-1:0] out_q;         // not reset: qualified by out_valid_q
    reg              ring_last_q;
    reg              out_last_q;
    reg              ring_valid_q;
    reg              out_valid_q;
    wire             out_move = !out_valid_q || m_axis_tready;

    assign read = ready && (!ring_valid_q || out_move);

    always @(posedge clk)
        if (write)
            ring[waddr_q] <= s_axis_tdata;

    always @(posedge clk)
        if (read)
            ring_q <= ring[addr_q];

    always @(posedge clk) begin
        if (read)
            ring_last_q <= frame_done_q;
        if (out_move) begin
            out_q      <= ring_q;
            out_last_q <= ring_last_q;
        end
        if (out_move)
            out_valid_q <= ring_valid_q;
        if (read)
            ring_valid_q <= 1'b1;
        else if (out_move)
            ring_valid_q <= 1'b0;
        if (rst) begin
            ring_valid_q <= 1'b0;
            out_valid_q  <= 1'b0;
        end
    end

    assign m_axis_tdata  = out_q;
    assign m_axis_tvalid = out_valid_q;
    assign m_axis_tlast  = out_last_q;

    // The frame's shape is known from the parameters.
    wire unused_tlast = s_axis_tlast;

endmodule

`default_nettype wire
