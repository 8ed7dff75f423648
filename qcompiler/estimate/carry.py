"""Carry cells, by the rules with which Yosys builds adders and comparisons.

A CCU2C of ECP5 adds two bits, a CARRY4 of Xilinx 7 four, an SB_CARRY of iCE40 one. Short adders are
built of LUTs alone. On Xilinx 7 a comparison is cut into pieces of six inputs, each a LUT with a
place in the chain. No coefficient is fitted: what these rules give is compared with Yosys.
"""

from __future__ import annotations

from functools import cache

from qcompiler.estimate.parts import clog2

CELL_BITS = {"ecp5": 2, "xc7": 4, "ice40": 1}
"""Bits that a cell adds."""
_SOFT_BITS = {"ecp5": 4, "xc7": 2, "ice40": 2}
"""The widest adder that is built without carry cells."""
_PIECE_INPUTS = 6  # of a comparison on Xilinx 7


@cache
def adder_cells(bits: int, family: str) -> int:
    """Cells of a sum, a difference or a step of a counter of ``bits`` bits."""
    return 0 if bits <= _SOFT_BITS[family] else -(-bits // CELL_BITS[family])


@cache
def comparator_cells(bits: int, family: str, *, constant: bool = False) -> int:
    """Cells of ``a > b`` with operands of ``bits`` bits.

    ECP5 subtracts; of two registers the sum of an odd bit at the top is not used.

    Args:
        bits: Width of the operands.
        family: Key of the cost model.
        constant: One of them is a constant.
    """
    if family == "xc7":
        return adder_cells(-(-bits * (1 if constant else 2) // _PIECE_INPUTS), family)
    if constant:
        return adder_cells(bits, family)
    return 0 if bits <= _SOFT_BITS[family] else bits // CELL_BITS[family]


def counter_cells(family: str, *states: int) -> int:
    """Cells of counters of so many states."""
    return sum(adder_cells(clog2(n), family) for n in states)
