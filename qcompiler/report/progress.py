"""Progress bars on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)


class Bars:
    """A bar for each stage of long work; draws only on a terminal, on standard error."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # else lines for a file would go to the terminal
            disable=not console.is_terminal,
        )
        self._open: list[TaskID] = []

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def begin(self, what: str, total: int | None = None) -> None:
        self._open.append(self._bars.add_task(what, total=total))

    def advance(self, steps: int = 1) -> None:
        if self._open:
            self._bars.advance(self._open[-1], steps)

    def end(self) -> None:
        if self._open:
            self._bars.remove_task(self._open.pop())
