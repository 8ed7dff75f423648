// qc_lookup: a function of one code, LANES values a beat.
//
//   out = table[x]
//
// The bits of x are the address, two's complement or not, so a table of signed codes begins with
// that of 0. All lanes have the same table, and a ROM each.
//
// Latency   1 cycle: the registered read.
// Rate      one beat a cycle; stalls only while the result waits for m_axis_tready, on which
//           s_axis_tready depends in the same cycle.
// Overflow  none: codes are moved whole.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module qc_lookup #(
    parameter LANES    = 1,   // values of a beat, at least 1
    parameter IN_BITS  = 4,   // bits of a value; the table has 2^IN_BITS entries
    parameter OUT_BITS = 4,   // bits of an entry
    parameter MEM_FILE = ""
) (
    input  wire                      clk,
    input  wire                      rst,   // synchronous, active high

    input  wire [LANES*IN_BITS-1:0]  s_axis_tdata,
    input  wire                      s_axis_tvalid,
    output wire                      s_axis_tready,
    input  wire                      s_axis_tlast,

    output wire [LANES*OUT_BITS-1:0] m_axis_tdata,
    output wire                      m_axis_tvalid,
    input  wire                      m_axis_tready,
    output wire                      m_axis_tlast
);

    reg  valid_q;
    reg  last_q;   // not reset: qualified by valid_q
    wire load = !valid_q || m_axis_tready;

    always @(posedge clk) begin
        if (load) begin
            valid_q <= s_axis_tvalid;
            last_q  <= s_axis_tlast;
        end
        if (rst)
            valid_q <= 1'b0;
    end

    assign s_axis_tready = load;
    assign m_axis_tvalid = valid_q;
    assign m_axis_tlast  = last_q;

    genvar lane;
    generate
        for (lane = 0; lane < LANES; lane = lane + 1) begin : g_lane

            reg [OUT_BITS-1:0] rom [0:(1 << IN_BITS)-1];
            reg [OUT_BITS-1:0] code_q;   // not reset: qualified by valid_q

            if (MEM_FILE != "") begin : g_fill   // tools also elaborate a module as it stands
                initial $readmemh(MEM_FILE, rom);
            end

            always @(posedge clk)
                if (load)
                    code_q <= rom[s_axis_tdata[lane*IN_BITS +: IN_BITS]];

            assign m_axis_tdata[lane*OUT_BITS +: OUT_BITS] = code_q;

        end
    endgenerate

endmodule

`default_nettype wire
