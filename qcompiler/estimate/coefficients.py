"""LUT for each unit of a module's sizes, by module and family; see `parts.Parts`."""

from __future__ import annotations

from collections import defaultdict
COEFFICIENTS: dict = defaultdict(lambda: defaultdict(lambda: defaultdict(float)))
