// counting: two nodes that pass a stream on. Node `count` counts its beats in 8 bits and inverts 72 bits
// at each, in a block of its own and under a second name; node `pass` is nothing but wires.

`default_nettype none

module counting_count (
    input  wire       clk,
    input  wire       rst,
    input  wire [7:0] s_axis_tdata,
    input  wire       s_axis_tvalid,
    output wire       s_axis_tready,
    input  wire       s_axis_tlast,
    output wire [7:0] m_axis_tdata,
    output wire       m_axis_tvalid,
    input  wire       m_axis_tready,
    output wire       m_axis_tlast
);
    reg [7:0] count_q;
    reg [7:0] data_q;
    reg       valid_q;
    reg       last_q;
    reg [7:0] memory [0:3];   // is not counted
    integer   k;

    initial
        for (k = 0; k < 4; k = k + 1)
            memory[k] = 8'd0;

    assign s_axis_tready = m_axis_tready;
    assign m_axis_tdata  = data_q;
    assign m_axis_tvalid = valid_q;
    assign m_axis_tlast  = last_q;

    always @(posedge clk) begin
        valid_q <= s_axis_tvalid && s_axis_tready;
        if (s_axis_tvalid && s_axis_tready) begin
            count_q <= count_q + 8'd1;
            data_q  <= s_axis_tdata;
            last_q  <= s_axis_tlast;
            memory[count_q[1:0]] <= s_axis_tdata;
        end
        if (rst) begin
            count_q <= 8'd0;
            data_q  <= 8'd0;
            valid_q <= 1'b0;
            last_q  <= 1'b0;
        end
    end

    generate
        if (1) begin : block
            reg  [71:0] wide_q;
            wire [71:0] again = wide_q;
            wire        unused = &{1'b0, again};
            always @(posedge clk)
                wide_q <= rst ? 72'd0 : (s_axis_tvalid && s_axis_tready) ? ~wide_q : wide_q;
        end
    endgenerate
    wire unused = &{1'b0, memory[0]};
endmodule

module counting_pass (
    input  wire       clk,
    input  wire       rst,
    input  wire [7:0] s_axis_tdata,
    input  wire       s_axis_tvalid,
    output wire       s_axis_tready,
    input  wire       s_axis_tlast,
    output wire [7:0] m_axis_tdata,
    output wire       m_axis_tvalid,
    input  wire       m_axis_tready,
    output wire       m_axis_tlast
);
    assign s_axis_tready = m_axis_tready;
    assign m_axis_tdata  = s_axis_tdata;
    assign m_axis_tvalid = s_axis_tvalid;
    assign m_axis_tlast  = s_axis_tlast;
    wire unused = &{1'b0, clk, rst};
endmodule

module counting (
    input  wire       clk,
    input  wire       rst,
    input  wire [7:0] s_axis_tdata,
    input  wire       s_axis_tvalid,
    output wire       s_axis_tready,
    input  wire       s_axis_tlast,
    output wire [7:0] m_axis_tdata,
    output wire       m_axis_tvalid,
    input  wire       m_axis_tready,
    output wire       m_axis_tlast
);
    wire [7:0] count_tdata;
    wire       count_tvalid;
    wire       count_tready;
    wire       count_tlast;
    counting_count u_count (
        .clk(clk), .rst(rst),
        .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready), .s_axis_tlast(s_axis_tlast),
        .m_axis_tdata(count_tdata), .m_axis_tvalid(count_tvalid), .m_axis_tready(count_tready), .m_axis_tlast(count_tlast)
    );
    counting_pass u_pass (
        .clk(clk), .rst(rst),
        .s_axis_tdata(count_tdata), .s_axis_tvalid(count_tvalid), .s_axis_tready(count_tready), .s_axis_tlast(count_tlast),
        .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready), .m_axis_tlast(m_axis_tlast)
    );
endmodule

`default_nettype wire
