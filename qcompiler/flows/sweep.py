"""Synthesis of many small designs, on this machine or on a dask cluster."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from qcompiler.flows.synth import Cells, synthesize
from qcompiler.flows.workers import Task, Workers

Files = Mapping[str, str]
"""A build: the text of each file, ``manifest.json`` among them."""


def synthesize_files(files: Files, family: str) -> dict[str, Cells]:
    """Cells of each node of a build that is not on disk; the task of a worker."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        return synthesize(folder, family).nodes


def sweep(
    designs: Sequence[tuple[Files, str]], workers: Workers | None = None
) -> Iterator[tuple[int, dict[str, Cells]]]:
    """Synthesize designs, each given with its family; (its number, its cells) as they are done.

    Args:
        workers: Where; Yosys takes a core and 0.3 GB or more for each. Those of a cluster have
            qcompiler and Yosys installed.
    """
    tasks = [
        Task(str(number), synthesize_files, (files, family))
        for number, (files, family) in enumerate(designs)
    ]
    for name, nodes in (workers or Workers()).run(tasks):
        yield int(name), nodes
