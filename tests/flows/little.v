// Four NANDs, four flip-flops, a RAM of 64 bytes and a ROM of 32 words of 5 bits.
module little (
    input  wire       clk,
    input  wire [3:0] a,
    input  wire [3:0] b,
    input  wire [1:0] s,
    input  wire       we,
    output wire [3:0] n,
    output reg  [3:0] q,
    output reg  [7:0] r,
    output reg  [4:0] t
);
    assign n = ~(a & b);

    reg [7:0] ram [0:63];
    reg [4:0] rom [0:31];
    initial $readmemh("mem/rom.hex", rom);

    always @(posedge clk) begin
        q <= a;
        if (we)
            ram[{s, a}] <= {a, b};
        r <= ram[{s, b}];
        t <= rom[{s[0], a}];
    end
endmodule

// An exclusive or in one module, two more below it: one node of three instances.
module half (input wire a, input wire b, output wire y);
    assign y = a ^ b;
endmodule

module whole (input wire [1:0] a, input wire [1:0] b, output wire [1:0] y);
    half low (.a(a[0]), .b(b[0]), .y(y[0]));
    half high (.a(a[1]), .b(b[1]), .y(y[1]));
endmodule

module top_core (
    input  wire       clk,
    input  wire [3:0] a,
    input  wire [3:0] b,
    input  wire [1:0] s,
    input  wire       we,
    output wire [3:0] n,
    output wire [3:0] q,
    output wire [7:0] r,
    output wire [4:0] t,
    output wire [2:0] y
);
    little u_one (.clk(clk), .a(a), .b(b), .s(s), .we(we), .n(n), .q(q), .r(r), .t(t));
    half u_two__first (.a(a[0]), .b(b[0]), .y(y[0]));
    whole u_two__rest (.a(a[2:1]), .b(b[2:1]), .y(y[2:1]));
endmodule

module top (
    input  wire       clk,
    input  wire [3:0] a,
    input  wire [3:0] b,
    input  wire [1:0] s,
    input  wire       we,
    output wire [3:0] n,
    output wire [3:0] q,
    output wire [7:0] r,
    output wire [4:0] t,
    output wire [2:0] y
);
    top_core core (.clk(clk), .a(a), .b(b), .s(s), .we(we), .n(n), .q(q), .r(r), .t(t), .y(y));
endmodule
