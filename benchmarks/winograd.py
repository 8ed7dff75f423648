"""Winograd against direct multipliers: one 3x3 convolution, 64 to 64 channels, in Yosys and RTL.

Usage: make bench-winograd. Every layer is border, line buffer and engine. It is simulated bit by
bit on a small frame and synthesized for the whole one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import record
import winograd_tables as tables
from rich.console import Console
from winograd_layer import CHANNELS, FORMATS, LAYER, Engine, Format, layer, outputs, weight_rom
from winograd_measure import Simulated, Synthesis, Synthesized, simulate

from qcompiler.errors import GraphError
from qcompiler.flows.yosys import find_yosys

console = Console(soft_wrap=True, width=160)

DIRECT = Engine("direct", 8, 8)
EQUAL = Engine("Winograd 2x2", 8, 8, m=2)  # as many multipliers
HALF = Engine("Winograd 2x2", 4, 8, m=2)  # and yet a little faster than direct ones
ENGINES = (
    DIRECT,
    EQUAL,
    HALF,
    Engine("Winograd 4x4", 8, 8, m=4),
    Engine("Winograd 4x4", 2, 8, m=4),  # as fast as direct
    Engine("bit-serial", 8, 8, bitserial=True),
)
PARTIAL = (
    Engine("direct", 8, 8, partial_bits=16),
    Engine("Winograd 2x2", 8, 8, m=2, partial_bits=16),
    Engine("Winograd 4x4", 8, 8, m=4, partial_bits=16),
)


@dataclass
class Row:
    """One engine for one format; ``refused`` says why there is none."""

    form: Format
    engine: Engine
    refused: str = ""
    cycles: int = 0
    rom: tuple[int, int] = (0, 0)
    simulated: Simulated | None = None
    cells: dict[str, Synthesized] = field(default_factory=dict)

    def document(self, size: int) -> dict[str, Any]:
        engine = self.engine
        found: dict[str, Any] = {
            "format": self.form.name,
            "engine": engine.title,
            "pe": engine.pe,
            "simd": engine.simd,
        }
        if self.simulated is None:
            return found | {"refused": self.refused}
        found |= {
            "cycles": self.cycles,
            "simulated": asdict(self.simulated),
            "rom_words": self.rom[0],
            "rom_bits": self.rom[0] * self.rom[1],
        }
        for family, cells in self.cells.items():
            per_output = cells.total.dsp * self.cycles / outputs(size)
            found[family] = asdict(cells.total) | {
                "dsp_cycles_per_output": per_output,
                "parts": {part: asdict(cells.parts[part]) for part in sorted(cells.parts)},
            }
        return found


def measure(
    form: Format, engine: Engine, options: argparse.Namespace, synthesis: Synthesis, scratch: Path
) -> Row:
    """Simulate and synthesize; says how far it is."""
    name = f"{form.name} {engine.title} {engine.pe}x{engine.simd}"
    try:
        graph = layer(form, engine, options.frame)
    except GraphError as error:
        console.print(f"{name}: refused, {error.what}")
        return Row(form, engine, error.what)
    row = Row(form, engine, "", graph.op(LAYER).rate, weight_rom(graph))
    start = time.perf_counter()
    row.simulated = found = simulate(form, engine, options.simulated, scratch / "small")
    console.print(
        f"{name}: {found.frames} frames, {found.mismatches} mismatches, {found.cycles:,} cycles"
        f" a frame ({found.rate:,} by the formula), {time.perf_counter() - start:.0f} s"
    )
    if found.explained:
        console.print(found.explained)
    for family in options.families:
        start = time.perf_counter()
        cells = synthesis.run(form, engine, options.frame, family, scratch / family)
        row.cells[family] = cells
        total = cells.total
        console.print(
            f"  {family}: {total.dsp} DSP, {total.lut:,} LUT, {total.ff:,} FF, {total.bram} BRAM,"
            f" {time.perf_counter() - start:.0f} s"
        )
    return row


def tracked(rows: list[Row], families: list[str], size: int) -> dict[str, Any]:
    """The figures that are tracked; those of INT7 where it was measured."""
    ran = [row.simulated for row in rows if row.simulated is not None]
    bars: dict[str, Any] = {
        "rtl_mismatches": sum(s.mismatches for s in ran),
        "rows_off_the_cycle_formula": sum(s.cycles != s.rate for s in ran),
    }
    int7 = {row.engine: row for row in rows if row.form is FORMATS["int7"]}
    if not int7:
        return bars
    direct, equal, half = (int7[engine] for engine in (DIRECT, EQUAL, HALF))
    assert direct.simulated is not None and equal.simulated is not None
    ratio = direct.simulated.multiplications / equal.simulated.multiplications
    bars["int7_multiplications_ratio"] = round(ratio, 4)
    bars["int7_speed_of_half_the_multipliers"] = round(direct.cycles / half.cycles, 4)
    for family in families:
        suffix = "" if family == "ecp5" else f"_{family}"
        ours, theirs = half.cells[family].total, direct.cells[family].total
        for kind in ("dsp", "lut", "ff", "bram"):
            bars[f"int7_{kind}_direct{suffix}"] = getattr(theirs, kind)
            bars[f"int7_{kind}_winograd{suffix}"] = getattr(ours, kind)
        spent = theirs.dsp * direct.cycles / (equal.cells[family].total.dsp * equal.cycles)
        bars[f"int7_dsp_cycles_ratio{suffix}"] = round(spent, 4)
    return bars


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", nargs="+", default=["ecp5", "xc7"], choices=["ecp5", "xc7"])
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=FORMATS)
    parser.add_argument("--frame", type=int, default=32, help="rows and columns to synthesize for")
    parser.add_argument("--simulated", type=int, default=8, help="rows and columns to simulate")
    options = parser.parse_args()
    host, synthesis = record.machine(), Synthesis()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        for key in options.formats:
            for engine in (*ENGINES, *(PARTIAL if key == "int7" else ())):
                folder = Path(scratch) / f"{key}{len(rows)}"
                rows.append(measure(FORMATS[key], engine, options, synthesis, folder))
    documents = [row.document(options.frame) for row in rows]
    for family in options.families:
        console.print(tables.cost(documents, family, options.frame))
        console.print(tables.transforms(documents, family))
        console.print(tables.ratios(documents, family))
    for row in rows:
        if row.refused:
            console.print(f"refused: {row.form.name} {row.engine.title}: {row.refused}")
    bars = tracked(rows, options.families, options.frame)
    for name, value in bars.items():
        console.print(f"{name}: {value}")
    settings = {
        "channels": CHANNELS,
        "frame": options.frame,
        "simulated_frame": options.simulated,
        "families": options.families,
        "formats": options.formats,
        "yosys": find_yosys().version,
    }
    console.print(f"wrote {record.write('winograd', settings, host, documents, bars)}")
    return int(bars["rtl_mismatches"] + bars["rows_off_the_cycle_formula"] > 0)


if __name__ == "__main__":
    sys.exit(main())
