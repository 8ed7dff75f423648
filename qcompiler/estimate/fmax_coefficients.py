"""Delay of the parts of a stage, ns; made by ``benchmarks/fit_fmax.py --fit``."""

from __future__ import annotations

DELAYS: dict[str, dict[str, float]] = {
    "ecp5": {
        "register": 0.208,
        "output": 1.900,
        "block": 6.605,
        "lut ram": 1.989,
        "lut": 1.225,
        "multiplier": 5.136,
        "chain": 2.239,
        "bit": 0.046,
        "fan": 0.177,
    },
}
GRADES: dict[str, dict[int, float]] = {"ecp5": {6: 1.0, 7: 0.88, 8: 0.76}}
IN_DESIGN: dict[str, float] = {"ecp5": 1.06}
