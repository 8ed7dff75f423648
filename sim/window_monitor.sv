// window_monitor: checks the output of qc_window against the padded raster that goes into it.
//
// The file holds `stored` beats of frames of H x W pixels of GROUPS * WORDS beats, so it is KH * KW * REPEAT
// times smaller than the stream. The loops are those of qc_window in docs/hardware.md, outermost first:
// oy, ox, group, repeat, kh, kw, word. tlast is expected on the last beat of a frame. Plusargs as in
// stream_monitor; `total` counts output beats.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module window_monitor #(
    parameter WIDTH  = 8,
    parameter NAME   = "window",
    parameter FRAMES = 0,
    parameter H = 1, parameter W = 1, parameter GROUPS = 1, parameter WORDS = 1,
    parameter KH = 1, parameter KW = 1, parameter SH = 1, parameter SW = 1,
    parameter DH = 1, parameter DW = 1, parameter REPEAT = 1
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

    localparam OH = (H - ((KH - 1) * DH + 1)) / SH + 1;
    localparam OW = (W - ((KW - 1) * DW + 1)) / SW + 1;

    reg [WIDTH:0] memory [];
    reg [WIDTH:0] word;
    reg [63:0] stored;
    reg [63:0] total;
    reg        bounded;
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

    wire            taken;
    reg [WIDTH-1:0] expected_data;
    reg             expected_last;

    // The loop counters of the beat expected now; `base` is where its frame begins.
    integer base = 0;
    integer oy = 0, ox = 0, g = 0, r = 0, kh = 0, kw = 0, w = 0;
    integer address;

    always @(posedge clk) begin
        if (rst) begin
            base = 0;
            oy = 0; ox = 0; g = 0; r = 0; kh = 0; kw = 0; w = 0;
        end else if (taken) begin
            w = w + 1;
            if (w == WORDS)  begin w  = 0; kw = kw + 1; end
            if (kw == KW)    begin kw = 0; kh = kh + 1; end
            if (kh == KH)    begin kh = 0; r  = r  + 1; end
            if (r == REPEAT) begin r  = 0; g  = g  + 1; end
            if (g == GROUPS) begin g  = 0; ox = ox + 1; end
            if (ox == OW)    begin ox = 0; oy = oy + 1; end
            if (oy == OH)    begin
                oy   = 0;
                base = base + H * W * GROUPS * WORDS;
                if (base >= stored[31:0]) base = 0;
            end
        end
        if (rst || taken) begin
            address = base + ((oy * SH + kh * DH) * W + ox * SW + kw * DW) * GROUPS * WORDS
                           + g * WORDS + w;
            word = memory[address];
            expected_data <= word[WIDTH-1:0];
            expected_last <= oy == OH - 1 && ox == OW - 1 && g == GROUPS - 1 && r == REPEAT - 1
                          && kh == KH - 1 && kw == KW - 1 && w == WORDS - 1;
        end
    end

    stream_checker #(.WIDTH(WIDTH), .NAME(NAME), .FRAMES(FRAMES)) checker_i (
        .clk(clk), .rst(rst),
        .tdata(tdata), .tvalid(tvalid), .tready(tready), .tlast(tlast),
        .compare(stored != 64'd0), .bounded(bounded), .total(total),
        .expected_data(expected_data), .expected_last(expected_last),
        .taken(taken), .complete(complete), .failed(failed),
        .cycle(cycle), .finish(finish), .report(report)
    );

endmodule

`default_nettype wire
