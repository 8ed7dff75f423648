"""Which points of a sweep no other beats, and how a sweep is written down: CSV and JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from qcompiler.report.tables import new_table
from qcompiler.verbs.explore_points import Point, Result

METRICS = {"top1": "top-1", "snr_db": "SNR dB"}
"""Accuracies by which points compare, the first that all of them have."""


def metric(results: Sequence[Result]) -> str | None:
    """The accuracy that the networks of a sweep are compared by, None if they have none."""
    return next((m for m in METRICS if all(m in r.accuracy for r in results)), None)


def optimal(results: Sequence[Result]) -> set[Point]:
    """The points that fit and that no other on the same device equals or beats in everything.

    That is LUTs, frames per second and, where it is known, accuracy. Of equal points the first
    counts.
    """
    accuracy = metric(results)
    found: list[tuple[str, tuple[float, ...], Point]] = []
    for result in results:
        if not result.outcome.fits:
            continue
        merits = [-round(result.outcome.lut), result.outcome.fps]
        merits += [result.accuracy[accuracy]] if accuracy else []
        found.append((result.point.device, tuple(merits), result.point))

    def beaten(k: int) -> bool:
        device, own, _ = found[k]
        return any(
            other == device
            and all(a >= b for a, b in zip(rival, own, strict=True))
            and (rival != own or j < k)
            for j, (other, rival, _) in enumerate(found)
            if j != k
        )

    return {point for k, (_, _, point) in enumerate(found) if not beaten(k)}


def quality(result: Result, name: str | None) -> str:
    """Of a network, as users read it."""
    if name is None:
        return "-"
    value = result.accuracy[name]
    return f"{100 * value:.2f} %" if name == "top1" else f"{value:.1f}"


def goal(point: Point) -> str:
    return f"{point.fps:,.10g} frames/s" if point.fps is not None else f"{point.lut:,} LUT"


def sweep_table(results: Sequence[Result]) -> Table:
    """Every point; a star marks those that no other beats."""
    best, accuracy = optimal(results), metric(results)
    head = ("device", "network", "goal", METRICS.get(accuracy or "", "accuracy"), "LUT", "FF")
    table = new_table("Sweep", *head, "BRAM", "DSP", "cycles/frame", "frames/s", "fits", "best")
    for result in results:
        point, found = result.point, result.outcome
        row = [point.device, point.network, goal(point), quality(result, accuracy)]
        if result.built:
            row += [f"{found.lut:,.0f}", f"{found.ff:,.0f}", str(found.bram), str(found.dsp)]
            row += [f"{found.cycles:,}", f"{found.fps:,.0f}", "yes" if found.fits else "no"]
        else:
            row += [*"------", "no"]
        table.add_row(*row, "*" if point in best else "")
    return table


def reasons(results: Sequence[Result]) -> list[str]:
    """Why points have no design, or do not fit; networks with the same reason together."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for result in results:
        point, why = result.point, result.outcome.refused or result.outcome.short
        if why:
            found.setdefault((point.device, goal(point), why), []).append(point.network)
    return [f"{', '.join(n)} on {chip}, {aim}: {why}" for (chip, aim, why), n in found.items()]


def rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    """One flat record a point, for other programs."""
    best = optimal(results)
    return [
        {
            **{("fps_wanted" if k == "fps" else "lut_budget" if k == "lut" else k): v
               for k, v in asdict(result.point).items()},
            **{name: result.accuracy.get(name) for name in ("top1", "snr_db", "agreement")},
            **asdict(result.outcome),
            "pareto": result.point in best,
        }
        for result in results
    ]  # fmt: skip


def write_tables(results: Sequence[Result], folder: Path) -> list[Path]:
    """``points.csv`` and ``points.json``."""
    records = rows(results)
    paths = folder / "points.csv", folder / "points.json"
    with paths[0].open("w", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    paths[1].write_text(json.dumps(records, indent=1) + "\n")
    return list(paths)
