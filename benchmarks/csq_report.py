"""benchmarks/results/csq.json to the table of docs/results.md and the picture of bits per layer.

Usage: make csq-report (after make bench-csq).
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import record
from pages import DOCS, markdown, write_between

TITLES = {"csq": "CSQ", "lsq": "LSQ", "bsq": "BSQ"}


def groups(found: dict[str, Any]) -> dict[tuple[str, float, int], list[Any]]:
    """Seeds of one method, size and activation width together."""
    together = defaultdict(list)
    for cell in found.values():
        together[cell["method"], cell["size"], cell["activations"]].append(cell)
    order = {"csq": 0, "lsq": 1, "bsq": 2}
    return dict(sorted(together.items(), key=lambda i: (i[0][2] != 32, order[i[0][0]], -i[0][1])))


def table(found: dict[str, Any]) -> list[str]:
    rows = []
    for (method, size, activations), cells in groups(found).items():
        hard = [c["hard"] for c in cells]
        spread = f" ±{(max(hard) - min(hard)) / 2:.2f}" if len(hard) > 1 else ""
        asked = {"csq": f"{size:g} planes", "lsq": f"{size:g} bits", "bsq": f"α = {size:g}"}[method]
        means = {k: statistics.mean(c[k] for c in cells) for k in ("soft", "bits", "stored")}
        row = {
            "method": TITLES[method],
            "asked for": asked,
            "activations": "8, calibrated" if activations == 32 else f"{activations}, trained",
            "seeds": str(len(cells)),
            "hard top-1, %": f"{statistics.mean(hard):.2f}{spread}",
            "soft": f"{means['soft']:.2f}",
            "live planes": f"{means['bits']:.2f}",
            "stored bits": f"{means['stored']:.2f}",
            "cycles a frame": f"{statistics.mean(c['cycles'] for c in cells):,.0f}",
        }
        rows.append(row)
    return markdown(rows)


def picture(found: dict[str, Any], path: Path) -> None:
    """Live planes of each layer, one row of bars for each CSQ budget."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "csq"
    import matplotlib.pyplot as plt

    chosen = {
        key: cells[0]
        for key, cells in groups(found).items()
        if key[0] in ("csq", "bsq") and key[2] == 32
    }
    figure, rows = plt.subplots(
        len(chosen), 1, sharex=True, sharey=True, figsize=(8, 1.5 * len(chosen)), squeeze=False
    )
    for row, ((method, _, _), cell) in zip(rows[:, 0], chosen.items(), strict=True):
        row.bar(cell["layers"], cell["live"], color="#4477aa")
        title = f"{TITLES[method]}: {cell['bits']:.2f} planes on average, {cell['hard']:.2f} %"
        row.set_title(title, loc="left", fontsize=9)
        row.set_ylabel("planes", fontsize=8)
        row.tick_params(axis="x", rotation=90, labelsize=7)
        row.set_yticks(range(0, 9, 2))
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> int:
    source = record.RESULTS / "csq.json"
    if not source.is_file():
        print(f"{source} is missing: make bench-csq writes it")
        return 2
    document = json.loads(source.read_text())
    settings = document["settings"]
    recipe = (
        f"Epochs: {settings['epochs']}, of {settings['images']:,} images each, "
        f"lr {settings['lr']:g}, from the float checkpoint; cycles: compiled for "
        f"{settings['lut']:,} LUT of an Artix-7 200T."
    )
    lines = [recipe, "", *table(document["cells"])]
    page = write_between("results.md", "csq", lines)
    picture(document["cells"], DOCS / "csq_bits.svg")
    print("\n".join(lines))
    print(f"wrote {page} and {DOCS / 'csq_bits.svg'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
