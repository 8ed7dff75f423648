"""LUT for each unit of a module's sizes, by module and family; see `parts.Parts`.

Fitted to Yosys 0.70 by ``benchmarks/fit_estimate.py --fit`` (least squares of relative errors, no
coefficient below zero).
"""

from __future__ import annotations

COEFFICIENTS: dict[str, dict[str, dict[str, float]]] = {
    "add": {
        "ecp5": {"one": 5.55, "sum": 0.86, "copies": 1.02, "negate": 0.82},
        "ice40": {"one": 5.59, "sum": 0.84, "copies": 1.16, "negate": 0.68},
        "xc7": {"one": 5.38, "sum": 0.66, "copies": 0.74, "negate": 0.49},
    },
    "array": {
        "ecp5": {
            "one": 25.17,
            "add": 0.90,
            "gate": 1.05,
            "merge": 0.89,
            "accumulate": 1.97,
            "mixed": 1.12,
            "counters": 0.78,
        },
        "ice40": {
            "one": 17.27,
            "add": 0.88,
            "gate": 1.00,
            "merge": 1.09,
            "accumulate": 2.03,
            "mixed": 0.90,
            "counters": 0.87,
        },
        "xc7": {
            "one": 5.22,
            "add": 0.98,
            "gate": 0.70,
            "merge": 1.53,
            "accumulate": 1.14,
            "mixed": 1.11,
            "counters": 0.76,
        },
    },
    "channel_pad": {
        "ecp5": {"one": 0.56, "width": 1.03, "bits": 2.89, "sides": 0.00},
        "ice40": {"one": 2.94, "width": 1.02, "bits": 2.40, "sides": 0.00},
        "xc7": {"one": 6.52, "width": 0.96, "bits": 0.87, "sides": 0.00},
    },
    "concat": {
        "ecp5": {"one": 0.00, "width": 1.01, "bits": 3.06},
        "ice40": {"one": 2.99, "width": 1.02, "bits": 1.97},
        "xc7": {"one": 6.83, "width": 0.96, "bits": 0.58},
    },
    "downsize": {
        "ecp5": {"one": 3.57, "bits": 0.51, "mux": 0.99},
        "ice40": {"one": 4.19, "bits": 0.00, "mux": 0.99},
        "xc7": {"one": 0.00, "bits": 2.62, "mux": 0.98},
    },
    "fifo": {
        "ecp5": {"one": 5.79, "bits": 4.73, "wrap": 1.19},
        "ice40": {"one": 8.77, "bits": 3.90, "wrap": 0.58},
        "xc7": {"one": 8.71, "bits": 1.79, "wrap": 1.40},
    },
    "fifo_pair": {
        "ecp5": {"one": 5.00, "width": 1.00},
        "ice40": {"one": 5.00, "width": 1.00},
        "xc7": {"one": 5.00, "width": 1.00},
    },
    "fork": {
        "ecp5": {"outputs": 2.85},
        "ice40": {"outputs": 3.69},
        "xc7": {"outputs": 2.38},
    },
    "global_sum": {
        "ecp5": {"one": 6.80, "width": 2.07, "bits": 1.29},
        "ice40": {"one": 2.86, "width": 1.76, "bits": 2.23},
        "xc7": {"one": 1.42, "width": 1.04, "bits": 1.35},
    },
    "max_pool": {
        "ecp5": {"one": 7.31, "width": 1.57},
        "ice40": {"one": 4.77, "width": 2.24},
        "xc7": {"one": 6.55, "width": 0.73},
    },
    "pad": {
        "ecp5": {
            "one": 0.00,
            "width": 0.96,
            "compare": 0.20,
            "step": 1.15,
            "last": 2.84,
            "wrap": 0.24,
        },
        "ice40": {
            "one": 4.18,
            "width": 0.94,
            "compare": 0.15,
            "step": 1.70,
            "last": 0.00,
            "wrap": 0.05,
        },
        "xc7": {
            "one": 7.50,
            "width": 0.96,
            "compare": 0.00,
            "step": 0.52,
            "last": 0.00,
            "wrap": 0.47,
        },
    },
    "scale": {
        "ecp5": {
            "one": 0.00,
            "sum": 1.90,
            "partial": 0.51,
            "soft": 0.00,
            "clamp": 0.00,
            "out": 0.00,
            "bits": 1.38,
        },
        "ice40": {
            "one": 0.00,
            "sum": 0.00,
            "partial": 0.00,
            "soft": 2.54,
            "clamp": 0.00,
            "out": 0.00,
            "bits": 0.00,
        },
        "xc7": {
            "one": 0.00,
            "sum": 0.00,
            "partial": 0.00,
            "soft": 0.00,
            "clamp": 0.74,
            "out": 0.00,
            "bits": 2.28,
        },
    },
    "slice": {
        "ecp5": {"one": 2.06, "gaps": 1.35, "step": 0.65, "last": 3.61, "wrap": 0.66},
        "ice40": {"one": 9.16, "gaps": 0.50, "step": 1.43, "last": 0.00, "wrap": 0.86},
        "xc7": {"one": 0.00, "gaps": 2.51, "step": 0.41, "last": 1.25, "wrap": 0.97},
    },
    "sum_pool": {
        "ecp5": {"one": 6.63, "width": 2.06},
        "ice40": {"one": 7.54, "width": 1.96},
        "xc7": {"one": 6.31, "width": 1.02},
    },
    "threshold": {
        "ecp5": {"one": 0.00, "compare": 0.94, "stages": 0.00, "bits": 4.19},
        "ice40": {"one": 0.00, "compare": 0.32, "stages": 0.00, "bits": 9.61},
        "xc7": {"one": 0.00, "compare": 0.68, "stages": 0.00, "bits": 2.99},
    },
    "upsize": {
        "ecp5": {"one": 4.00, "bits": 1.00},
        "ice40": {"one": 5.00, "bits": 1.00},
        "xc7": {"one": 4.00, "bits": 0.20},
    },
    "window": {
        "ecp5": {
            "one": 2.01,
            "address": 0.88,
            "address_wrap": 1.66,
            "address_steps": 0.16,
            "ring": 7.52,
            "skip": 2.18,
            "step": 0.68,
            "last": 4.29,
            "wrap": 0.97,
        },
        "ice40": {
            "one": 17.02,
            "address": 0.05,
            "address_wrap": 1.40,
            "address_steps": 0.23,
            "ring": 8.61,
            "skip": 2.23,
            "step": 0.40,
            "last": 3.47,
            "wrap": 0.29,
        },
        "xc7": {
            "one": 8.93,
            "address": 0.00,
            "address_wrap": 0.96,
            "address_steps": 0.10,
            "ring": 10.08,
            "skip": 0.13,
            "step": 0.00,
            "last": 1.76,
            "wrap": 0.98,
        },
    },
}
