"""Delay of the parts of a stage, ns; made by ``benchmarks/fit_fmax.py --fit``."""

from __future__ import annotations

DELAYS: dict[str, dict[str, float]] = {
    "ecp5": {
        "register": 0.275,
        "output": 1.900,
        "block": 6.620,
        "lut ram": 2.040,
        "lut": 1.214,
        "multiplier": 5.354,
        "chain": 2.206,
        "bit": 0.046,
        "fan": 0.173,
    },
}
GRADES: dict[str, dict[int, float]] = {"ecp5": {6: 1.0, 7: 0.88, 8: 0.75}}
IN_DESIGN: dict[str, float] = {"ecp5": 1.14}
