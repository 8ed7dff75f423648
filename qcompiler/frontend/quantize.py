"""Converter of the operator that trained quantizers are exported as (`quant.qat.op`)."""

from __future__ import annotations

import math

import numpy as np

from qcompiler.frontend.call import TABLE, Bound, Call
from qcompiler.frontend.problems import Refusal
from qcompiler.ir import nn

OPERATOR = "qcompiler.quantize.default"


def quantize(call: Call) -> Bound:
    """A quantizer with steps of its own for rounding and for values, and a real offset."""
    steps = float(call["step_in"]), float(call["step_out"])
    offset, lo, hi = float(call["offset"]), int(call["lo"]), int(call["hi"])
    if not all(math.isfinite(step) and step > 0 for step in steps):
        raise Refusal(f"has steps of {steps[0]:g} and {steps[1]:g}", "they must be positive")
    if not math.isfinite(offset):
        raise Refusal(f"has an offset of {offset:g}", "a finite number was expected")
    if lo >= hi:
        raise Refusal(f"has codes from {lo} to {hi}", "at least two codes were expected")
    step_in, step_out, shift = map(np.asarray, (*steps, offset))
    spec = nn.QuantSpec(step_in, step_out, shift, lo, hi)
    return call.emit(nn.Quantizer(spec), call.value("x"))


TABLE[OPERATOR] = quantize
