"""Prices as the folding search asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qcompiler.estimate.model import Types, module_cost

Array = np.ndarray[Any, Any]


def module_price(family: str) -> Callable[[Any, Types, Types], Array]:
    """Prices of modules.

    Args:
        family: Key of the cost model.

    Returns:
        (op, types of its inputs, of its outputs) -> float64 [LUT, FF, BRAM, DSP].
    """

    def price(op: Any, inputs: Types, outputs: Types) -> Array:
        cost = module_cost(op, tuple(inputs), tuple(outputs), family)
        return np.array([cost.lut, cost.ff, cost.bram, cost.dsp], np.float64)

    return price
