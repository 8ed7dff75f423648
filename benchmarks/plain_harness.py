"""The same design under a plain C++ loop: what Verilator does without cocotb, monitors or files.

It plays the same codes at full rate into the AXI4-Stream top and counts cycles per second.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from qcompiler.flows.layout import raster
from qcompiler.flows.verilator import find_toolchain
from qcompiler.verbs.build import Build

MAIN = """
#include "V{top}.h"
#include "verilated.h"
#include <chrono>
#include <cstdio>
#include <vector>
int main(int argc, char **argv) {{
    VerilatedContext context;
    V{top} dut{{&context}};
    std::vector<uint64_t> beats;
    FILE *file = fopen(argv[1], "r");
    unsigned long long word;
    while (fscanf(file, "%llx", &word) == 1) beats.push_back(word);
    fclose(file);
    const long wanted = atol(argv[2]);
    const long frame = atol(argv[3]);
    dut.rst = 1; dut.clk = 0; dut.s_axis_tvalid = 0; dut.m_axis_tready = 1;
    for (int k = 0; k < 8; k++) {{ dut.clk = !dut.clk; dut.eval(); }}
    dut.rst = 0;
    long cycles = 0, got = 0;
    size_t next = 0;
    auto start = std::chrono::steady_clock::now();
    while (got < wanted) {{
        const bool valid = next < beats.size();
        dut.s_axis_tvalid = valid;
        if (valid) {{ dut.s_axis_tdata = beats[next]; dut.s_axis_tlast = (next + 1) % frame == 0; }}
        dut.clk = 0; dut.eval();
        const bool taken = valid && dut.s_axis_tready;
        got += dut.m_axis_tvalid;
        dut.clk = 1; dut.eval();
        next += taken;
        if (++cycles > 1000000000L) return 1;
    }}
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    printf("%ld %.6f\\n", cycles, seconds.count());
    return 0;
}}
"""


def plain_speed(folder: Path, codes: np.ndarray[Any, Any]) -> float:
    """Kilocycles per second of a build for input codes (N, C, H, W)."""
    build = Build.read(folder)
    tools = find_toolchain()
    top = build.manifest["top"]
    source, sink = (build.manifest["ports"][p] for p in ("s_axis", "m_axis"))
    if source["lanes"] * source["padded_bits"] > 64:
        raise ValueError("the plain harness plays beats of at most 64 bits")
    work = folder / "plain"
    work.mkdir(exist_ok=True)
    (work / "main.cpp").write_text(MAIN.format(top=top))
    mask, shift = (1 << source["padded_bits"]) - 1, source["padded_bits"]
    beats = raster(codes, source["lanes"]).reshape(-1, source["lanes"])
    words = [sum((int(v) & mask) << (k * shift) for k, v in enumerate(row)) for row in beats]
    (work / "beats.hex").write_text("".join(f"{w:x}\n" for w in words))
    sources = [str(folder / source) for source in build.manifest["sources"]]
    options = ["--cc", "--exe", "--build", "-j", "2", "+1364-2005ext+v", "-Wno-fatal", "-Wno-lint"]
    names = ["--top-module", top, "--Mdir", str(work / "obj"), "-o", "plain"]
    command = [tools.verilator, *options, *names, "-O3", "-CFLAGS", "-O1", *sources]
    command.append(str(work / "main.cpp"))
    made = subprocess.run(command, env={**os.environ, **tools.env}, capture_output=True, text=True)
    if made.returncode:
        raise RuntimeError(made.stdout[-2000:] + made.stderr[-2000:])
    wanted = str(sink["beats_per_frame"] * len(codes))
    frame = str(source["beats_per_frame"])
    command = [str(work / "obj" / "plain"), str(work / "beats.hex"), wanted, frame]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    cycles, seconds = run.stdout.split()
    return int(cycles) / float(seconds) / 1000
