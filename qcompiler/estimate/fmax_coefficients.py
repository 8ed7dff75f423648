"""Delay of the parts of a stage, ns; made by ``benchmarks/fit_fmax.py``."""

from __future__ import annotations

DELAYS: dict[str, dict[str, float]] = {
    "ecp5": {
        "register": 1.5,
        "output": 1.9,
        "block": 6.8,
        "lut ram": 3.0,
        "multiplier": 5.5,
        "lut": 1.0,
        "chain": 1.5,
        "bit": 0.036,
        "fan": 0.1,
    },
}
GRADES: dict[str, dict[int, float]] = {"ecp5": {6: 1.0, 7: 0.88, 8: 0.76}}
IN_DESIGN: dict[str, float] = {"ecp5": 1.1}
ERROR: dict[str, float] = {"ecp5": 0.15}
