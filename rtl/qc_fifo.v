// qc_fifo: FIFO of exactly DEPTH beats.
//
//   out[n] = in[n]
//
// DEPTH = 2 is a pair of registers. A deeper FIFO is a RAM of DEPTH - 1 beats
// with a registered read; the read register is the DEPTH-th beat and is filled
// ahead of need. One of 2048 bits or more may be block RAM, whose read is slow:
// it has a row less and a second register behind the first. No combinational
// path goes from input to output or from m_axis_tready to s_axis_tready.
//
// Latency   1 cycle for DEPTH = 2, otherwise 2, with two registers 3.
// Rate      one beat per cycle. A full FIFO becomes ready one cycle after a beat
//           leaves it.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_fifo #(
    parameter WIDTH = 8,   // bits of tdata, at least 1
    parameter DEPTH = 16   // beats, at least 2, any integer
) (
    input  wire             clk,
    input  wire             rst,             // synchronous, active high

    input  wire [WIDTH-1:0] s_axis_tdata,
    input  wire             s_axis_tvalid,
    output wire             s_axis_tready,
    input  wire             s_axis_tlast,

    output wire [WIDTH-1:0] m_axis_tdata,
    output wire             m_axis_tvalid,
    input  wire             m_axis_tready,
    output wire             m_axis_tlast
);

    reg [WIDTH:0] out_q;         // {tlast, tdata}; not reset: qualified by out_valid_q
    reg           out_valid_q;
    reg           full_q;        // no room for another beat

    wire push = s_axis_tvalid && s_axis_tready;
    wire free = !out_valid_q || m_axis_tready;   // out_q may be loaded

    assign s_axis_tready = !full_q;
    assign m_axis_tvalid = out_valid_q;
    assign {m_axis_tlast, m_axis_tdata} = out_q;

    generate
        if (DEPTH == 2) begin : g_pair

            reg [WIDTH:0] skid_q;   // not reset: qualified by full_q

            always @(posedge clk) begin
                if (!full_q)
                    skid_q <= {s_axis_tlast, s_axis_tdata};
                if (free) begin
                    out_q       <= full_q ? skid_q : {s_axis_tlast, s_axis_tdata};
                    out_valid_q <= full_q || push;
                    full_q      <= 1'b0;
                end else if (push) begin
                    full_q      <= 1'b1;
                end
                if (rst) begin
                    out_valid_q <= 1'b0;
                    full_q      <= 1'b0;
                end
            end

        end else begin : g_ram

            localparam DEEP = (DEPTH > 3) && ((WIDTH + 1) * (DEPTH - 1) >= 2048);
            localparam ROWS = DEEP ? DEPTH - 2 : DEPTH - 1;
            localparam LAST = ROWS - 1;
            localparam AB   = $clog2(ROWS);
            localparam CB   = $clog2(DEPTH);
            localparam WRAP = (ROWS != (1 << AB));   // else the pointers wrap by themselves

            // A row is read only if it was written in an earlier cycle, so a read
            // and a write never meet.
            (* no_rw_check *)
            reg [WIDTH:0] mem [0:ROWS-1];
            reg [AB-1:0]  wr_q;
            reg [AB-1:0]  rd_q;
            reg [CB-1:0]  count_q;   // rows in use
            reg           some_q;    // count_q > 0

            wire room;               // for a row that is read
            wire fetch   = some_q && room;
            wire wr_wrap = WRAP && (wr_q == LAST[AB-1:0]);
            wire rd_wrap = WRAP && (rd_q == LAST[AB-1:0]);

            always @(posedge clk)
                if (push)
                    mem[wr_q] <= {s_axis_tlast, s_axis_tdata};

            if (DEEP) begin : g_two

                reg [WIDTH:0] read_q;   // not reset: qualified by read_valid_q
                reg           read_valid_q;
                assign room = !read_valid_q || free;

                always @(posedge clk) begin
                    if (fetch)
                        read_q <= mem[rd_q];
                    if (room)
                        read_valid_q <= some_q;
                    if (free) begin
                        out_q       <= read_q;
                        out_valid_q <= read_valid_q;
                    end
                    if (rst) begin
                        read_valid_q <= 1'b0;
                        out_valid_q  <= 1'b0;
                    end
                end

            end else begin : g_one

                assign room = free;

                always @(posedge clk) begin
                    if (fetch)
                        out_q <= mem[rd_q];
                    if (free)
                        out_valid_q <= some_q;
                    if (rst)
                        out_valid_q <= 1'b0;
                end

            end

            always @(posedge clk) begin
                if (push)
                    wr_q <= wr_wrap ? {AB{1'b0}} : wr_q + 1'b1;
                if (fetch)
                    rd_q <= rd_wrap ? {AB{1'b0}} : rd_q + 1'b1;
                if (push != fetch) begin
                    count_q <= count_q + {{(CB-1){!push}}, 1'b1};
                    full_q  <= push && (count_q == LAST[CB-1:0]);
                    some_q  <= push || (count_q != {{(CB-1){1'b0}}, 1'b1});
                end
                if (rst) begin
                    full_q      <= 1'b0;
                    some_q      <= 1'b0;
                    wr_q        <= {AB{1'b0}};
                    rd_q        <= {AB{1'b0}};
                    count_q     <= {CB{1'b0}};
                end
            end

        end
    endgenerate

endmodule

`default_nettype wire
