"""PROFIT, DuQ without freezing and LSQ on MobileNet-v2 and v3-small: hard integer top-1.

Usage: make bench-profit. Needs the CIFAR-10 images of ../shared/data. First the float networks are
trained, then each cell from its float network for the same number of epochs; PROFIT and DuQ are
taught by the float network that they start from, LSQ in one cell of two; `--recipe stages` and
`--recipe stairs` train them otherwise, for comparison. Every run is an
ordinary `qcompiler train` in build/profit, so an interrupted benchmark goes on where it was;
figures are in benchmarks/results/profit.json as soon as a run ends.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import record
from cells import Cells
from rich.console import Console

from qcompiler.report.progress import Bars
from qcompiler.train.config import TrainConfig
from qcompiler.verbs.train import Trained, train

console = Console(soft_wrap=True, width=140)
NETWORKS = ("v2", "v3", "v3_zeros")
_STRAIGHT = {
    "float_stage": "no",
    "bn_stages": "no",
    "together": "yes",
    "refit": "yes",
    "sample_epochs": "2",
    "quant_rate": "0.1",
}
RECIPES: dict[str, dict[str, str]] = {
    "once": {**_STRAIGHT, "restarts": "no"},
    "stages": _STRAIGHT,
    "stairs": {"float_stage": "no", "bn_epochs": "2"},
}
"""Settings of PROFIT and DuQ for few epochs: straight to the last width with one cosine over all
stages, or one in each, taught by the float network; or down the stairs without a teacher."""
STAIRS = {4: "8,4", 3: "8,4,3"}
METHODS: dict[str, tuple[str, dict[str, str]]] = {
    "profit": ("profit", {}),
    "duq": ("profit", {"freeze": "no"}),
    "lsq": ("lsq", {}),
    "lsq_taught": ("lsq", {}),
}
ROOT = Path("build/profit")


@dataclass(frozen=True)
class Cell:
    """One training: a network of mobilenets.py, a method, and its width of weights and codes."""

    network: str
    bits: int
    method: str
    seed: int = 0
    recipe: str = "once"

    @property
    def kind(self) -> str:
        """The trainer's method."""
        return METHODS[self.method][0]

    @property
    def name(self) -> str:
        name = f"{self.network}_w{self.bits}a{self.bits}_{self.method}_s{self.seed}"
        return name if self.recipe == "once" else f"{name}_{self.recipe}"

    def options(self, weights: Path) -> dict[str, str]:
        """Settings of the method; ``weights`` are those of the float network."""
        found = dict(METHODS[self.method][1])
        taught = self.method == "lsq_taught"
        if self.kind == "profit":
            bits = str(self.bits) if self.recipe != "stairs" else STAIRS[self.bits]
            found |= {**RECIPES[self.recipe], "w_bits": bits, "a_bits": bits}
            taught = self.recipe != "stairs"
        teacher = {"teacher": f"mobilenets:{self.network}", "teacher_weights": str(weights)}
        return found | (teacher if taught else {})


def planned(seeds: int) -> list[Cell]:
    """In the order in which they say most, should time run out."""
    v2 = [Cell("v2", bits, method) for bits in (4, 3) for method in METHODS]
    pads = [Cell(network, 4, "profit") for network in ("v3", "v3_zeros")]
    first = [v2[0], *pads, *(cell for cell in v2 if cell.bits == 3), *v2[1 : len(METHODS)]]
    rest = [
        Cell(network, bits, method)
        for bits in (4, 3)
        for method in METHODS
        for network in ("v3", "v3_zeros")
        if (bits, method) != (4, "profit")
    ]
    more = [Cell(c.network, c.bits, c.method, s) for s in range(1, seeds) for c in v2 + pads]
    return [*first, *more, *rest]


def float_folder(network: str, float_epochs: int) -> Path:
    """Where a float network is trained; its weights are weights.pt there."""
    return ROOT / f"float_{network}_e{float_epochs}"


def folder_of(cell: Cell, float_epochs: int, epochs: int) -> Path:
    """Where a cell is trained; its network is net.qc there."""
    recipe = f"_{cell.recipe}" if cell.kind == "profit" else ""
    return ROOT / f"f{float_epochs}_e{epochs}{recipe}" / replace(cell, recipe="once").name


def common(options: argparse.Namespace, network: str) -> dict[str, Any]:
    return {
        "data": record.DATA / "cifar10_train_a.npz",
        "test": record.DATA / "cifar10_test.npz",
        "model": f"mobilenets:{network}",
        "threads": options.threads,
        "weight_decay": 1e-4,
    }


def run(config: TrainConfig) -> tuple[Trained, float]:
    """Train, or find it trained; seconds of all epochs, whenever they ran."""
    console.print(f"[bold]{config.checkpoint_dir}[/bold]")
    with Bars() as bars:
        result = train(config, progress=bars)
    return result, round(sum(row["seconds"] for row in log(config.checkpoint_dir)), 1)


