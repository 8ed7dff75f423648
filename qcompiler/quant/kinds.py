"""Kinds of ops as calibration sees them."""

from __future__ import annotations

from qcompiler.ir import nn

ELEMENTWISE = (nn.BatchNorm, nn.Relu, nn.Clip, nn.HardSwish, nn.HardSigmoid)
MOVES = (nn.MaxPool, nn.Pad, nn.Slice, nn.Flatten, nn.Concat)
SUMS = (nn.Conv, nn.Linear, nn.Add, nn.AvgPool, nn.Mul)  # and products
