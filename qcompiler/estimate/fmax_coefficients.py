"""Delay of the parts of a stage, ns; made by ``benchmarks/fit_fmax.py --fit``."""

from __future__ import annotations

DELAYS: dict[str, dict[str, float]] = {
    "ecp5": {
        "register": 0.295,
        "output": 1.900,
        "block": 6.623,
        "lut ram": 2.086,
        "lut": 1.180,
        "multiplier": 4.980,
        "chain": 2.249,
        "bit": 0.048,
        "fan": 0.183,
    },
}
GRADES: dict[str, dict[int, float]] = {"ecp5": {6: 1.0, 7: 0.88, 8: 0.75}}
IN_DESIGN: dict[str, float] = {"ecp5": 1.06}
