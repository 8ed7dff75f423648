"""The clock of a design before place and route: the slowest stage of its slowest module.

A stage is what lies between two registers: where it starts, levels of LUTs, carry chains and their
bits, and the registers that one enable drives. Stages are read off the templates and `rtl/`; what
each part takes is fitted to nextpnr's figures of modules placed alone
(``benchmarks/fit_fmax.py``). In a design nets are longer: one factor, fitted as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

from qcompiler.estimate.fmax_coefficients import DELAYS, ERROR, GRADES, IN_DESIGN
from qcompiler.estimate.memory import block_rom, blocks
from qcompiler.estimate.model import module_cost
from qcompiler.estimate.parts import clog2
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph

Types = Sequence[hw.StreamType]

REGISTER, OUTPUT, BLOCK, LUT_RAM, MULTIPLIER = (
    "register",
    "output",
    "block",
    "lut ram",
    "multiplier",
)
"""Where a stage starts: a flip-flop, the output register of a block RAM, a block RAM without it, a
LUT RAM, or a flip-flop before a multiplier block."""


@dataclass(frozen=True)
class Stage:
    """What lies between two registers.

    Args:
        what: What it does.
        start: Where it starts.
        luts: Levels of LUTs.
        bits: Bits of its carry chain, 0 for none.
        fan: Registers or LUTs that one net drives.
    """

    what: str
    start: str = REGISTER
    luts: float = 0.0
    bits: float = 0.0
    fan: float = 1.0

    @property
    def features(self) -> dict[str, float]:
        """What the delay is linear in."""
        return {
            self.start: 1.0,
            "lut": self.luts,
            "chain": float(self.bits > 0),
            "bit": self.bits,
            "fan": log2(max(self.fan, 1.0)),
        }

    def delay(self, family: str) -> float:
        """Delay in a module placed alone, ns, for the slowest speed grade."""
        return sum(DELAYS[family].get(name, 0.0) * size for name, size in self.features.items())


@dataclass(frozen=True)
class Clock:
    """The clock of a design.

    Args:
        mhz: Clock, MHz.
        node: The slowest module.
        stage: Its slowest stage.
        error: Largest relative error of `mhz` on designs that the model never saw.
    """

    mhz: float
    node: str
    stage: Stage
    error: float


def has_clock_model(family: str) -> bool:
    """There are coefficients for the family."""
    return family in DELAYS


def design_clock(graph: Graph, family: str, speed: int | None = None) -> Clock:
    """The clock that a folded hardware graph reaches after place and route.

    Args:
        graph: Folded hardware graph.
        family: A family with coefficients (`has_clock_model`).
        speed: Speed grade; None takes the slowest.
    """
    every = [(slowest_stage(graph, name, family), name) for name in graph]
    found = [(stage.delay(family), stage, name) for stage, name in every if stage is not None]
    delay, stage, node = max(found, key=lambda entry: entry[0])
    factor = GRADES[family].get(speed, 1.0) if speed is not None else 1.0
    return Clock(1000 / (delay * IN_DESIGN[family] * factor), node, stage, ERROR[family])


def slowest_stage(graph: Graph, name: str, family: str) -> Stage | None:
    """The slowest stage of a node; None where it has no register."""
    inputs, outputs = [graph.type(v) for v in graph.inputs(name)], graph.types(name)
    found = stages(graph.op(name), inputs, outputs, family)
    return max(found, key=lambda stage: stage.delay(family), default=None)


def stages(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    """The stages of a module that can be its slowest."""
    cost = module_cost(op, inputs, outputs, family)
    if not cost.ff:
        return []
    rule = next((rule for kind, rule in _RULES.items() if isinstance(op, kind)), _counters)
    return [Stage("enable", luts=2, fan=cost.ff), *rule(op, inputs, outputs, family)]


# ---- one rule a kind of module -------------------------------------------------------------------


def _rom(
    what: str, width: int, depth: int, family: str, luts: float = 0.0, fan: float = 1.0
) -> Stage:
    """A ROM, with ``luts`` levels behind it."""
    if block_rom(width, depth):
        return Stage(what, BLOCK, luts + clog2(blocks(width, depth, family)[1]) / 2, fan=fan)
    return Stage(what, luts=luts + _levels(depth), fan=width)


def _levels(depth: int) -> float:
    """Levels of LUTs of four inputs, joined by multiplexers, that look up one of ``depth``."""
    return max(clog2(depth) - 2, 1) / 2


def _array(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    (x,) = inputs
    width, depth = op.pe * op.simd * op.planes, op.weight_words
    if isinstance(op, hw.DepthwiseArray):
        width = op.pe * op.planes
    gated = Stage("gates", luts=2, fan=2 * x.elem.bits)
    banks = blocks(width, depth, family)[1] if block_rom(width, depth) else 1
    if not block_rom(width, depth):
        weights = Stage("weight ROM", luts=_levels(depth), fan=width)
    elif op.ahead and banks == 1:
        weights = Stage("weights", OUTPUT, 2, fan=2 * x.elem.bits)
    else:
        weights = Stage("weight ROM", BLOCK, clog2(banks) / 2 + (0 if op.ahead else 2))
    bits = op.acc.bits
    steps = 1 if op.planes < op.plane_count else 0
    return [
        gated, weights,
        Stage("accumulator", luts=1 + steps, bits=bits, fan=bits),
        Stage("counters", luts=2, bits=clog2(max(depth, 2)), fan=clog2(max(depth, 2))),
    ]  # fmt: skip


def _multipliers(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    rom = _rom("weight ROM", op.pe * op.simd * 8, getattr(op, "weight_words", 512), family)
    return [Stage("product", MULTIPLIER), rom, Stage("sum", bits=op.acc.bits)]


def _window(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    (x,) = inputs
    cost = module_cost(op, inputs, outputs, family)
    depth = op.rows * x.beats // max(x.shape[1], 1)
    loops = sum(n > 1 for n in (*op.kernel, op.groups, op.repeat)) + 3
    banks = blocks(x.width, depth, family, written=True)[1] if cost.bram else 1
    memory = Stage("ring", BLOCK if cost.bram else LUT_RAM, clog2(banks) / 2)
    return [
        Stage("loops", luts=2 + loops / 2, fan=4 * loops),
        Stage("address", luts=1, bits=clog2(max(depth, 2)), fan=clog2(max(depth, 2))),
        memory,
    ]


def _fifo(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    cost = module_cost(op, inputs, outputs, family)
    memory = Stage("memory", BLOCK) if cost.bram else Stage("memory", LUT_RAM, _levels(op.depth))
    return [
        memory,
        Stage("count", luts=2, bits=clog2(max(op.depth, 2)), fan=clog2(max(op.depth, 2))),
    ]


def _threshold(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    (x,) = inputs
    bits, depth = x.elem.bits, x.words << max(op.stages - 1, 0)
    if op.serial:
        rom = _rom("thresholds", 2 * bits, x.words << max(op.stages - 1, 0), family, 1)
        return [Stage("comparison", luts=2, bits=bits, fan=2 * bits), rom]
    rom = _rom("thresholds", bits, depth, family)
    start = BLOCK if rom.start == BLOCK else REGISTER
    return [Stage("comparison", start, bits=bits), rom]


def _scale(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    (x,) = inputs
    m_bits = max(int(abs(op.m).max()).bit_length() + 1, 1)
    wide = x.elem.bits > 18 or m_bits > 18
    bits = x.elem.bits + m_bits
    return [Stage("product", MULTIPLIER, bits=bits if wide else 0), Stage("sum", luts=1, bits=bits)]


def _sum(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    bits = outputs[0].elem.bits
    start = LUT_RAM if isinstance(op, hw.GlobalSum) else REGISTER
    return [
        Stage("sum", start, luts=1, bits=bits, fan=bits),
        *_counters(op, inputs, outputs, family),
    ]


def _lookup(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    (x,) = inputs
    return [_rom("table", outputs[0].elem.bits, 1 << x.elem.bits, family)]


def _product(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    return [Stage("product", MULTIPLIER), *_counters(op, inputs, outputs, family)]


def _counters(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    bits = clog2(max((s.beats for s in (*inputs, *outputs)), default=1))
    return [Stage("counters", luts=1, bits=min(bits, 8))]


Rule = Callable[[Any, Types, Types, str], list[Stage]]
_RULES: dict[Any, Rule] = {
    hw.BitSerialArray: _array,
    hw.MultiplierArray: _multipliers,
    hw.Winograd: _multipliers,
    hw.Window: _window,
    hw.Fifo: _fifo,
    hw.Threshold: _threshold,
    hw.Scale: _scale,
    (hw.Add, hw.MaxPool, hw.SumPool, hw.GlobalSum): _sum,
    hw.Lookup: _lookup,
    hw.Multiply: _product,
}
