"""What ``qcompiler demo`` prints."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from qcompiler.report.tables import folding_table, layer_cost_table, layer_table, summary
from qcompiler.verbs.demo import Demo


def print_demo(result: Demo, out: Console) -> None:
    """Accuracies, cost by layer, cycles and where the files are."""
    out.print(layer_table(result.quantized))
    out.print(folding_table(result.compiled))
    out.print(layer_cost_table(result.compiled.hardware, result.compiled.report))
    for line in summary(result.compiled.report, result.compiled.clock_mhz):
        out.print(line)
    out.print()
    out.print(_accuracy(result))
    v = result.verified
    out.print(
        f"bit-exact: {v.frames} frames ({result.images} held-out images, all least, all largest "
        f"codes), {v.streams} streams, {v.beats:,} beats compared, 0 differences"
    )
    out.print(f"{v.cycles_per_frame:,} cycles an image in simulation, latency {v.latency:,} cycles")
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in result.seconds.items())
    out.print(f"time: {times}")
    files = "digits.pt2, calibration.npz, images.npz, net.qc/, build/"
    out.print(f"files in {result.folder}/: {files}")
    out.print(f"next: qcompiler synth {result.folder / 'build'}")


def _accuracy(result: Demo) -> Table:
    title = "Top-1 on held-out digits"
    table = Table(title=title, title_justify="left", title_style="bold", show_edge=False)
    table.add_column("images")
    for column in ("float", "integer", "RTL"):
        table.add_column(column, justify="right")
    some = (result.float_images, result.integer_images, result.rtl_images)
    table.add_row(f"{result.images} simulated", *(f"{100 * a:.1f} %" for a in some))
    every = (result.float_all, result.integer_all)
    table.add_row(f"all {result.held_out}", *(f"{100 * a:.1f} %" for a in every), "-")
    return table
