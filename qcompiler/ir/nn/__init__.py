"""The ``nn`` dialect: what a framework says, real-valued. Shapes are (C, H, W) or (F,)."""

from qcompiler.ir.nn.base import NNOp, QuantSpec
from qcompiler.ir.nn.layers import (
    BatchNorm,
    Clip,
    Conv,
    HardSigmoid,
    HardSwish,
    Linear,
    Quantizer,
    Relu,
)
from qcompiler.ir.nn.ops import (
    Add,
    AvgPool,
    Concat,
    Flatten,
    Input,
    MaxPool,
    Mul,
    Output,
    Pad,
    Pool,
    Slice,
)

__all__ = [
    "Add",
    "AvgPool",
    "BatchNorm",
    "Clip",
    "Concat",
    "Conv",
    "Flatten",
    "HardSigmoid",
    "HardSwish",
    "Input",
    "Linear",
    "MaxPool",
    "Mul",
    "NNOp",
    "Output",
    "Pad",
    "Pool",
    "QuantSpec",
    "Quantizer",
    "Relu",
    "Slice",
]
