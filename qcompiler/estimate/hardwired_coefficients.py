"""LUT for each unit of the sizes of the hard-wired engine, by family.

Fitted to Yosys by ``benchmarks/fit_hardwired.py --fit``: least squares of relative errors, no
coefficient below zero.
"""

from __future__ import annotations

_START = {
    "one": 15.0, "in": 1.0, "sum2": 1.0, "sum3": 1.0, "sum4": 1.0, "runs": 1.0, "out": 1.0,
    "step": 1.0, "last": 1.0, "wrap": 0.5,
}  # fmt: skip
HARDWIRED: dict[str, dict[str, dict[str, float]]] = {
    "hardwired": {"ecp5": _START, "ice40": _START, "xc7": _START},
}
