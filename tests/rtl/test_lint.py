"""Every module of rtl/ under `verilator -Wall` and Yosys, at its defaults and at odd sizes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from qcompiler.flows.verilator import find_toolchain
from qcompiler.flows.yosys import run_script
from qcompiler.resources import RTL

MODULES = sorted(path.stem for path in RTL.glob("*.v"))

# Besides the defaults: sizes of one, sizes that are no power of two, absent parts.
PARAMETERS: dict[str, list[dict[str, int]]] = {
    "qc_fifo": [
        {"DEPTH": 2},
        {"WIDTH": 1, "DEPTH": 3},
        {"DEPTH": 17},
        {"DEPTH": 18},
        {"WIDTH": 70, "DEPTH": 1000},
    ],
    "qc_fork": [{"N": 1}, {"WIDTH": 1, "N": 3}],
    "qc_upsize": [{"WIDTH": 1, "RATIO": 3}, {"WIDTH": 5, "RATIO": 7}],
    "qc_downsize": [{"WIDTH": 1, "RATIO": 3}, {"WIDTH": 5, "RATIO": 7}],
    "qc_pad": [
        {"H": 1, "W": 1, "TOP": 0, "LEFT": 0, "BOTTOM": 0, "RIGHT": 0},
        {"WORDS": 3, "TOP": 0, "LEFT": 0, "BOTTOM": 0, "RIGHT": 0},
        {"H": 3, "W": 5, "TOP": 0, "LEFT": 2, "BOTTOM": 1, "RIGHT": 0},
        {"WIDTH": 1, "H": 1, "W": 7, "TOP": 3, "LEFT": 0, "BOTTOM": 0, "RIGHT": 4},
    ],
    "qc_slice": [
        {"H": 1, "W": 1, "DY": 1, "NY": 1, "DX": 1, "NX": 1},
        {"WORDS": 3, "H": 7, "W": 5, "Y0": 1, "DY": 3, "NY": 2, "X0": 2, "NX": 1},
        {"WIDTH": 1, "H": 4, "W": 4, "DY": 1, "NY": 4, "DX": 1, "NX": 4},
        {"H": 8, "W": 8, "Y0": 7, "NY": 1, "X0": 7, "DX": 9, "NX": 1},
    ],
    "qc_channel_pad": [
        {"BEFORE": 3, "AFTER": 0},
        {"BEFORE": 0, "AFTER": 0},
        {"WIDTH": 1, "WORDS": 3, "BEFORE": 2, "AFTER": 3, "PIXELS": 1},
    ],
    "qc_serial_sum": [{"K": 3, "DIGIT": 2, "INIT": 2}, {"K": 4, "DIGIT": 3, "INIT": 3}],
    "qc_wires": [{"WIDTH": 1}],
    "qc_concat": [{"A_WORDS": 3, "B_WORDS": 4}, {"WIDTH": 1, "A_WORDS": 1, "B_WORDS": 6}],
    "qc_add": [
        {"LANES": 3, "A_MUL": -13, "B_MUL": 699050, "OUT_BITS": 40},
        {"A_BITS": 1, "B_BITS": 12, "B_SIGNED": 0, "A_MUL": 0, "B_MUL": -1, "OUT_BITS": 5},
        {"A_MUL": -699051, "B_MUL": 349525, "OUT_BITS": 1},
    ],
    "qc_lookup": [{"IN_BITS": 1, "OUT_BITS": 1}, {"LANES": 3, "IN_BITS": 7, "OUT_BITS": 9}],
    "qc_multiply": [
        {"WORDS": 1, "PIXELS": 1},
        {"LANES": 3, "A_SIGNED": 1, "A_ZERO": -3, "P_BITS": 9, "P_SIGNED": 1, "WORDS": 5},
        {"A_BITS": 8, "P_BITS": 3, "A_ZERO": 200, "B_ZERO": -8, "Q_BITS": 9, "OUT_BITS": 12},
        {"WORDS": 1, "PIXELS": 49, "Q_SIGNED": 1, "B_SIGNED": 1, "OUT_BITS": 17},
    ],
    "qc_scale_shift": [
        {"LANES": 3, "IN_BITS": 5, "IN_SIGNED": 0, "M_BITS": 7, "WORDS": 5, "SHIFT": 0},
        {"IN_BITS": 24, "M_BITS": 18, "R_BITS": 40, "SHIFT": 30, "LO": -8, "HI": 7, "OUT_BITS": 4},
    ],
    "qc_threshold_stage": [
        {"X_BITS": 1, "SIGNED": 0, "STAGE": 3},
        {"X_BITS": 13, "WORDS": 3, "WORD_BITS": 2},
        {"X_BITS": 13, "WORDS": 5, "WORD_BITS": 3, "STAGE": 2},
    ],
    "qc_window": [
        {"H": 5, "W": 7, "KH": 1, "KW": 1, "ROWS": 1},
        {"H": 1, "W": 1, "KH": 1, "KW": 1, "ROWS": 1},
        {"WIDTH": 3, "H": 9, "W": 11, "GROUPS": 3, "WORDS": 2, "SH": 2, "SW": 2, "ROWS": 5},
        {"H": 9, "W": 9, "DH": 2, "DW": 3, "REPEAT": 3, "ROWS": 7},
    ],
    "qc_replay": [
        {"WIDTH": 1, "WORDS": 1, "STEPS": 1, "REPEAT": 1},
        {"WIDTH": 72, "WORDS": 3, "STEPS": 36, "REPEAT": 5},
    ],
    "qc_tile_raster": [
        {"WIDTH": 1, "H": 1, "W": 1, "M": 1, "CFOLDS": 1},
        {"H": 1, "W": 1, "M": 4, "CFOLDS": 1},
        {"WIDTH": 40, "H": 9, "W": 12, "M": 4, "CFOLDS": 3},
        {"H": 4, "W": 7, "M": 2, "CFOLDS": 1},
    ],
    "qc_max_pool": [
        {"LANES": 3, "BITS": 1, "SIGNED": 0, "COUNT": 9},
        {"LANES": 1, "BITS": 5, "SIGNED": 1, "COUNT": 2},
    ],
    "qc_sum_pool": [{"LANES": 3, "IN_BITS": 5, "SIGNED": 0, "COUNT": 9, "OUT_BITS": 9}],
    "qc_global_sum": [
        {"LANES": 3, "IN_BITS": 5, "SIGNED": 0, "WORDS": 1, "PIXELS": 1, "OUT_BITS": 5},
        {"LANES": 1, "IN_BITS": 4, "SIGNED": 1, "WORDS": 5, "PIXELS": 49, "OUT_BITS": 10},
    ],
}


def _settings() -> list[tuple[str, dict[str, int]]]:
    return [(module, values) for module in MODULES for values in ({}, *PARAMETERS.get(module, []))]


def _name(value: object) -> str | None:
    if isinstance(value, dict):
        return "-".join(f"{k}{v}" for k, v in value.items()) or "defaults"
    return None


@pytest.mark.parametrize(("module", "values"), _settings(), ids=_name)
def test_verilator_has_no_complaint(module: str, values: dict[str, int]) -> None:
    tools = find_toolchain()
    command = [str(tools.verilator), "--lint-only", "-Wall", "--language", "1364-2005"]
    command += [f"-I{RTL}", "--top-module", module]
    command += [f"-G{name}={value}" for name, value in values.items()]
    if "MEM_FILE" in (RTL / f"{module}.v").read_text():
        command.append('-GMEM_FILE="rom.hex"')  # an empty name leaves the ROM without a driver
    done = subprocess.run(
        [*command, str(RTL / f"{module}.v")],
        env={**os.environ, **tools.env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "%Warning" not in done.stderr


@pytest.mark.synth
@pytest.mark.parametrize("module", MODULES)
def test_yosys_finds_no_latch_and_no_conflict(module: str, tmp_path: Path) -> None:
    for path in RTL.glob("*.v"):
        shutil.copy(path, tmp_path)
    script = ""
    for values in ({}, *PARAMETERS.get(module, [])):
        script += f"read_verilog {module}.v\n"
        for name, value in values.items():
            script += f"chparam -set {name} 32'h{value & 0xFFFFFFFF:08x} {module}\n"
        script += (
            f"hierarchy -check -libdir . -top {module}\n"
            "proc\n"
            "check -assert\n"
            "select -assert-none t:$dlatch t:$adlatch t:$dlatchsr\n"
            "design -reset\n"
        )
    run_script(script, cwd=tmp_path, folder="yosys")


@pytest.mark.parametrize("module", MODULES)
def test_house_style(module: str) -> None:
    text = (RTL / f"{module}.v").read_text()
    assert f"// {module}: " in text.split("`default_nettype none")[0]
    assert "// SPDX-License-Identifier: Apache-2.0" in text
    assert text.count("\nmodule ") == 1 and f"\nmodule {module} " in text
    assert text.rstrip().endswith("`default_nettype wire")
