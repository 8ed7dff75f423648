// stream_checker: watches one stream, compares each beat taken with the one expected, and reports.
//
// The expected beat comes from outside (stream_monitor and window_monitor hold the memories);
// `taken` pulses in the cycle of a transfer so that they step on at the same clock edge.
// Checked besides: a stalled beat stays valid and holds still; no beat comes after the last one expected.
// Reports are lines of JSON on the file handle `report`: the first mismatch, the first extra beat, the first
// protocol fault, first and last beats of frames (FRAMES = 1) and, at `finish`, a summary.
// +NAME.capture=PATH writes every beat taken, in the form that stream_source reads.
//
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module stream_checker #(
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
    input  wire             compare,        // there are expected beats
    input  wire             bounded,        // total is known
    input  wire [63:0]      total,
    input  wire [WIDTH-1:0] expected_data,
    input  wire             expected_last,
    output wire             taken,
    output wire             complete,
    output reg              failed,
    input  wire [63:0]      cycle,
    input  wire             finish,
    input  wire [31:0]      report
);

    reg [63:0] accepted = 64'd0;
    reg [63:0] blocked  = 64'd0;            // cycles with a beat that was not taken
    reg [63:0] frame    = 64'd0;
    reg        at_start = 1'b1;             // the next beat is the first of a frame
    reg        held     = 1'b0;             // a beat was stalled in the cycle before
    reg        mismatched = 1'b0;
    reg        faulted    = 1'b0;
    reg        overrun    = 1'b0;
    reg [WIDTH-1:0] held_data;
    reg             held_last;
    integer         capture = 0;
    string          file;

    initial begin
        failed = 1'b0;
        if ($value$plusargs({NAME, ".capture=%s"}, file)) capture = $fopen(file, "w");
    end

    assign taken    = tvalid && tready && !rst;
    assign complete = !bounded || accepted >= total;

    wire surplus = bounded && accepted >= total;
    wire differs = compare && !surplus && {tlast, tdata} != {expected_last, expected_data};
    wire moved   = tdata != held_data || tlast != held_last;

    always @(posedge clk) begin
        if (rst) begin
            accepted <= 64'd0;
            blocked  <= 64'd0;
            frame    <= 64'd0;
            at_start <= 1'b1;
            held     <= 1'b0;
        end else begin
            held <= tvalid && !tready;
            if (tvalid && !tready) begin
                blocked   <= blocked + 64'd1;
                held_data <= tdata;
                held_last <= tlast;
            end
            if (held && (!tvalid || moved) && !faulted) begin
                faulted <= 1'b1;
                failed  <= 1'b1;
                $fdisplay(report,
                    "{\"event\":\"protocol\",\"stream\":\"%s\",\"cycle\":%0d,\"index\":%0d,\"fault\":\"%s\",\"held\":\"%h\",\"got\":\"%h\"}",
                    NAME, cycle, accepted,
                    !tvalid ? "withdrawn" : tdata != held_data ? "data" : "last",
                    {held_last, held_data}, {tlast, tdata});
            end
            if (taken) begin
                accepted <= accepted + 64'd1;
                at_start <= tlast;
                if (tlast) frame <= frame + 64'd1;
                if (differs && !mismatched) begin
                    mismatched <= 1'b1;
                    failed     <= 1'b1;
                    $fdisplay(report,
                        "{\"event\":\"mismatch\",\"stream\":\"%s\",\"cycle\":%0d,\"index\":%0d,\"got\":\"%h\",\"got_last\":%0d,\"expected\":\"%h\",\"expected_last\":%0d}",
                        NAME, cycle, accepted, tdata, tlast, expected_data, expected_last);
                end
                if (surplus && !overrun) begin
                    overrun <= 1'b1;
                    failed  <= 1'b1;
                    $fdisplay(report,
                        "{\"event\":\"mismatch\",\"stream\":\"%s\",\"cycle\":%0d,\"index\":%0d,\"got\":\"%h\",\"got_last\":%0d,\"expected\":null,\"expected_last\":0}",
                        NAME, cycle, accepted, tdata, tlast);
                end
                if (FRAMES != 0 && at_start)
                    $fdisplay(report,
                        "{\"event\":\"start\",\"stream\":\"%s\",\"cycle\":%0d,\"frame\":%0d}",
                        NAME, cycle, frame);
                if (FRAMES != 0 && tlast)
                    $fdisplay(report,
                        "{\"event\":\"end\",\"stream\":\"%s\",\"cycle\":%0d,\"frame\":%0d}",
                        NAME, cycle, frame);
                if (capture != 0) $fdisplay(capture, "%h", {tlast, tdata});
            end
        end
        if (finish) begin
            $fdisplay(report,
                "{\"event\":\"summary\",\"stream\":\"%s\",\"accepted\":%0d,\"blocked\":%0d,\"valid\":%0d,\"ready\":%0d}",
                NAME, accepted, blocked, tvalid, tready);
            if (capture != 0) $fclose(capture);
        end
    end

endmodule

`default_nettype wire
