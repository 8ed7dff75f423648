// register_slice: one register on data and valid, ready passes through. The number in mem/fault.hex
// breaks it in one way, so that one build serves all tests:
//
//   0 none    1 takes a beat while it is full (drops one)    2 data moves while stalled
//   3 valid is withdrawn while stalled    4 stops after 50 beats    5 survives reset
//   6 last is lost    7 emits a beat twice

`default_nettype none

module register_slice #(
    parameter WIDTH = 8
) (
    input  wire             clk,
    input  wire             rst,
    input  wire [WIDTH-1:0] s_axis_tdata,
    input  wire             s_axis_tvalid,
    output wire             s_axis_tready,
    input  wire             s_axis_tlast,
    output wire [WIDTH-1:0] m_axis_tdata,
    output wire             m_axis_tvalid,
    input  wire             m_axis_tready,
    output wire             m_axis_tlast
);

    reg [3:0] fault [0:0];
    initial $readmemh("mem/fault.hex", fault);
    wire [3:0] f = fault[0];

    reg [WIDTH-1:0] data_q;
    reg             last_q;
    reg             valid_q;
    reg [5:0]       count_q;
    reg             flip_q;
    reg             again_q;

    wire stuck = f == 4'd4 && count_q == 6'd50;
    wire again = f == 4'd7 && count_q == 6'd20 && !again_q;

    assign s_axis_tready = (!valid_q || m_axis_tready || f == 4'd1) && !stuck && !again;
    assign m_axis_tdata  = data_q ^ {{(WIDTH - 1){1'b0}}, f == 4'd2 && flip_q};
    assign m_axis_tvalid = valid_q && !(f == 4'd3 && flip_q);
    assign m_axis_tlast  = last_q && f != 4'd6;

    always @(posedge clk) begin
        flip_q <= m_axis_tvalid && !m_axis_tready;
        if (m_axis_tready && !again) valid_q <= 1'b0;
        if (again && m_axis_tvalid && m_axis_tready) again_q <= 1'b1;
        if (s_axis_tvalid && s_axis_tready) begin
            data_q  <= s_axis_tdata;
            last_q  <= s_axis_tlast;
            valid_q <= 1'b1;
            count_q <= count_q + 6'd1;
        end
        if (rst && !(f == 4'd5 && count_q != 6'd0)) begin
            valid_q <= 1'b0;
            flip_q  <= 1'b0;
            again_q <= 1'b0;
            count_q <= 6'd0;
        end
    end

endmodule

`default_nettype wire
