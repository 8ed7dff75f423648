"""A module as energy sees it: what was measured on its streams, and what follows from that.

A bit of a stream changes from beat to beat with the measured `Traffic.activity` a and is set with
`density` p:

- gated by a random bit of density d it changes with ``2 d p (1 - d) + d² a`` (`gated`);
- a sum bit of two such bits changes when one of them does: ``2 a (1 - a)`` (`mixed`), which goes to
  one half down an adder tree;
- a counter changes two bits a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qcompiler.estimate.energy import Switched
from qcompiler.estimate.memory import block_rom, ram_cost, rom_cost
from qcompiler.ir.hardware import StreamType

COUNTER = 2.0
"""Bits of a counter that change in a step: 1 + 1/2 + 1/4 + …"""


@dataclass(frozen=True)
class Traffic:
    """What passed on a stream, a frame.

    Args:
        beats: Beats.
        width: Bits of a beat.
        switched: Bits that differ from the beat before.
        ones: Bits that are set.
    """

    beats: float
    width: int
    switched: float
    ones: float

    @property
    def activity(self) -> float:
        """How often a bit changes from a beat to the next."""
        return self.switched / (self.beats * self.width)

    @property
    def density(self) -> float:
        """How often a bit is set."""
        return self.ones / (self.beats * self.width)


@dataclass(frozen=True)
class Site:
    """A module and its streams.

    Args:
        op: An op of the hardware dialect.
        inputs: Types of its inputs.
        outputs: Types of its outputs.
        x: What passed on its first input.
        y: What passed on its first output.
        family: Whose block RAMs there are.
    """

    op: Any
    inputs: Sequence[StreamType]
    outputs: Sequence[StreamType]
    x: Traffic
    y: Traffic
    family: str


def gated(density: float, x: Traffic) -> float:
    """How often the product of a bit of a stream and a random bit of ``density`` changes."""
    return 2 * density * x.density * (1 - density) + density**2 * x.activity


def mixed(activity: float) -> float:
    """How often a sum bit of two bits changes that change so often."""
    return 2 * activity * (1 - activity)


# ---- memories ------------------------------------------------------------------------------------


def rom(width: int, depth: int, reads: float, family: str, *, in_luts: bool = False) -> Switched:
    """A ROM; of one word it is no memory."""
    if depth < 2:
        return Switched()
    in_blocks = block_rom(width, depth) or rom_cost(width, depth, family).bram
    if in_luts or not in_blocks:
        return Switched(table=reads * width)
    return Switched(ram_read=reads * width)


def ram(width: int, depth: int, writes: float, reads: float, family: str) -> Switched:
    """A memory with a write and a read port."""
    if ram_cost(width, depth, family).bram:
        return Switched(ram_read=reads * width, ram_write=writes * width)
    return Switched(table=(reads + writes) * width)
