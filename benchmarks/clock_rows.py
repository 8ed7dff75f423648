"""The clock model against nextpnr on what it was not fitted on: modules, and whole networks."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import fit_fmax

from qcompiler.estimate import fmax
from qcompiler.estimate.devices import device
from qcompiler.flows.pnr import Placement, place_and_route
from qcompiler.ir.graph import Graph

FAMILY = fit_fmax.FAMILY
CHIP, GRADE, AIMED = device("ecp5-85k"), 6, 125.0
MOST_LUT = 8000  # of a network that is placed: minutes each


@cache
def modules() -> tuple[dict[str, Any], ...]:
    """Held-out modules that are slow enough to decide a design's clock, each placed alone."""
    held = [(case, row) for case, row in fit_fmax.measured() if row["held"]]
    slow = [(case, row) for case, row in held if row["ns6"] > fit_fmax.DECIDING]
    found = fit_fmax.errors(slow, fmax.DELAYS[FAMILY])
    clocks = [1000 / row["ns6"] for _, row in slow]
    return tuple(
        {"name": case.name, "mhz": [round(mhz * (1 + error), 1), round(mhz, 1)]}
        for (case, _), mhz, error in zip(slow, clocks, found, strict=True)
    )


def network(graph: Graph, folder: Path, kept: float | None) -> dict[str, Any]:
    """Clock of a build: the model's and nextpnr's, MHz.

    Args:
        graph: Folded hardware graph.
        folder: Its build.
        kept: What nextpnr found for the same Verilog, if it is known.
    """
    if kept is None:
        kept = place_and_route(folder, CHIP, Placement(AIMED, 1, GRADE)).fmax_mhz
    return {"mhz": [round(fmax.design_clock(graph, FAMILY, GRADE).mhz, 1), round(kept, 1)]}


def worst(rows: list[dict[str, Any]]) -> float:
    """Largest relative error of the clock."""
    return max(
        (abs(est / got - 1) for est, got in (r["mhz"] for r in rows if "mhz" in r)), default=0.0
    )
