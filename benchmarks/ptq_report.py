"""benchmarks/results/ptq.json to the tables of docs/quantization.md.

Usage: make ptq-report (after make bench-ptq).
"""

from __future__ import annotations

import json
import sys
from typing import Any

import record
from pages import markdown, write_between

METHODS = ("max-abs", "percentile", "kl", "mse")


def ahead(rows: list[dict[str, str]], network: str) -> str:
    """How far easyquant is from the best simple method, column by column."""
    mine = {row["method"]: row for row in rows if row["network"] == network}
    found = []
    for column in (c for c in rows[0] if c.startswith("W")):
        best = max(_mean(mine[m][column]) for m in METHODS)
        found.append(f"{column} {_mean(mine['easyquant'][column]) - best:+.2f}")
    return f"{network}, easyquant against the best of the four simple methods: {', '.join(found)}."


def _mean(cell: str) -> float:
    return float(cell.split()[0]) if cell != "-" else float("nan")


def main() -> int:
    source = record.RESULTS / "ptq.json"
    if not source.is_file():
        print(f"{source} is missing: make bench-ptq writes it")
        return 2
    document = json.loads(source.read_text())
    rows: list[dict[str, Any]] = document["table"]
    settings = document["settings"]
    networks = list(dict.fromkeys(row["network"] for row in rows))
    lines = [
        f"Top-1 of the integer graph on {settings['images']:,} test images, %, calibrated on "
        f"{settings['samples']} training images: mean and half the spread of three draws "
        "(*: fewer). Seconds: median of the quantizations that had two cores to themselves "
        "(-: none had).",
    ]
    for network in networks:
        mine = [
            {k: v for k, v in r.items() if k != "network"} for r in rows if r["network"] == network
        ]
        lines += ["", f"**{network}**", "", *markdown(mine)]
    lines += ["", *(ahead(rows, network) for network in networks)]
    path = write_between("quantization.md", "ptq", lines)
    print("\n".join(lines))
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
