"""Memories as Yosys maps them: block RAM, LUT RAM or plain LUTs."""

from __future__ import annotations

from qcompiler.estimate.cost import Cost
from qcompiler.estimate.devices import BRAM_SHAPES

# A ROM of fewer bits becomes LUTs (Yosys 0.70, memory_libmap with a price of 1/64 a bit).
ROM_LEAST_BITS = {"ecp5": 2048, "xc7": 2048, "ice40": 1024}
# A RAM of fewer bits becomes LUT RAM, or registers on iCE40.
RAM_LEAST_BITS = {"ecp5": 1024, "xc7": 1024, "ice40": 256}


def blocks(width: int, depth: int, family: str) -> int:
    """Block RAMs that hold ``depth`` words of ``width`` bits, the best shape for all of them."""
    return min(-(-width // w) * -(-depth // d) for w, d in BRAM_SHAPES[family])


def rom_cost(width: int, depth: int, family: str) -> Cost:
    """A ROM with a registered read of ``depth`` words of ``width`` bits."""
    bits = width * depth
    if bits >= ROM_LEAST_BITS[family] and depth > 8:
        return Cost(bram=blocks(width, depth, family), memory_bits=bits)
    inputs = 6 if family == "xc7" else 4
    lut = width * max(1.0, depth / (1 << inputs)) if depth > 1 else 0.0
    return Cost(lut=lut, ff=width if depth > 1 else 0, memory_bits=bits)


def ram_cost(width: int, depth: int, family: str, *, registered: bool = True) -> Cost:
    """A RAM with one write and one read port; block RAM only where the read is registered."""
    bits = width * depth
    if registered and bits >= RAM_LEAST_BITS[family]:
        return Cost(bram=blocks(width, depth, family), memory_bits=bits)
    ff = width if registered else 0
    if family == "ice40":
        return Cost(lut=bits * 1.7, ff=ff + bits, memory_bits=bits)
    per = -(-depth // 32) * -(-width // 6) * 4 if family == "xc7" else -(-depth // 16) * -(-width // 4) * 4
    return Cost(lut=per, ff=ff, memory_bits=bits)
