"""LUTs of a one-bit multiply-accumulate: structures of a bit-serial array, and peers' figures.

Usage: make bench-array. Each structure is simulated against numpy, with stalls, then synthesized
with Yosys for xc7 and ECP5; last comes the array that the compiler generates, without its weight
ROM (which is in block RAM). What was measured is kept and not measured again, unless the Verilog of
the generated array changed. The generated array's own tests are tests/rtl/test_bitserial_array.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from array_structures import BEATS, STRUCTURES, datapath, expected
from cells import Cells
from fit_cases import Case, array, unsigned
from rich.console import Console
from rich.table import Table
from side_by_side import design, digest

from qcompiler.flows.bench import Beats, Bench
from qcompiler.flows.sweep import synthesize_files
from qcompiler.flows.synth import FLOWS
from qcompiler.flows.synth import Cells as Mapped
from qcompiler.flows.yosys import find_yosys, run_script

PE, ACC = 16, 17
SIZES = ((32, 4), (32, 8))  # lanes, activation bits
AIMS = {"xc7": 1.6, "ecp5": 2.4}
"""Most LUTs for a one-bit MAC a cycle, of the generated array of 32 lanes and 4 bits."""
FAMILIES = tuple(AIMS)
GENERATED = "generated"
PEERS = [
    ("FINN matrix-vector unit, 1x1 bit, no DSP", 11.0),
    ("FINN matrix-vector unit, 8x8 bit, per one-bit product", 155 / 64),
    ("BARVINN array, 1x1 bit", 5.2),
]
"""LUT per one-bit MAC per cycle; Yosys, synth_xilinx -family xcup, for the peers alone."""

console = Console(width=110)


def name_of(structure: str, simd: int, act: int, family: str) -> str:
    return f"{structure}_{simd}x{act}_{family}"


def wrong_sums(structure: str, simd: int, act: int, folder: Path) -> int:
    """Faults in a simulation of random beats, then of the largest ones, with stalls."""
    path = datapath(structure, PE, simd, act, ACC)
    source = folder / f"{path.name}.v"
    source.write_text(path.render())
    bench = Bench.build(
        dut=path.name, sources=[source], inputs={"s_axis": simd * (PE + act)},
        outputs={"m_axis": PE * ACC}, build_dir=folder / "sim", lint=False,
    )  # fmt: skip
    rng = np.random.default_rng(simd + act)
    x = rng.integers(0, 1 << act, (40, BEATS, simd))
    w = rng.integers(0, 2, (40, BEATS, PE, simd))
    x[-1], w[-1] = (1 << act) - 1, 1
    bits = (x[..., None] >> np.arange(act) & 1).reshape(40 * BEATS, -1)
    beats = np.concatenate([bits, w.reshape(40 * BEATS, -1)], axis=1)[None]
    given = {"s_axis": Beats.from_frames(beats, 1)}
    wanted = {"m_axis": Beats.from_frames(expected(x, w)[None], ACC)}
    run = bench.run(given, wanted, source_stall=0.3, sink_stall=0.3)
    return len(run.faults) + int(run.hang)


def generated(simd: int, act: int) -> Case:
    """The array of the compiler; its ROM is large enough for block RAM."""
    return array(PE, simd, 1, unsigned(act), 4, out=2 * PE, per_group=max(64, simd))


def mark(structure: str, simd: int, act: int) -> str:
    """What a measurement is of: a digest of the Verilog, for the structures their template."""
    if structure == GENERATED:
        return digest(generated(simd, act))
    path = datapath(structure, PE, simd, act, ACC)
    return hashlib.sha256(path.render().encode()).hexdigest()[:16]


def synthesized(structure: str, simd: int, act: int, family: str, folder: Path) -> Mapped:
    """Cells of one structure, or of the generated array."""
    if structure == GENERATED:
        one = generated(simd, act)
        return synthesize_files(design([one]), family)[one.name]
    path = datapath(structure, PE, simd, act, ACC)
    (folder / "st.v").write_text(path.render())
    commands = ['read_verilog "st.v"', FLOWS[family].format(top=path.name)]
    commands.append("tee -q -o stat.json stat -json")
    run_script("\n".join(commands) + "\n", cwd=folder, folder="synth")
    found = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    return Mapped.count(found, family)


def figures(structure: str, simd: int, act: int, family: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wrong = 0 if structure == GENERATED else wrong_sums(structure, simd, act, folder)
        if wrong:
            raise SystemExit(f"{structure}, {simd} lanes of {act} bits: {wrong} faults")
        got = synthesized(structure, simd, act, family, folder)
    macs = PE * simd * act
    return {
        "structure": structure, "simd": simd, "act": act, "family": family,
        "lut": got.lut, "ff": got.ff, "carry": got.carry, "lut_per_bitmac": got.lut / macs,
        "verilog": mark(structure, simd, act), "yosys": find_yosys().version,
    }  # fmt: skip


def bars(cells: Cells) -> dict[str, Any]:
    """The tracked figures: the generated array of 32 lanes and 4-bit activations."""
    found = cells.where(structure=GENERATED, simd=32, act=4)
    return {f"{c['family']}_lut_per_bitmac": round(c["lut_per_bitmac"], 3) for c in found}


def show(cells: Cells) -> None:
    sizes = [(simd, act, family) for family in FAMILIES for simd, act in SIZES]
    table = Table(title=f"LUT for a one-bit MAC a cycle, {PE} PE, accumulators of {ACC} bits")
    for column in ("family", "lanes", "bits", *STRUCTURES, GENERATED):
        table.add_column(column, justify="right")
    for simd, act, family in sizes:
        row = {c["structure"]: c for c in cells.where(simd=simd, act=act, family=family)}
        values = [f"{row[s]['lut_per_bitmac']:.2f}" if s in row else "" for s in row_names()]
        table.add_row(family, str(simd), str(act), *values)
    console.print(table)
    for what, value in PEERS:
        console.print(f"{what}: {value:.1f}")


def row_names() -> list[str]:
    return [*STRUCTURES, GENERATED]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="structures", choices=row_names())
    options = parser.parse_args()
    cells = Cells("array", {"pe": PE, "acc": ACC, "beats": BEATS}, bars)
    for simd, act in SIZES:
        for family in FAMILIES:
            for structure in options.only or row_names():
                name = name_of(structure, simd, act, family)
                if cells.found.get(name, {}).get("verilog") != mark(structure, simd, act):
                    cells.put(name, figures(structure, simd, act, family))
    show(cells)
    found = bars(cells)
    missed = [f for f, aim in AIMS.items() if found.get(f"{f}_lut_per_bitmac", aim + 1) > aim]
    for family in missed:
        console.print(f"{family}: more than {AIMS[family]} LUT for a one-bit MAC, or not measured")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
