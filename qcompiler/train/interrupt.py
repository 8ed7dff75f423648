"""Ctrl-C and the termination signal: noted, and acted on between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """The run was stopped from outside; its message says what is saved and how to go on."""


class Stop:
    """Becomes ``wanted`` at the first signal; a second one acts as usual."""

    def __init__(self) -> None:
        self.wanted = False
        self._now: Interrupted | None = None
        self._before: dict[signal.Signals, Any] = {}

    @contextmanager
    def at_once(self, message: str) -> Iterator[None]:
        """A signal inside the block, or one that was noted before, raises ``Interrupted``."""
        if self.wanted:
            raise Interrupted(message)
        self._now = Interrupted(message)
        try:
            yield
        finally:
            self._now = None

    def note(self, number: int, frame: FrameType | None) -> None:
        self.wanted = True
        self.release()
        if self._now is not None:
            raise self._now

    def watch(self) -> None:
        if threading.current_thread() is threading.main_thread():  # others get no signals
            self._before = {s: signal.signal(s, self.note) for s in SIGNALS}

    def release(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


@contextmanager
def watched() -> Iterator[Stop]:
    """Signals inside the block are noted instead of raised."""
    stop = Stop()
    stop.watch()
    try:
        yield stop
    finally:
        stop.release()
