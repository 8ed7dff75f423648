"""Where commands print."""

from __future__ import annotations

import sys

from rich.console import Console

WIDE = 160  # columns of a table that goes to a file


def console() -> Console:
    """Standard output: the terminal's width, or WIDE in a file."""
    return Console(soft_wrap=True, markup=False, width=None if sys.stdout.isatty() else WIDE)
