"""The Pareto front of a sweep as a picture (matplotlib) and as a page (plotly)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qcompiler.report.pareto import METRICS, goal, metric, optimal, quality
from qcompiler.verbs.explore_points import Result

COLUMNS = 2  # devices beside each other
COLORS = ("#332288", "#88ccee", "#117733", "#ddcc77", "#cc6677", "#aa4499", "#44aa99", "#999933")
MARKS = (("o", "circle"), ("s", "square"), ("^", "triangle-up"), ("D", "diamond"))
"""Tol's muted colours, told apart with colour-blind eyes."""


@dataclass(frozen=True, eq=False)
class Curve:
    """The points of one network on one device, by frames per second.

    Args:
        label: The network, and how good it is.
        fitting: Points that fit.
        others: Those that are built but do not fit.
        front: Points that fit, of which no other of this network is faster and smaller.
    """

    network: str
    label: str
    fitting: list[Result]
    others: list[Result]
    front: list[Result]


def curves(results: Sequence[Result], device: str) -> Iterator[Curve]:
    accuracy = metric(results)
    for network in dict.fromkeys(r.point.network for r in results):
        own = [r for r in results if (r.point.network, r.point.device) == (network, device)]
        built = sorted((r for r in own if r.built), key=lambda r: r.outcome.fps)
        fitting = [r for r in built if r.outcome.fits]
        front = [
            r for r in fitting
            if not any(o.outcome.fps >= r.outcome.fps and o.outcome.lut < r.outcome.lut
                       for o in fitting)
        ]  # fmt: skip
        others = [r for r in built if not r.outcome.fits]
        label = network
        if accuracy and own:
            label += f": {quality(own[0], accuracy)}{'' if accuracy == 'top1' else ' dB'}"
        yield Curve(network, label, fitting, others, front)


def _devices(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(r.point.device for r in results))


def _at(results: Sequence[Result]) -> tuple[list[float], list[float]]:
    return [r.outcome.fps for r in results], [r.outcome.lut for r in results]


def _heading(results: Sequence[Result]) -> str:
    accuracy = metric(results)
    beside = f" and {METRICS[accuracy]}" if accuracy else ""
    return f"Rings: no other point is as good in frames/s, LUT{beside}. Crosses do not fit."


def draw_png(results: Sequence[Result], path: Path) -> None:
    """LUTs over frames per second, a panel a device, a colour a network."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    devices, best = _devices(results), optimal(results)
    columns = min(COLUMNS, len(devices))
    lines = -(-len(devices) // columns)
    figure = Figure(figsize=(6.2 * columns, 4.4 * lines + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel, device in zip(panels, devices, strict=False):
        for number, curve in enumerate(curves(results, device)):
            color, mark, _ = _look(number)
            panel.step(*_at(curve.front), where="pre", color=color, linewidth=1.2, alpha=0.7)
            panel.plot(*_at(curve.fitting), mark, color=color, markersize=5, label=curve.label)
            panel.plot(*_at(curve.others), "x", color=color, markersize=5)
        rings = [r for r in results if r.point.device == device and r.point in best]
        panel.plot(*_at(rings), "o", color="black", markersize=10, fillstyle="none")
        panel.set(title=device, xlabel="frames/s", ylabel="LUT", xscale="log")
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3, which="both")
        panel.legend(fontsize=8, loc="lower right")
    for panel in panels[len(devices) :]:
        panel.set_visible(False)
    figure.suptitle(_heading(results), fontsize=10)
    figure.savefig(path, dpi=130)


def draw_html(results: Sequence[Result], path: Path) -> None:
    """The same as a page that needs nothing else; every point says what it is."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    devices, best = _devices(results), optimal(results)
    columns = min(COLUMNS, len(devices))
    lines = -(-len(devices) // columns)
    figure = make_subplots(lines, columns, subplot_titles=devices)
    for k, device in enumerate(devices):
        place: dict[str, Any] = {"row": k // columns + 1, "col": k % columns + 1}
        for number, curve in enumerate(curves(results, device)):
            color, _, mark = _look(number)
            shown = {"name": curve.label, "legendgroup": curve.network}
            x, y = _at(curve.front)
            line = {"color": color, "shape": "vh", "width": 1.5}
            figure.add_trace(
                Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False,
                        **shown),
                **place,
            )  # fmt: skip
            for points, symbol in ((curve.fitting, mark), (curve.others, "x")):
                x, y = _at(points)
                marker = {"color": color, "size": 8, "symbol": symbol}
                text = [_hover(r, metric(results)) for r in points]
                figure.add_trace(
                    Scatter(x=x, y=y, mode="markers", marker=marker, text=text,
                            hoverinfo="text", showlegend=symbol != "x" and k == 0, **shown),
                    **place,
                )  # fmt: skip
        x, y = _at([r for r in results if r.point.device == device and r.point in best])
        ring = {"color": "black", "size": 15, "symbol": "circle-open", "line": {"width": 1.5}}
        figure.add_trace(
            Scatter(x=x, y=y, mode="markers", marker=ring, hoverinfo="skip", showlegend=k == 0,
                    name="best", legendgroup="best"),
            **place,
        )  # fmt: skip
        figure.update_xaxes(type="log", title_text="frames/s", **place)
        figure.update_yaxes(title_text="LUT", rangemode="tozero", **place)
    figure.update_layout(title=_heading(results), template="plotly_white", height=460 * lines + 120)
    figure.write_html(path, include_plotlyjs=True, full_html=True)


def _look(number: int) -> tuple[str, str, str]:
    """Colour of a network, and its mark in matplotlib and in plotly: no two of 32 are alike."""
    return COLORS[number % len(COLORS)], *MARKS[number // len(COLORS) % len(MARKS)]


def _hover(result: Result, accuracy: str | None) -> str:
    point, found = result.point, result.outcome
    return "<br>".join(
        [
            f"<b>{point.network}</b> on {point.device}, goal {goal(point)}",
            f"{METRICS.get(accuracy or '', 'accuracy')}: {quality(result, accuracy)}",
            f"{found.fps:,.0f} frames/s, {found.cycles:,} cycles, {found.latency_us:,.0f} µs",
            f"{found.lut:,.0f} LUT, {found.ff:,.0f} FF, {found.bram} BRAM, {found.dsp} DSP",
            found.short or "fits",
        ]
    )
