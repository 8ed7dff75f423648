"""LUT and FF of the bit-serial array, in plain arithmetic: the folding solver calls it by the thousand.

The structure is that of ``templates/bitserial_array.v.j2``: sums of pairs of lanes that all PEs share,
a gate for each pair, PE and slot, a tree of adders, the slot tree, the accumulator.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ArrayFabric:
    """LUT for one bit of each part of the array, fitted to Yosys."""

    gate: float  # 0, a, b or a + b of a pair
    add: float  # a registered adder
    step: float  # accumulator behind its choice of old sum
    control: float  # counters, handshake and stall of one array


FABRICS = {
    "ecp5": ArrayFabric(gate=2.0, add=1.05, step=2.2, control=70.0),
    "ice40": ArrayFabric(gate=2.0, add=1.05, step=2.2, control=70.0),
    "xc7": ArrayFabric(gate=1.0, add=1.0, step=1.3, control=45.0),
}


def array_lut(
    pe: int, simd: int, planes: int, act_bits: int, acc_bits: int, family: str
) -> float:
    """LUT of an array of ``pe`` × ``simd`` × ``planes`` a cycle, weight ROM excluded.

    Args:
        pe: Output channels at a time.
        simd: Inputs at a time.
        planes: Weight planes at a time.
        act_bits: Bits of an activation.
        acc_bits: Bits of a result.
        family: Key of `FABRICS`.
    """
    fabric = FABRICS[family]
    pairs, width = (simd + 1) // 2, act_bits + (simd > 1)
    gates, adders = pairs * width, 0
    count = pairs
    while count > 1:
        width += 1
        adders += count // 2 * width
        count = (count + 1) // 2
    count, bits = planes, 1
    merges = 0
    while count > 1:
        merges += count // 2 * (width + 2 * bits)
        width, count, bits = width + bits + 1, (count + 1) // 2, 2 * bits
    per_pe = (
        planes * (fabric.gate * gates + fabric.add * adders)
        + fabric.add * merges
        + fabric.step * acc_bits
    )
    return fabric.control + pe * per_pe + simd // 2 * fabric.add * (act_bits + 1)
