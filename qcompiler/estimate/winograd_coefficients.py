"""LUT for each unit of the sizes of the Winograd unit's cells, by cell and family.

Fitted to Yosys by ``benchmarks/fit_winograd.py --fit``: least squares of relative errors, no
coefficient below zero.
"""

from __future__ import annotations

WINOGRAD: dict[str, dict[str, dict[str, float]]] = {
    "replay": {
        "ecp5": {"one": 11.60, "address": 4.20, "counters": 1.74},
        "ice40": {"one": 23.19, "address": 3.30, "counters": 1.16},
        "xc7": {"one": 12.61, "address": 1.73, "counters": 0.86},
    },
    "tile_raster": {
        "ecp5": {"one": 35.63, "address": 4.09, "counters": 0.00},
        "ice40": {"one": 39.56, "address": 2.93, "counters": 0.00},
        "xc7": {"one": 22.44, "address": 2.85, "counters": 0.00},
    },
    "winograd_input": {
        "ecp5": {
            "one": 5.17,
            "add": 0.00,
            "mixed": 3.41,
            "choose": 1.93,
            "address": 1.39,
            "counters": 0.10,
        },
        "ice40": {
            "one": 1.47,
            "add": 0.15,
            "mixed": 2.96,
            "choose": 2.51,
            "address": 0.87,
            "counters": 1.23,
        },
        "xc7": {
            "one": 16.63,
            "add": 0.00,
            "mixed": 1.18,
            "choose": 1.50,
            "address": 0.32,
            "counters": 0.00,
        },
    },
    "winograd_output": {
        "ecp5": {
            "one": 25.05,
            "add": 0.00,
            "mixed": 6.27,
            "choose": 0.86,
            "divide": 0.34,
            "outputs": 0.00,
            "held": 0.75,
            "counters": 0.00,
        },
        "ice40": {
            "one": 35.86,
            "add": 0.00,
            "mixed": 0.04,
            "choose": 0.50,
            "divide": 0.00,
            "outputs": 0.40,
            "held": 3.70,
            "counters": 0.00,
        },
        "xc7": {
            "one": 25.50,
            "add": 0.00,
            "mixed": 0.00,
            "choose": 1.50,
            "divide": 0.00,
            "outputs": 2.96,
            "held": 0.70,
            "counters": 0.52,
        },
    },
}
