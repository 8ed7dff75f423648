"""Rounding of real values to codes: half to even, with ties that survive floating point."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

TIE = 2.0**24
"""A scaled value within 2^-25 of a tie is a tie.

Steps with a simple ratio make exact ties common (an average of four codes of one step), and
float64 noise of either order of evaluation would break them to either side.
"""


def round_half_even(scaled: Array) -> Array:
    """float64 ``scaled`` rounded to whole numbers, ties to even."""
    return np.rint(np.rint(scaled * TIE) / TIE)
