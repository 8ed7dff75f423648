"""The tables of benchmarks/winograd.py, from the rows that it writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.table import Table
from winograd_measure import MEMORIES, TRANSFORMS

Row = dict[str, Any]

STYLE: dict[str, Any] = {"title_justify": "left", "show_edge": False}


def cost(rows: list[Row], family: str, size: int) -> Table:
    """What each layer takes and does."""
    title = f"{family}: 3x3, 64 to 64 channels, {size}x{size} outputs; BRAM of 18 kbit"
    columns = ["cycles/frame", "mult./output", "DSP", "LUT", "FF", "BRAM", "weight ROM"]
    table = _table(title, *columns, "DSP·cycles/output")
    for row in _measured(rows):
        cells, products = row[family], row["simulated"]["multiplications"]
        table.add_row(
            *_name(row),
            f"{row['cycles']:,}",
            f"{products:g}" if products else "-",
            *_counts(cells, "dsp", "lut", "ff", "bram"),
            f"{row['rom_bits'] / 1000:.0f} kbit",
            f"{cells['dsp_cycles_per_output']:g}",
        )
    return table


def transforms(rows: list[Row], family: str) -> Table:
    """Where the cells are, and the share of what direct products do without."""
    groups = (("line buffer",), ("products",), *((part,) for part in TRANSFORMS), MEMORIES)
    shares = [f"{what} {kind} %" for what in ("transf.", "memories") for kind in ("LUT", "FF")]
    title = f"{family}: what the transforms (passes, turns) cost, and the memories (replay, raster)"
    table = Table(title=title, **STYLE)
    table.add_column("LUT by part, shares of layer", no_wrap=True)
    for head in (*map(", ".join, groups), *shares, "ROM BRAM", "other BRAM"):
        table.add_column(head, justify="right")
    for row in _measured(rows):
        cells, found = row[family], row[family]["parts"]

        def count(kind: str, group: Iterable[str], found: Row = found) -> int:
            return sum(found[part][kind] for part in group if part in found)

        share = ["-"] * 4
        if MEMORIES[0] in found:
            share = [
                f"{100 * count(kind, group) / cells[kind]:.0f}"
                for group in (TRANSFORMS, MEMORIES)
                for kind in ("lut", "ff")
            ]
        rom = count("bram", ["products"])
        lut = [f"{n:,}" if (n := count("lut", group)) else "-" for group in groups]
        table.add_row(" ".join(_name(row)), *lut, *share, str(rom), str(cells["bram"] - rom))
    return table


def ratios(rows: list[Row], family: str) -> Table:
    """Every engine against direct multipliers of the same format."""
    title = f"{family}: against direct, of the same format (speed: more is better; cells: less)"
    table = _table(title, "speed", "DSP", "LUT", "FF", "BRAM", "DSP·cycles")
    for row in _measured(rows):
        direct = next(r for r in _measured(rows) if r["format"] == row["format"])
        if row is direct:
            continue
        ours, theirs = row[family], direct[family]
        kinds = ("dsp", "lut", "ff", "bram", "dsp_cycles_per_output")
        table.add_row(
            *_name(row),
            f"{direct['cycles'] / row['cycles']:.3f}",
            *(f"{ours[k] / theirs[k]:.2f}" if theirs[k] else f"{ours[k]:g} : 0" for k in kinds),
        )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, **STYLE)
    for column in ("format", "engine", "PE×SIMD"):
        table.add_column(column, justify="left", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _measured(rows: Iterable[Row]) -> Iterator[Row]:
    return (row for row in rows if "refused" not in row)


def _name(row: Row) -> tuple[str, str, str]:
    return row["format"], row["engine"], f"{row['pe']}×{row['simd']}"


def _counts(cells: dict[str, int], *kinds: str) -> Iterator[str]:
    return (f"{cells[kind]:,}" for kind in kinds)
