// double: each beat goes to both outputs at once; output 1 has a constant of a memory file added.

`default_nettype none

module double #(
    parameter MEM_FILE = ""
) (
    input  wire        clk,
    input  wire        rst,
    input  wire [ 7:0] s_axis_tdata,
    input  wire        s_axis_tvalid,
    output wire        s_axis_tready,
    input  wire        s_axis_tlast,
    output wire [15:0] m_axis_tdata,
    output wire [ 1:0] m_axis_tvalid,
    input  wire [ 1:0] m_axis_tready,
    output wire [ 1:0] m_axis_tlast
);

    reg [7:0] rom [0:0];
    initial $readmemh(MEM_FILE, rom);

    reg [1:0] done_q;       // this output has had the beat

    wire [7:0] inner_tdata  = s_axis_tdata;
    wire       inner_tvalid = s_axis_tvalid;
    wire       inner_tready = s_axis_tready;
    wire       inner_tlast  = s_axis_tlast;
    wire [1:0] taken        = done_q | m_axis_tready;

    assign m_axis_tdata  = {inner_tdata + rom[0], inner_tdata};
    assign m_axis_tlast  = {2{inner_tlast}};
    assign m_axis_tvalid = {2{inner_tvalid}} & ~done_q;
    assign s_axis_tready = &taken;

    always @(posedge clk) begin
        if (inner_tvalid) done_q <= inner_tready ? 2'd0 : taken;
        if (rst) done_q <= 2'd0;
    end

endmodule

`default_nettype wire
