"""The ``integer`` dialect: exact integer ops on tensors of shape (C, H, W).

A type rule is interval arithmetic (docs/numerics.md §1); kernels are in ``qcompiler.reference``.
"""

from qcompiler.ir.integer.base import IntegerOp
from qcompiler.ir.integer.convolution import Conv, WinogradConv
from qcompiler.ir.integer.ops import (
    Add,
    Concat,
    Input,
    Lookup,
    MaxPool,
    Multiply,
    Output,
    Pad,
    Pool,
    ScaleShift,
    Slice,
    StepTable,
    SumPool,
)

__all__ = [
    "Add",
    "Concat",
    "Conv",
    "Input",
    "IntegerOp",
    "Lookup",
    "MaxPool",
    "Multiply",
    "Output",
    "Pad",
    "Pool",
    "ScaleShift",
    "Slice",
    "StepTable",
    "SumPool",
    "WinogradConv",
]
