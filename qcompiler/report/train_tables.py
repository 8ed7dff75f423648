"""What ``train`` prints: a line an epoch, a table of the layers, what to do next."""

from __future__ import annotations

from rich.table import Table

from qcompiler.report.tables import new_table
from qcompiler.train.log import Row
from qcompiler.train.result import Trained


def epoch_line(row: Row, epochs: int) -> str:
    """``epoch 3/30: loss 1.203, train 56.1 %, test 55.0 %, bits 4.2, 61 s``."""
    parts = [
        f"loss {row.train_loss:.3f}",
        f"train {100 * row.train_accuracy:.1f} %",
        f"test {100 * row.test_accuracy:.1f} %",
    ]
    parts += [f"{name} {value:.4g}" for name, value in row.method.items()]
    return f"epoch {row.epoch}/{epochs}: {', '.join(parts)}, {row.seconds:.0f} s"


def scheme_table(result: Trained) -> Table:
    """Planes and memory of each layer."""
    columns = ("layer", "weights", "live planes", "span", "stored bits", "exponents")
    table = new_table("Layers", *columns)
    for row in result.layers:
        sizes = (f"{row.live:g}", str(row.span), str(row.stored))
        exponents = " ".join(map(str, row.scheme)) or "-"
        table.add_row(row.layer, f"{row.parameters:,}", *sizes, exponents)
    table.add_section()
    total = sum(row.parameters for row in result.layers)
    means = [
        sum(row.parameters * getattr(row, size) for row in result.layers) / max(total, 1)
        for size in ("live", "span", "stored")
    ]
    table.add_row("average", f"{total:,}", *(f"{mean:.2f}" for mean in means), "")
    return table


def accuracy_lines(result: Trained) -> list[str]:
    """Accuracy of the trained network and of its integers, and the next command."""
    soft = f"{100 * result.soft_accuracy:.2f} %"
    images = f"{result.test_images:,} test images"
    if result.hard_accuracy is None:
        lines = [f"float network: {soft} of {images}; it is not quantized yet"]
    else:
        lines = [
            f"integer network: {100 * result.hard_accuracy:.2f} % of {images} "
            f"({soft} before its weights became integers)",
            f"{result.bits:.2f} bits a weight on average; a weight moved by at most "
            f"{result.gap:.3g} steps at the end",
        ]
    return [*lines, f"wrote {result.network} (next: {result.next_command})"]
