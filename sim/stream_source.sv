// stream_source: plays a file of beats into a stream, with stalls.
//
// The file holds one beat a line in hex, {tlast, tdata}. Plusargs, by the stream's NAME:
//   +NAME.file=PATH      the beats
//   +NAME.stored=N       how many the file holds
//   +NAME.total=N        how many to play; the file starts over where total is larger
//   +NAME.stall=N        threshold of stall_generator
//   +NAME.seed=N
// A beat holds until it is taken; while no beat is offered, tdata and tlast are noise.
// Reset starts over from the first beat.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module stream_source #(
    parameter WIDTH = 8,
    parameter NAME  = "s_axis"
) (
    input  wire             clk,
    input  wire             rst,
    output reg  [WIDTH-1:0] tdata,
    output reg              tvalid,
    input  wire             tready,
    output reg              tlast,
    output wire             complete    // every beat is gone
);

    reg [WIDTH:0] memory [];
    reg [WIDTH:0] word;
    reg [63:0] stored;
    reg [63:0] total;
    reg [16:0] threshold;
    reg [31:0] seed;
    string     file;
    integer    handle;
    integer    line;

    initial begin
        tvalid = 1'b0;
        if (!$value$plusargs({NAME, ".stored=%d"}, stored)) stored = 64'd0;
        if (!$value$plusargs({NAME, ".total=%d"}, total)) total = stored;
        if (!$value$plusargs({NAME, ".stall=%d"}, threshold)) threshold = 17'd0;
        if (!$value$plusargs({NAME, ".seed=%d"}, seed)) seed = 32'd1;
        memory = new [stored == 64'd0 ? 32'd1 : stored[31:0]];
        if ($value$plusargs({NAME, ".file=%s"}, file)) begin
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

    wire        stall;
    wire [31:0] noise;

    stall_generator stalls (
        .clk(clk), .seed(seed), .threshold(threshold), .stall(stall), .noise(noise)
    );

    reg [63:0] offered = 64'd0;     // beats put on the stream so far
    reg [31:0] address = 32'd0;     // offered modulo stored

    assign complete = (offered == total) && !tvalid;

    always @(posedge clk) begin
        if (!tvalid || tready) begin
            if (offered != total && !stall) begin
                tvalid         <= 1'b1;
                {tlast, tdata} <= memory[address];
                offered        <= offered + 64'd1;
                address        <= (address == stored[31:0] - 32'd1) ? 32'd0 : address + 32'd1;
            end else begin
                tvalid <= 1'b0;
                tlast  <= noise[31];
                tdata  <= WIDTH'({(WIDTH + 31) / 32{noise}});
            end
        end
        if (rst) begin
            tvalid  <= 1'b0;
            offered <= 64'd0;
            address <= 32'd0;
        end
    end

endmodule

`default_nettype wire
