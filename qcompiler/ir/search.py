"""The search of a step table: its op and its units count the same cycles."""

from __future__ import annotations

from typing import Any

import numpy as np


class StepSearch:
    """What thresholds [C, K] and a table of codes [C, K + 1] make of the search.

    Pipelined, every bit of the count has a stage with a comparator of its own; ``serial``, one
    comparator finds them one after another.
    """

    thresholds: Any
    table: Any
    serial: bool

    @property
    def stages(self) -> int:
        """Steps of the binary search, and bits of the count."""
        return len(self.thresholds[0]).bit_length()

    @property
    def steps(self) -> int:
        """Registers between input and count of the pipeline: the input's, then two a stage."""
        return 1 + 2 * self.stages

    @property
    def offset(self) -> int | None:
        """What to add to the count to get the code, where that is all there is to it."""
        table = np.asarray(self.table)
        lo = int(table[0, 0])
        return lo if (table == lo + np.arange(table.shape[1])).all() else None

    @property
    def code_steps(self) -> int:
        """Registers between count and code of the pipeline."""
        return int(self.offset is None or (self.offset != 0 and self.stages > 0))

    @property
    def interval(self) -> int:
        """Cycles from one beat to the next."""
        return self.stages if self.serial else 1

    @property
    def latency(self) -> int:
        """Cycles from an input beat to its output beat."""
        return 1 + self.stages if self.serial else self.steps + self.code_steps
