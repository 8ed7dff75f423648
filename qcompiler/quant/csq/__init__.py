"""CSQ: bit-level training that grows a mixed-precision scheme (arXiv 2212.02770)."""

from __future__ import annotations

from qcompiler.quant.csq.config import CSQConfig
from qcompiler.quant.csq.method import CSQ, prepare
from qcompiler.quant.qat.export import finalize

__all__ = ["CSQ", "CSQConfig", "finalize", "prepare"]
