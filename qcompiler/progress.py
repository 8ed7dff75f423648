"""How long work reports where it is: the library calls, the command line draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Receives the steps of long work."""

    def begin(self, what: str, total: int | None = None) -> None:
        """A stage starts; ``total`` is its number of steps, None if unknown."""

    def advance(self, steps: int = 1) -> None:
        """Steps of the stage are done."""

    def end(self) -> None:
        """The stage is done."""


class Quiet:
    """Reports nothing."""

    def begin(self, what: str, total: int | None = None) -> None:
        pass

    def advance(self, steps: int = 1) -> None:
        pass

    def end(self) -> None:
        pass


QUIET = Quiet()


def tracked(items: Iterable[T], what: str, total: int, progress: Progress) -> Iterator[T]:
    """Iterate, reporting a step for each item."""
    progress.begin(what, total)
    try:
        for item in items:
            yield item
            progress.advance()
    finally:
        progress.end()
