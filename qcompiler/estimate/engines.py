"""What the folding of an engine decides: the engine, its weights and its line buffer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qcompiler.estimate.array import array_price
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.model import module_cost
from qcompiler.estimate.multiplier import multiplier_price
from qcompiler.ir import hardware as hw
from qcompiler.ir.hardware import StreamType

Price = Callable[[Any], tuple[float, int, int]]


def engine_price(family: str) -> Callable[[hw.Engine, hw.Window, StreamType], Price]:
    """Prices of every kind of engine.

    Args:
        family: Key of the cost model.

    Returns:
        For an engine, its window and the stream that the window reads: a function of the folded
        engine that gives LUT, block RAMs and multipliers.
    """
    bitserial, multipliers = array_price(family), multiplier_price(family)

    def of(op: hw.Engine, window: hw.Window, x: StreamType) -> Price:
        if isinstance(op, hw.BitSerialArray):
            array = bitserial(op, window, x)
            return lambda folded: (*array(folded), 0)
        if isinstance(op, hw.MultiplierArray):
            direct = multipliers(op, window, x)
            return lambda folded: _figures(direct(folded.pe, folded.simd))
        return lambda folded: _figures(_whole(folded, window, x, family))

    return of


def _whole(op: hw.Engine, window: hw.Window, x: StreamType, family: str) -> Cost:
    """Of a folded engine, and of the line buffer that feeds it."""
    fed = op.fed_by(window)
    source = StreamType(x.tensor, x.shape, x.elem, fed.lanes)
    (windows,) = fed.infer([source])
    outputs = op.infer([windows])
    buffer = module_cost(fed, (source,), (windows,), family)
    return buffer + module_cost(op, (windows,), tuple(outputs), family)


def _figures(cost: Cost) -> tuple[float, int, int]:
    return cost.lut, cost.bram, cost.dsp
