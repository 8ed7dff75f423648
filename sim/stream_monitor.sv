// stream_monitor: checks a stream against a file of expected beats, one {tlast, tdata} a line in hex.
//
// Plusargs: +NAME.file=PATH, +NAME.stored=N beats in the file (0: nothing is compared), +NAME.total=N beats
// to come (the file starts over where total is larger; absent: any number may come).
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module stream_monitor #(
    parameter WIDTH  = 8,
    parameter NAME   = "m_axis",
    parameter FRAMES = 1
) (
    input  wire             clk,
    input  wire             rst,
    input  wire [WIDTH-1:0] tdata,
    input  wire             tvalid,
    input  wire             tready,
    input  wire             tlast,
    output wire             complete,
    output wire             failed,
    input  wire [63:0]      cycle,
    input  wire             finish,
    input  wire [31:0]      report
);

    reg [WIDTH:0] memory [];
    reg [WIDTH:0] word;
    reg [63:0] stored;
    reg [63:0] total;
    reg        bounded;
    reg [31:0] address = 32'd0;
    string     file;
    integer    handle;
    integer    line;

    initial begin
        if (!$value$plusargs({NAME, ".stored=%d"}, stored)) stored = 64'd0;
        bounded = 1'b1;
        if (!$value$plusargs({NAME, ".total=%d"}, total)) begin
            total   = 64'd0;
            bounded = 1'b0;
        end
        memory = new [stored == 64'd0 ? 32'd1 : stored[31:0]];
        if (stored != 64'd0 && $value$plusargs({NAME, ".file=%s"}, file)) begin
            handle = $fopen(file, "r");
            if (handle == 0) $fatal(1, "%s: cannot open %s", NAME, file);
            for (line = 0; line < stored[31:0]; line = line + 1) begin
                if ($fscanf(handle, "%h", word) != 1)
                    $fatal(1, "%s: %s ends after %0d beats", NAME, file, line);
                memory[line] = word;
            end
            $fclose(handle);
        end
    end

    wire          taken;
    reg [WIDTH:0] expected;         // memory[address]
    wire [31:0]   next = (address + 32'd1 >= stored[31:0]) ? 32'd0 : address + 32'd1;

    always @(posedge clk) begin
        if (rst) begin
            address  <= 32'd0;
            expected <= memory[0];
        end else if (taken) begin
            address  <= next;
            expected <= memory[next];
        end
    end

    stream_checker #(.WIDTH(WIDTH), .NAME(NAME), .FRAMES(FRAMES)) checker_i (
        .clk(clk), .rst(rst),
        .tdata(tdata), .tvalid(tvalid), .tready(tready), .tlast(tlast),
        .compare(stored != 64'd0), .bounded(bounded), .total(total),
        .expected_data(expected[WIDTH-1:0]), .expected_last(expected[WIDTH]),
        .taken(taken), .complete(complete), .failed(failed),
        .cycle(cycle), .finish(finish), .report(report)
    );

endmodule

`default_nettype wire
