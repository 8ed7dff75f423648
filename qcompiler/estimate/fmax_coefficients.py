"""Delay of the parts of a stage, ns; made by ``benchmarks/fit_fmax.py --fit``."""

from __future__ import annotations

DELAYS: dict[str, dict[str, float]] = {
    "ecp5": {
        "register": 0.538,
        "output": 1.900,
        "block": 6.675,
        "lut ram": 2.254,
        "lut": 1.165,
        "multiplier": 6.255,
        "chain": 2.285,
        "bit": 0.018,
        "fan": 0.159,
    },
}
GRADES: dict[str, dict[int, float]] = {"ecp5": {6: 1.0, 7: 0.88, 8: 0.76}}
IN_DESIGN: dict[str, float] = {"ecp5": 1.15}
ERROR: dict[str, float] = {"ecp5": 0.19}
