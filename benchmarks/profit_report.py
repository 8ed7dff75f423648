"""profit.json and mobilenet_rtl.json to the tables of docs/results.md and the picture of AIWQ.

Usage: make profit-report (after make bench-profit or make bench-mobilenet-rtl).
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

NETWORKS = {
    "v2": "MobileNet-v2",
    "v3": "MobileNet-v3-small",
    "v3_zeros": "the same, zero padding",
}
METHODS = {
    "float": "float",
    "profit": "PROFIT",
    "duq": "DuQ, no freezing",
    "lsq": "LSQ",
    "lsq_taught": "LSQ, same teacher",
}
RECIPES = {
    "once": "one cosine",
    "stages": "a cosine each",
    "stairs": "stairs, no teacher",
}
SIMULATED = {
    "v2_w4a4": "MobileNet-v2, W4A4",
    "v3_w4a4": "MobileNet-v3-small, W4A4",
    "vww_w8a8": "MobileNetV1-0.25 at 96x96, W8A8",
    "vww_w4a4": "MobileNetV1-0.25 at 96x96, W4A4",
}


def trained(document: dict[str, Any]) -> list[str]:
    """Top-1 by network, width and method."""
    together = defaultdict(list)
    for cell in document["cells"].values():
        method = list(METHODS).index(cell["method"])
        recipe = list(RECIPES).index(cell["recipe"])
        together[cell["network"], -cell["bits"], method, recipe].append(cell)
    rows = []
    for (network, bits, method, recipe), cells in sorted(together.items()):
        name = list(METHODS)[method]
        hard = [c.get("hard", c["soft"]) for c in cells]
        spread = f" ±{(max(hard) - min(hard)) / 2:.2f}" if len(hard) > 1 else ""
        rows.append(
            {
                "network": NETWORKS[network],
                "weights, activations": "float" if name == "float" else f"{-bits}, {-bits} bits",
                "method": METHODS[name],
                "stages": list(RECIPES.values())[recipe] if name in ("profit", "duq") else "",
                "seeds": str(len(cells)),
                "top-1, %": f"{statistics.mean(hard):.2f}{spread}",
                "minutes": f"{statistics.mean(c['seconds'] for c in cells) / 60:.0f}",
            }
        )
    settings = document["settings"]
    recipe = (
        f"{settings['images']:,} images; {settings['float_epochs']} epochs of the float network, "
        f"then {settings['epochs']} of each quantized one, lr {settings['lr']:g}."
    )
    return [recipe, "", *markdown(rows), *depthwise_lead(document)]


def depthwise_lead(document: dict[str, Any]) -> list[str]:
    """How many of the most unstable third of the layers are depthwise."""
    lines = []
    for cell in document["cells"].values():
        last = cell["recipe"] == "once"
        if cell["method"] == "profit" and last and (layers := cell["ranking"]):
            third = layers[: len(layers) // 3]
            first = sum(layer["depthwise"] for layer in third)
            whole = sum(layer["depthwise"] for layer in layers)
            lines += [
                "",
                f"AIWQ of {NETWORKS[cell['network']]} at {cell['bits']} bits, seed {cell['seed']}: "
                f"{first:.0f} of the {len(third)} most unstable convolutions are depthwise, of "
                f"{whole:.0f} among {len(layers)}.",
            ]
    return lines


def simulated(document: dict[str, Any]) -> list[str]:
    rows = []
    for name, title in SIMULATED.items():
        if name not in document["cells"]:
            continue
        cell = document["cells"][name]
        rows.append(
            {
                "network": title,
                "frames x runs": f"{cell['frames']} x {cell['runs']}",
                "differences": str(cell["mismatches"]),
                "beats compared": f"{cell['beats_compared']:,}",
                "cycles a frame": f"{cell['cycles_per_frame']:,}",
                "LUT": f"{cell['lut']:,}",
                "FF": f"{cell['ff']:,}",
                "BRAM": str(cell["bram"]),
                "DSP": str(cell["dsp"]),
                "build, s": f"{cell['verify_seconds'] - cell['simulator_seconds']:.0f}",
                "simulation, s": f"{cell['simulator_seconds']:.1f}",
            }
        )
    settings = document["settings"]
    recipe = f"Compiled for {settings['lut']:,} LUT of {settings['device']}; resources estimated."
    return [recipe, "", *markdown(rows)]


def picture(document: dict[str, Any], path: Path) -> bool:
    """AIWQ of each convolution, depthwise ones in another colour."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "aiwq"
    import matplotlib.pyplot as plt

    every = [c for c in document["cells"].values() if c["method"] == "profit" and c["ranking"]]
    chosen = [c for c in every if c["recipe"] == "once"][:4]
    if not chosen:
        return False
    figure, rows = plt.subplots(len(chosen), 1, figsize=(9, 2.6 * len(chosen)), squeeze=False)
    for row, cell in zip(rows[:, 0], chosen, strict=True):
        layers = cell["ranking"]
        colors = ["#cc3311" if layer["depthwise"] else "#4477aa" for layer in layers]
        row.bar(
            [layer["layer"] for layer in layers], [layer["aiwq"] for layer in layers], color=colors
        )
        title = f"{NETWORKS[cell['network']]}, {cell['bits']} bits (red: depthwise)"
        row.set_title(title, loc="left", fontsize=9)
        row.set_yscale("log")
        row.set_ylabel("AIWQ", fontsize=8)
        row.tick_params(axis="x", rotation=90, labelsize=5)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    return True


def main() -> int:
    found = False
    for name, make in (("profit", trained), ("mobilenet_rtl", simulated)):
        source = record.RESULTS / f"{name}.json"
        if not source.is_file():
            print(f"{source} is missing: make bench-{name.replace('_', '-')} writes it")
            continue
        document = json.loads(source.read_text())
        page = write_between("results.md", name, make(document))
        print(f"wrote {page}: {name}")
        if name == "profit" and picture(document, DOCS / "aiwq.svg"):
            print(f"wrote {DOCS / 'aiwq.svg'}")
        found = True
    return 0 if found else 2


if __name__ == "__main__":
    sys.exit(main())
