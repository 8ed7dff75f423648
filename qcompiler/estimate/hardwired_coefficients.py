"""LUT for each unit of the sizes of the hard-wired engine, by family.

Fitted to Yosys by ``benchmarks/fit_hardwired.py --fit``: least squares of relative errors, no
coefficient below zero.
"""

from __future__ import annotations

HARDWIRED: dict[str, dict[str, dict[str, float]]] = {
    "hardwired": {
        "ecp5": {
            "one": 3.24,
            "out": 1.09,
            "step": 0.00,
            "last": 4.48,
            "wrap": 0.00,
            "sum2": 1.01,
            "sum3": 1.81,
            "sum4": 1.03,
            "in": 1.33,
        },
        "ice40": {
            "one": 24.70,
            "out": 1.11,
            "step": 0.00,
            "last": 0.46,
            "wrap": 0.00,
            "sum2": 0.99,
            "sum3": 1.68,
            "sum4": 1.04,
            "in": 1.20,
        },
        "xc7": {
            "one": 0.00,
            "out": 1.10,
            "step": 0.00,
            "last": 11.37,
            "wrap": 0.00,
            "sum2": 1.44,
            "sum3": 0.45,
            "sum4": 0.96,
            "in": 0.37,
        },
    }
}
