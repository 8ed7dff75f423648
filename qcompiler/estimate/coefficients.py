"""LUT for each unit of a module's sizes, by module and family; see `parts.Parts`.

Fitted to Yosys by ``benchmarks/fit_estimate.py --fit``: least squares of relative errors, no
coefficient below zero.
"""

from __future__ import annotations

COEFFICIENTS: dict[str, dict[str, dict[str, float]]] = {
    "add": {
        "ecp5": {"one": 4.59, "sum": 1.00, "copies": 0.86, "negate": 0.81},
        "ice40": {"one": 4.99, "sum": 1.16, "copies": 1.00, "negate": 0.57},
        "xc7": {"one": 5.23, "sum": 0.78, "copies": 0.74, "negate": 0.58},
    },
    "array": {
        "ecp5": {
            "one": 28.96,
            "add": 0.87,
            "gate": 1.07,
            "merge": 0.86,
            "accumulate": 1.95,
            "mixed": 1.13,
            "counters": 0.66,
        },
        "ice40": {
            "one": 13.11,
            "add": 0.92,
            "gate": 0.98,
            "merge": 1.12,
            "accumulate": 2.04,
            "mixed": 0.93,
            "counters": 1.00,
        },
        "xc7": {
            "one": 15.09,
            "add": 0.78,
            "gate": 0.94,
            "merge": 1.20,
            "accumulate": 1.02,
            "mixed": 1.76,
            "counters": 0.44,
        },
    },
    "channel_pad": {
        "ecp5": {"one": 3.40, "width": 0.99, "bits": 2.19, "sides": 0.00},
        "ice40": {"one": 4.37, "width": 0.99, "bits": 2.21, "sides": 0.00},
        "xc7": {"one": 6.70, "width": 1.03, "bits": 0.46, "sides": 0.00},
    },
    "concat": {
        "ecp5": {"one": 3.77, "width": 0.99, "bits": 2.14},
        "ice40": {"one": 3.85, "width": 0.98, "bits": 2.17},
        "xc7": {"one": 4.72, "width": 0.99, "bits": 1.23},
    },
    "downsize": {
        "ecp5": {"one": 2.96, "bits": 1.22, "mux": 0.97},
        "ice40": {"one": 4.23, "bits": 0.00, "mux": 0.98},
        "xc7": {"one": 0.00, "bits": 2.72, "mux": 0.97},
    },
    "fifo": {
        "ecp5": {"one": 3.81, "bits": 5.09, "wrap": 1.06},
        "ice40": {"one": 8.70, "bits": 3.90, "wrap": 0.54},
        "xc7": {"one": 9.96, "bits": 1.58, "wrap": 1.46},
    },
    "fifo_pair": {
        "ecp5": {"one": 5.00, "width": 1.00},
        "ice40": {"one": 5.00, "width": 1.00},
        "xc7": {"one": 5.00, "width": 1.00},
    },
    "fork": {
        "ecp5": {"outputs": 3.05},
        "ice40": {"outputs": 3.72},
        "xc7": {"outputs": 2.59},
    },
    "global_sum": {
        "ecp5": {"one": 9.05, "width": 2.05, "bits": 0.70},
        "ice40": {"one": 1.56, "width": 1.79, "bits": 2.23},
        "xc7": {"one": 0.77, "width": 1.05, "bits": 1.32},
    },
    "max_pool": {
        "ecp5": {"one": 6.71, "width": 1.57},
        "ice40": {"one": 8.08, "width": 2.08},
        "xc7": {"one": 8.10, "width": 0.65},
    },
    "multipliers": {"ecp5": {"one": 0.0, "add": 1.0, "accumulate": 1.0, "soft": 1.0, "counters": 1.0}, "ice40": {"one": 0.0, "add": 1.0, "accumulate": 1.0, "soft": 1.0, "counters": 1.0}, "xc7": {"one": 0.0, "add": 1.0, "accumulate": 1.0, "soft": 1.0, "counters": 1.0}},
    "pad": {
        "ecp5": {
            "one": 1.37,
            "width": 1.09,
            "compare": 0.00,
            "step": 0.79,
            "last": 0.00,
            "wrap": 1.51,
        },
        "ice40": {
            "one": 4.45,
            "width": 1.05,
            "compare": 0.03,
            "step": 1.74,
            "last": 0.00,
            "wrap": 0.00,
        },
        "xc7": {
            "one": 9.36,
            "width": 1.01,
            "compare": 0.00,
            "step": 0.70,
            "last": 0.00,
            "wrap": 0.00,
        },
    },
    "scale": {
        "ecp5": {
            "one": 0.00,
            "sum": 1.04,
            "partial": 0.70,
            "soft": 0.00,
            "clamp": 0.00,
            "out": 2.27,
            "bits": 1.75,
        },
        "ice40": {
            "one": 0.00,
            "sum": 0.00,
            "partial": 0.00,
            "soft": 2.56,
            "clamp": 0.00,
            "out": 0.00,
            "bits": 0.00,
        },
        "xc7": {
            "one": 0.00,
            "sum": 0.00,
            "partial": 0.00,
            "soft": 0.00,
            "clamp": 0.00,
            "out": 1.08,
            "bits": 1.38,
        },
    },
    "slice": {
        "ecp5": {"one": 13.35, "gaps": 0.46, "step": 0.48, "last": 1.28, "wrap": 0.66},
        "ice40": {"one": 16.17, "gaps": 1.49, "step": 0.40, "last": 0.88, "wrap": 0.07},
        "xc7": {"one": 3.21, "gaps": 2.76, "step": 0.00, "last": 1.67, "wrap": 0.71},
    },
    "sum_pool": {
        "ecp5": {"one": 6.16, "width": 2.06},
        "ice40": {"one": 7.00, "width": 1.96},
        "xc7": {"one": 6.20, "width": 1.02},
    },
    "threshold": {
        "ecp5": {"one": 0.00, "compare": 0.98, "stages": 0.00, "bits": 3.78},
        "ice40": {"one": 0.00, "compare": 0.33, "stages": 0.00, "bits": 9.57},
        "xc7": {"one": 0.00, "compare": 0.64, "stages": 0.00, "bits": 3.38},
    },
    "upsize": {
        "ecp5": {"one": 4.00, "bits": 1.00},
        "ice40": {"one": 5.00, "bits": 1.00},
        "xc7": {"one": 4.00, "bits": 0.12},
    },
    "window": {
        "ecp5": {
            "one": 3.22,
            "address": 2.19,
            "address_wrap": 3.32,
            "address_steps": 0.00,
            "ring": 6.96,
            "skip": 2.00,
            "step": 1.01,
            "last": 2.86,
            "wrap": 0.28,
        },
        "ice40": {
            "one": 18.55,
            "address": 0.82,
            "address_wrap": 0.88,
            "address_steps": 0.32,
            "ring": 10.18,
            "skip": 2.85,
            "step": 0.77,
            "last": 1.37,
            "wrap": 0.16,
        },
        "xc7": {
            "one": 18.00,
            "address": 0.16,
            "address_wrap": 1.00,
            "address_steps": 0.08,
            "ring": 11.59,
            "skip": 2.61,
            "step": 0.00,
            "last": 0.00,
            "wrap": 0.86,
        },
    },
}
