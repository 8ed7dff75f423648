"""Figures of a long benchmark by cell, on disk as soon as they are there, found by the next run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import record

Figures = dict[str, Any]


class Cells:
    """``benchmarks/results/NAME.json``: settings, machine, bars, cells and what else is found.

    Cells that were measured with other settings are not those of this run: they are left out.

    Args:
        bars: The tracked figures, from all that is found so far.
    """

    def __init__(self, name: str, settings: Figures, bars: Callable[[Cells], Figures]) -> None:
        self.name, self.settings, self.bars = name, settings, bars
        self.machine = record.machine()
        self.path = record.RESULTS / f"{name}.json"
        self.found: dict[str, Figures] = {}
        self.simulated: dict[str, Figures] = {}
        if self.path.is_file():
            kept = json.loads(self.path.read_text())
            if kept["settings"] == self.settings:
                self.found, self.simulated = kept["cells"], kept.get("simulated", {})

    def put(self, name: str, figures: Figures) -> None:
        """Keep the figures of one cell, and print those that are no lists."""
        self.found[name] = figures
        shown = {k: v for k, v in figures.items() if not isinstance(v, list)}
        print(f"{name}: {shown}", flush=True)
        self.write()

    def write(self) -> None:
        record.write(self.name, self.settings, self.machine, [], self.bars(self))
        document = json.loads(self.path.read_text())
        document["cells"], document["simulated"] = self.found, self.simulated
        self.path.write_text(json.dumps(document, indent=1) + "\n")

    def where(self, **wanted: Any) -> list[Figures]:
        """The cells whose figures have these values."""
        return [c for c in self.found.values() if all(c[k] == v for k, v in wanted.items())]
