"""PROFIT: progressive freezing for sub-4-bit MobileNets (Park and Yoo, arXiv 2008.04693)."""

from __future__ import annotations

from qcompiler.quant.profit.config import ProfitConfig
from qcompiler.quant.profit.method import PROFIT

__all__ = ["PROFIT", "ProfitConfig"]
