"""Small networks as builds, for the flows that synthesize them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from qcompiler.hardware.design import make_design
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.ir.types import IntType


def pool_graph(fifo: int = 20) -> Graph:
    """Border, line buffer, maximum, thresholds and a FIFO of so many beats."""
    graph = Graph("hardware")
    codes = IntType(0, 15)
    graph.add("x", hw.Source("x", (12, 6, 6), codes, 2))
    graph.add("wide", hw.Adapter(3), ["x"])  # two instances
    graph.add("pad", hw.Pad("p", (1, 1, 1, 1), 0, lanes=3), ["wide"])
    graph.add("window", hw.Window((2, 2), (2, 2), groups=4, rows=4, lanes=3), ["pad"])
    graph.add("pool", hw.MaxPool("m", (12, 4, 4), lanes=3), ["window"])
    steps = np.sort(np.random.default_rng(1).integers(1, 15, (12, 3)), axis=1).astype(np.int64)
    table = np.tile(np.arange(4), (12, 1))
    graph.add("q", hw.Threshold("q", steps, table, IntType(0, 3), lanes=3), ["pool"])
    graph.add("fifo", hw.Fifo(fifo), ["q"])
    graph.add("y", hw.Sink(lanes=3), ["fifo"])
    return graph


def write_build(graph: Graph, folder: Path, cycles: int = 1) -> Path:
    """Write a graph as a build with as little of a manifest as flows need; returns the folder."""
    design = make_design(graph, "top")
    for name, text in design.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    manifest = {"top": "top", "sources": design.sources, "cycles_per_frame": cycles}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def pool_build(folder: Path, fifo: int = 20, cycles: int = 1) -> Path:
    """`pool_graph` as a build."""
    return write_build(pool_graph(fifo), folder, cycles)
