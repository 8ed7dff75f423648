"""How near quantized networks are to the float one, where their top-1 says little.

Usage: make bench-ptq-agreement. Top-1, the share of test images with the float network's answer,
and the mean cosine of the logits, by method.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np
import ptq
import record
import torch
from rich.console import Console
from rich.table import Table

from qcompiler.ir.graph import Graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.quant.align import AlignResiduals
from qcompiler.quant.config import QuantConfig
from qcompiler.quant.easyquant import EasyQuant
from qcompiler.quant.insert import InsertQuantizers
from qcompiler.quant.observe import observer
from qcompiler.reference.integer import IntegerReference

Array = np.ndarray[Any, Any]
BATCH = 500


def logits(net: ptq.Net, graph: Graph | None) -> Array:
    """(N, classes) of the integer graph, or of the float network."""
    found = []
    if graph is not None:
        reference = IntegerReference(run_passes(graph, [Integerize()]))
    for start in range(0, len(net.test), BATCH):
        images = net.test.images[start : start + BATCH]
        if graph is None:
            with torch.inference_mode():
                found.append(net.model(images).numpy())
        else:
            found.append(reference.decode(reference(reference.encode(images.numpy()))))
    return np.concatenate(found).reshape(len(net.test), -1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="resnet8", choices=["resnet20", "resnet8"])
    parser.add_argument("--column", default="W7A7", choices=ptq.COLUMNS)
    parser.add_argument("--images", type=int, default=10000)
    options = parser.parse_args()
    if not record.DATA.is_dir():
        print(f"{record.DATA} is missing: this benchmark needs the checkpoints and CIFAR-10 images")
        return 2
    net, bits = ptq.Net.load(options.network, options.images), ptq.COLUMNS[options.column]
    x = net.draw(0, 64)
    start = InsertQuantizers(QuantConfig(*bits, method="easyquant"), observer(x))
    graphs: dict[str, Graph | None] = {"float": None}
    graphs |= {method: ptq.simple(net, bits, method, x) for method in ptq.SIMPLE}
    graphs["easyquant"] = run_passes(net.graph, [start, EasyQuant(net.graph, x), AlignResiduals()])
    wanted, labels = logits(net, None), net.test.labels.numpy()
    title = f"{options.network} {options.column}, {options.images} test images"
    table = Table(title=title, title_justify="left", show_edge=False)
    for column in ("method", "top-1, %", "same as float, %", "cosine"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for method, graph in graphs.items():
        got = logits(net, graph)
        top1 = 100 * (got.argmax(1) == labels).mean()
        same = 100 * (got.argmax(1) == wanted.argmax(1)).mean()
        lengths = np.linalg.norm(got, axis=1) * np.linalg.norm(wanted, axis=1)
        cosine = ((got * wanted).sum(1) / lengths).mean()
        table.add_row(method, f"{top1:.2f}", f"{same:.2f}", f"{cosine:.5f}")
    Console(width=120).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