def log(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's log, one an epoch."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def float_network(network: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train a float network, or find it trained."""
    result, seconds = run(
        TrainConfig(
            checkpoint_dir=float_folder(network, options.float_epochs),
            method="float",
            epochs=options.float_epochs,
            lr=0.1,
            **common(options, network),
        )
    )
    kind = {"network": network, "bits": 32, "method": "float", "seed": 0, "recipe": "once"}
    return {**kind, "soft": round(100 * result.soft_accuracy, 2), "seconds": seconds}


def quantized(cell: Cell, options: argparse.Namespace) -> dict[str, Any]:
    """Train one cell and say what was found."""
    weights = float_folder(cell.network, options.float_epochs) / "weights.pt"
    folder = folder_of(cell, options.float_epochs, options.epochs)
    result, seconds = run(
        TrainConfig(
            checkpoint_dir=folder,
            weights=weights,
            method=cell.kind,
            bits=cell.bits,
            activations=cell.bits,
            epochs=options.epochs,
            lr=options.lr,
            seed=cell.seed,
            options=cell.options(weights),
            **common(options, cell.network),
        )
    )
    assert result.hard_accuracy is not None
    return {
        **asdict(cell),
        "hard": round(100 * result.hard_accuracy, 2),
        "soft": round(100 * result.soft_accuracy, 2),
        "seconds": seconds,
        "ranking": ranking(folder),
    }


def ranking(folder: Path) -> list[Any]:
    """AIWQ of each convolution, most unstable first, as the last stages of a run use it."""
    found = [row["layers"] for row in log(folder) if row.get("layers")]
    return [{"layer": name, **figures} for name, figures in found[-1].items()] if found else []


def bars(cells: Cells) -> dict[str, Any]:
    """The tracked figures."""
    out: dict[str, Any] = {"epochs": cells.settings["epochs"]}
    for network in NETWORKS:
        for cell in cells.where(network=network, method="float"):
            out[f"{network}_float"] = cell["soft"]
    for network in NETWORKS:
        for bits in (4, 3):
            recipe = _recipe(cells, network, bits)
            for method in METHODS:
                own = recipe if METHODS[method][0] == "profit" else "once"
                where = {"network": network, "bits": bits, "method": method, "recipe": own}
                found = cells.where(**where)
                name = f"{network}_w{bits}a{bits}_{method}"
                if network == "v3_zeros":
                    name = f"v3_w{bits}a{bits}_{method}_no_negative_padding"
                    name = name.replace("profit_", "")
                if found:
                    shared = _shared_seeds(cells, network, bits, recipe)
                    shared = shared or {c["seed"] for c in found}
                    hard = [c["hard"] for c in found if c["seed"] in shared]
                    out[name] = round(statistics.mean(hard or [c["hard"] for c in found]), 2)
    return out


def _recipe(cells: Cells, network: str, bits: int) -> str:
    """The first recipe that PROFIT was trained by; DuQ is judged by the same."""
    found = {c["recipe"] for c in cells.where(network=network, bits=bits, method="profit")}
    return next((name for name in RECIPES if name in found), "once")


def _shared_seeds(cells: Cells, network: str, bits: int, recipe: str) -> set[int]:
    """Seeds that all methods that were trained have: none is judged by luckier ones."""
    every = [
        cells.where(network=network, bits=bits, method=method, recipe=own)
        for method, (kind, _) in METHODS.items()
        for own in [recipe if kind == "profit" else "once"]
    ]
    seeds = [{c["seed"] for c in found} for found in every if found]
    return set.intersection(*seeds) if seeds else set()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--float-epochs", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=8, help="of each quantized training")
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--recipe", choices=RECIPES, default="once", help="of PROFIT and DuQ")
    parser.add_argument("--only", nargs="*", help="names of cells, such as v2_w4a4_profit_s0")
    options = parser.parse_args()
    if not record.DATA.is_dir():
        print(f"{record.DATA} is missing: this benchmark needs the CIFAR-10 images")
        return 2
    what = ("float_epochs", "epochs", "lr")
    settings = {"images": 25000, **{k: getattr(options, k) for k in what}}
    cells = Cells("profit", settings, bars)
    every = planned(options.seeds)
    if options.recipe != "once":
        every = [replace(c, recipe=options.recipe) for c in every if c.kind == "profit"]
    for cell in every:
        if cell.name in cells.found or cell.name not in (options.only or [cell.name]):
            continue
        if (name := f"{cell.network}_float") not in cells.found:
            cells.put(name, float_network(cell.network, options))
        cells.put(cell.name, quantized(cell, options))
    for key, value in bars(cells).items():
        console.print(f"{key}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
