"""The ``hardware`` dialect: streaming modules with folding parameters (docs/hardware.md).

Every op says which lanes it wants, how many beats it is busy per frame, and how many pixels of its
input it needs for its first k output pixels: enough to fold, to insert width adapters and to size
FIFOs without simulating.

``streams`` has what flows and the base of all ops, ``movement`` the ops that only move beats,
``compute``, ``depthwise``, ``hardwired``, ``multiply``, ``pointwise`` and ``winograd`` those that
compute.
"""

from qcompiler.ir.hardware.compute import (
    Add,
    BitSerialArray,
    GlobalSum,
    MaxPool,
    Reduce,
    Scale,
    SumPool,
    Threshold,
)
from qcompiler.ir.hardware.depthwise import DepthwiseArray
from qcompiler.ir.hardware.engine import Engine
from qcompiler.ir.hardware.hardwired import Hardwired, Straight, unwirable
from qcompiler.ir.hardware.movement import (
    Adapter,
    ChannelPad,
    Concat,
    Fifo,
    Fork,
    Pad,
    Sink,
    Slice,
    Source,
    Window,
)
from qcompiler.ir.hardware.multiply import MultiplierArray
from qcompiler.ir.hardware.pointwise import Lookup, Multiply
from qcompiler.ir.hardware.streams import HardwareOp, Laned, Order, StreamType
from qcompiler.ir.hardware.winograd import Winograd

__all__ = [
    "Adapter",
    "Add",
    "BitSerialArray",
    "ChannelPad",
    "Concat",
    "DepthwiseArray",
    "Engine",
    "Fifo",
    "Fork",
    "GlobalSum",
    "HardwareOp",
    "Hardwired",
    "Laned",
    "Lookup",
    "MaxPool",
    "MultiplierArray",
    "Multiply",
    "Order",
    "Pad",
    "Reduce",
    "Scale",
    "Sink",
    "Slice",
    "Source",
    "Straight",
    "StreamType",
    "SumPool",
    "Threshold",
    "Window",
    "Winograd",
    "unwirable",
]
