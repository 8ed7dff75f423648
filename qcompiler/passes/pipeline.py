"""The order of the passes, and why."""

from __future__ import annotations

from qcompiler.passes.base import Pass
from qcompiler.passes.connect import InsertForks, SizeFifos
from qcompiler.passes.explicit import ExplicitPadding, PairConcats, SplitStridedPointwise
from qcompiler.passes.fold_batch_norm import FoldBatchNorm
from qcompiler.passes.lower_hardware import LowerHardware
from qcompiler.passes.merge_padding import MergePadding
from qcompiler.passes.pipelining import BALANCED, Pipelining
from qcompiler.passes.remove_dead import RemoveDead

PREPARE: list[Pass] = [
    RemoveDead(),  # first: a stream that nobody reads would block its fork
    MergePadding(),  # before quantizers would land between a pad and its convolution
    FoldBatchNorm(),  # before weights are quantized, so that their ranges are the folded ones
]

KEEP_WEIGHTS: list[Pass] = [
    RemoveDead(),
    MergePadding(),  # batch norm stays behind weights that have their codes already
]

TO_HARDWARE: list[Pass] = [
    ExplicitPadding(),  # first: a padded 1x1 convolution must not be split
    SplitStridedPointwise(),
    PairConcats(),
    LowerHardware(),
]


def connecting(level: str = BALANCED) -> list[Pass]:
    """From a folded graph to what is built, with the registers of a level of `Pipelining`."""
    return [
        InsertForks(),  # before FIFOs: demands are traced through them
        Pipelining(level),
        SizeFifos(),
    ]


CONNECT: list[Pass] = connecting()
