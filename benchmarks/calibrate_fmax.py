"""Places and routes the modules that the clock model is fitted and tested on, one at a time.

Usage: make calibrate-fmax. An LFE5U-12F of speed grade 6, every fourth module also of grade 8;
every port between registers. What nextpnr found is kept in calibration/fmax_ecp5.json with a digest
of the module's Verilog; only modules that are new or changed are placed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fit_cases
import holdout_cases
from fit_cases import Case
from rich.console import Console
from side_by_side import design, digest

from qcompiler.estimate.devices import device
from qcompiler.flows.pnr import Placement, place_and_route
from qcompiler.report.progress import Bars

PATH = Path(__file__).resolve().parent / "calibration" / "fmax_ecp5.json"
CHIP = device("ecp5-12k")
GRADES = (6, 8)
FREQ = 200.0
_CHOSEN = """
arr_1x1x1_a8w4k3g1 arr_4x4x1_a4w4k3g1 arr_4x8x4_a4w4k3g1 arr_8x16x1_a2w2k3g1 arr_4x16x1_a8w8k3g1
arr_2x16x8_a8w8k3g1 arr_16x2x1_a2w4k3g1 arr_4x12x3_a5w5k3g1 arr_5x16x1_a4w4k1g1 arr_8x4x4_a2w7k5g1
arr_4x8x2_a4folds5_33 dw_4x8_a8w8k3c16 dw_16x2_a4w4k3c16 dw_6x8_a8w8k5c96 mul_4x2_a8w8k3g1p0
mul_2x8_a8w4k3g1p0 mul_1x12_a6w5k3g1p0 win0 win1 win2 win3 win4 win5 win6 win7 win8 win9 win10
win_point win_whole fifo_33x2 fifo_16x20 fifo_16x100 fifo_24x400 fifo_64x600 adapter_2to16_2
adapter_16to2_4 adapter_8to12_3 pad0 pad3 concat0 slice1 add_2_7_5_6 add_1_2731_1_8 add_8_1_1_4
thr_1_16_15_16 thr_8_10_7_8 thr_1_20_15_64 thr_2_12_7_16 ser_1_16_15_16 ser_8_10_7_8 ser_1_20_15_64
ser_1_18_255_16 ser_2_14_15_64 ser_4_10_7_16 ser_8_9_7_32 ser_2_12_7_16 ser_4_11_7_8 ser_2_10_3_16
ser_4_9_15_32 ser_8_12_3_32 thr_4_10_7_16 thr_8_9_7_32 thr_8_12_3_32 thr_4_12_15_16
scale_1_16_12_16 scale_1_24_16_16 scale_2_14_10_64 scale_1_18_18_8
max_8_8_2 sum_4_4_2 gsum_4_4_16 gsum_1_4_64 lookup_4_8_6 lookup_2_12_8 gate_4_8_8_24 gate_1_20_6_12
arr_3x6x1_a4w4k3g1_luts arr_7x9x1_a8w8k3g1_luts
"""
_HELD = """
arr_6x24x1_a4w4k3g1 arr_6x10x2_a5w5k3g1 arr_10x6x4_a2w7k5g1 dw_10x2_a3w3k3c40 mul_3x6_a7w7k3g1p0
held_win0 held_win1 held_win2 held_win3 held_fifo_28x150 held_fifo_48x800 held_adapter_24to6_4
held_pad_6x2 held_add_6_9_1_5 held_thr_3_15_15_48 held_thr_12_13_15_12 held_ser_3_15_15_48
held_ser_6_11_7_24 held_scale_3_15_11_24 held_max_3_7_4 held_gsum_3_5_36 held_gate_3_5_5_48
held_thr_5_12_7_20 held_ser_5_12_7_20 held_thr_7_14_15_56 held_ser_7_14_15_56
arr_6x10x2_a5w5k3g1_luts dw_6x3_a6w6k5c24_luts
"""
CHOSEN, HELD = _CHOSEN.split(), _HELD.split()
"""Modules that the model is fitted on, and those that no fit sees."""
console = Console(width=140, soft_wrap=True)


def cases(names: list[str]) -> Iterator[Case]:
    """The modules of these names, in their order."""
    groups = [*fit_cases.GROUPS.values(), *holdout_cases.GROUPS.values()]
    every = {case.name: case for make in groups for case in make()}
    for name in names:
        yield every[name]


def kept() -> dict[str, Any]:
    """Rows by module."""
    return json.loads(PATH.read_text())["modules"] if PATH.is_file() else {}


def keep(rows: dict[str, Any]) -> None:
    PATH.parent.mkdir(exist_ok=True)
    lines = ",\n".join(f' "{name}": {json.dumps(rows[name])}' for name in sorted(rows))
    head = json.dumps({"device": CHIP.name, "aimed_mhz": FREQ})[:-1]
    PATH.write_text(f'{head}, "modules": {{\n{lines}\n}}}}\n')


def measure(case: Case, grades: tuple[int, ...]) -> dict[str, Any]:
    """Delay of a module's slowest path and what is on it, by speed grade."""
    row: dict[str, Any] = {"digest": digest(case)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, content in design([case]).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        for grade in grades:
            placement = Placement(FREQ, speed=grade, wrapped=True)
            report = place_and_route(folder, CHIP, placement)
            row[f"ns{grade}"] = round(1000 / report.fmax_mhz, 3)
            if grade == GRADES[0]:
                row |= {"start": report.path.start, "end": report.path.end}
                row |= {"path": report.path.text, "registers": report.registers}
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, help="stop after so many modules")
    options = parser.parse_args()
    rows = kept()
    every = list(cases([*CHOSEN, *HELD]))
    todo = [c for c in every if rows.get(c.name, {}).get("digest") != digest(c)]
    console.print(f"{len(todo)} of {len(every)} modules to place")
    with Bars() as bars:
        bars.begin("nextpnr", len(todo))
        for case in todo[: options.most]:
            grades = GRADES if every.index(case) % 4 == 0 else GRADES[:1]
            rows[case.name] = row = measure(case, grades) | {"held": case.name in HELD}
            keep({case.name: rows[case.name] for case in every if case.name in rows})
            console.print(f"{case.name}: {row['ns6']} ns; {row['path']}")
            bars.advance()
        bars.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
