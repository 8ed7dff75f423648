"""Synthesis of many small designs, on this machine or on a dask cluster."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qcompiler.errors import QCompilerError, ToolMissingError
from qcompiler.flows.synth import Cells, synthesize

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
    designs: Sequence[tuple[Files, str]], *, workers: int = 1, scheduler: str | None = None
) -> Iterator[tuple[int, dict[str, Cells]]]:
    """Synthesize designs, each given with its family; results come as they are done.

    Args:
        workers: Designs at a time on this machine; Yosys takes a core and 0.3 GB or more each.
        scheduler: Address of a dask scheduler, ``tcp://host:8786``, whose workers have qcompiler
            and Yosys installed; ``workers`` is then theirs to know.

    Raises:
        ToolMissingError: Several workers, and dask.distributed is not installed.
    """
    if workers == 1 and scheduler is None:
        for number, (files, family) in enumerate(designs):
            yield number, synthesize_files(files, family)
        return
    dask = distributed()
    with cluster(workers, scheduler) as client:
        futures = {
            client.submit(synthesize_files, files, family, pure=False): number
            for number, (files, family) in enumerate(designs)
        }
        for future in dask.as_completed(futures):
            yield futures[future], future.result()


def distributed() -> Any:
    """The module ``distributed``; raises ToolMissingError where it is not installed."""
    try:
        return importlib.import_module("distributed")
    except ImportError:
        get = "pip install 'qcompiler[explore]'"
        raise ToolMissingError("dask.distributed", least="2025.1", get=get) from None


@contextmanager
def cluster(workers: int, scheduler: str | None = None) -> Iterator[Any]:
    """A client of a scheduler, or of as many workers of this machine.

    Raises:
        QCompilerError: No scheduler answers at the address.
    """
    dask = distributed()
    if scheduler is None:
        # Threads: the work is in processes of the tools, and workers need no start-up of torch.
        with (
            dask.LocalCluster(
                n_workers=1, threads_per_worker=workers, processes=False, dashboard_address=None
            ) as local,
            dask.Client(local) as client,
        ):
            yield client
        return
    try:
        client = dask.Client(scheduler, timeout="10s")
    except (OSError, ValueError, TimeoutError) as error:
        raise QCompilerError(
            f"no dask scheduler answers ({type(error).__name__})",
            where=scheduler,
            hint="start one with `dask scheduler`, and name its address, tcp://host:8786",
        ) from None
    with client:
        yield client
