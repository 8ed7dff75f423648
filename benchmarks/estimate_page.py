"""The tables of `make bench-estimate` in docs/estimates.md."""

from __future__ import annotations

from typing import Any

from pages import markdown, write_between

NAMES = {"ecp5": "ECP5", "xc7": "Xilinx 7"}
Rows = list[dict[str, Any]]


def write(rows: Rows, bars: dict[str, dict[str, Any]], aim: float) -> None:
    """Rewrite the part of the page between its marks.

    Args:
        rows: Of the benchmark.
        bars: Figures by family.
        aim: Largest error that is aimed at.
    """
    families = [_family(NAMES[family], found) for family, found in bars.items() if found]
    networks = [_network(row) for row in rows if row["kind"] == "network"]
    off = [_off(row, what) for row in rows for what in ("lut", "ff") if _error(row, what) > aim]
    lines = [
        *markdown(families), "",
        "Networks, estimate / Yosys, cycles a frame, estimate / simulation, and the clock on "
        "ECP5-85 of grade 6, estimate / nextpnr, of those with fewer than 8,000 LUT:", "",
        *markdown(networks), "",
        f"More than {aim:.0%} off: {'; '.join(off) or 'nothing'}.",
    ]  # fmt: skip
    write_between("estimates.md", "bench-estimate", lines)


def _error(row: dict[str, Any], what: str) -> float:
    return abs(float(row[f"{what}_error"]))


def _off(row: dict[str, Any], what: str) -> str:
    est, got = row[what]
    return f"{row['name']}, {NAMES[row['family']]}, {est:,} {what.upper()} for {got:,}"


def _family(name: str, found: dict[str, Any]) -> dict[str, str]:
    modules, networks = found["heldout_modules"], found["heldout_networks"]
    both = {
        f"{what} median, worst": ", ".join(
            f"{found[f'{key}_{which}_error']:.1%}" for which in ("median", "worst")
        )
        for what, key in (("LUT", "lut"), ("FF", "ff"), ("carry", "carry"))
    }
    return {
        "": f"{name}, {modules} modules" + (f" and {networks} networks" if networks else ""),
        **both,
        "block RAM wrong": str(found["bram_errors"]),
        "multipliers wrong": str(found["dsp_errors"]),
        "cycles wrong": str(found["cycle_errors"]) if networks else "-",
    }


def _network(row: dict[str, Any]) -> dict[str, str]:
    def pair(what: str) -> str:
        return " / ".join(f"{n:,}" for n in row[what]) if what in row else "-"

    return {
        "network": f"{row['name']}, {NAMES[row['family']]}",
        **{
            title: f"{pair(what)} ({row[f'{what}_error']:+.1%})"
            for title, what in (("LUT", "lut"), ("FF", "ff"))
        },
        **{t: pair(w) for t, w in (("carry", "carry"), ("BRAM", "bram"), ("DSP", "dsp"))},
        "cycles": pair("cycles"),
        "MHz": pair("mhz"),
    }
