"""The clock of a design before place and route: the slowest stage of its slowest module.

A stage is what lies between two registers: where it starts, levels of LUTs, carry chains and their
bits, and the registers that one enable drives. Stages are read off the templates and `rtl/`; what
each part takes is fitted to nextpnr's figures of modules placed alone
(``benchmarks/fit_fmax.py``). In a design nets are longer: one factor, fitted as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qcompiler.estimate.accuracy import clock_error
from qcompiler.estimate.fmax_coefficients import DELAYS, GRADES, IN_DESIGN
from qcompiler.estimate.memory import block_rom, blocks, rom_banks
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

BLOCK_BITS = 18  # of an operand of one multiplier block; products of wider ones are added up

_CUTS = (hw.Window, hw.Fifo, hw.Source)
"""Modules whose tready is told by their own registers."""
READY_LUTS, READY_FAN = 2, 40  # at the end of such a chain: the loops of a line buffer
HOP_LUTS = 0.6  # of a module on the way: the handshakes of two often fit into one LUT4


@dataclass(frozen=True)
class Stage:
    """What lies between two registers.

    Args:
        what: What it does.
        start: Where it starts.
        luts: Levels of LUTs.
        multipliers: Multiplier blocks, one behind another.
        bits: Bits of its carry chain, 0 for none.
        fan: Registers or LUTs that one net drives.
    """

    what: str
    start: str = REGISTER
    luts: float = 0.0
    bits: float = 0.0
    multipliers: float = 0.0
    fan: float = 1.0

    @property
    def features(self) -> dict[str, float]:
        """What the delay is linear in."""
        return {
            self.start: 1.0,
            "lut": self.luts,
            "multiplier": self.multipliers,
            "chain": float(self.bits > 0),
            "bit": self.bits,
            "fan": max(self.fan, 1.0) ** (1 / 3) - 1,  # nets are longer the more they reach
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
        error: Largest relative error on modules and networks that the model never saw; None where
            it was not measured.
    """

    mhz: float
    node: str
    stage: Stage
    error: float | None


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
    return Clock(1000 / (delay * IN_DESIGN[family] * factor), node, stage, clock_error(family))


def slowest_stage(graph: Graph, name: str, family: str) -> Stage | None:
    """The slowest stage of a node; None where it has no register."""
    inputs, outputs = [graph.type(v) for v in graph.inputs(name)], graph.types(name)
    found = stages(graph.op(name), inputs, outputs, family)
    if inputs and isinstance(graph.op(name), _CUTS):
        ends = (
            (1, inputs[0].width) if isinstance(graph.op(name), hw.Fifo) else (READY_LUTS, READY_FAN)
        )
        luts = ends[0] + HOP_LUTS * ready_hops(graph, name)
        found.append(Stage("ready chain", luts=luts, fan=ends[1]))
    return max(found, key=lambda stage: stage.delay(family), default=None)


def ready_hops(graph: Graph, name: str) -> int:
    """Modules behind a node whose tready hangs on the next one's in the same cycle."""
    hops = 0
    for user, _ in graph.users(name):
        if not isinstance(graph.op(user), (*_CUTS, hw.Sink)):
            hops = max(hops, 1 + ready_hops(graph, user))
    return hops


def stages(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    """The stages of a module that can be its slowest."""
    cost = module_cost(op, inputs, outputs, family)
    if not cost.ff:
        return []
    rule = next((rule for kind, rule in _RULES.items() if isinstance(op, kind)), _control)
    return [Stage("enable", luts=2, fan=cost.ff), *rule(op, inputs, outputs, family)]


# ---- one rule a kind of module -------------------------------------------------------------------


def _rom(what: str, width: int, depth: int, family: str, behind: Stage) -> Stage:
    """A ROM in the same cycle as what is behind it, or the table alone where it is made of LUTs."""
    if block_rom(width, depth):
        deep = clog2(blocks(width, depth, family)[1]) / 2
        return replace(behind, what=what, start=BLOCK, luts=behind.luts + deep)
    return Stage(what, luts=_levels(depth), fan=width)


def _levels(depth: int) -> float:
    """Levels of LUTs of four inputs, joined by multiplexers, that look up one of ``depth``."""
    return max(clog2(depth) - 2, 1) / 2


def _array(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    (x,) = inputs
    lanes = 1 if isinstance(op, hw.DepthwiseArray) else op.simd
    width, depth, bits = op.pe * lanes * op.planes, op.weight_words, op.acc.bits
    gates = Stage("gates", luts=2, fan=2 * x.elem.bits)
    if op.lut_rom:  # a deep table right behind the counter of its address
        luts = _levels(depth) - 0.5
        weights = Stage("weight ROM", luts=luts, bits=clog2(depth), fan=width)
    elif not block_rom(width, depth):
        weights = Stage("weight ROM", luts=_levels(depth), fan=width)
    elif not op.ahead:
        weights = _rom("weight ROM", width, depth, family, gates)
    elif (banks := rom_banks(width, depth)[0]) == 1:
        weights = replace(gates, what="weights", start=OUTPUT)
    else:  # read two beats ahead: the choice of a bank lies between two registers
        weights = Stage("choice of a bank", OUTPUT, luts=1 + clog2(banks) / 2, fan=width)
    steps = float(op.planes < op.plane_count)
    return [
        gates,
        weights,
        Stage("accumulator", luts=steps, bits=bits, fan=bits),
        Stage("ROM address", luts=3, fan=module_cost(op, inputs, outputs, family).ff),
    ]


def _multipliers(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    product = Stage("product", multipliers=1)
    words = getattr(op, "weight_words", 512)
    rom = _rom("weight ROM", op.pe * op.simd * 8, words, family, product)
    return [product, rom, Stage("sum", bits=op.acc.bits)]


def _window(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    (x,) = inputs
    in_blocks = module_cost(op, inputs, outputs, family).bram > 0
    rows = (op.reshape or x.shape)[1]
    depth = op.rows * x.beats // rows
    loops = sum(n > 1 for n in (*op.kernel, op.groups, op.repeat)) + 2
    if in_blocks:
        banks = blocks(x.width, depth, family, written=True)[1]
        ring = Stage("ring", BLOCK, clog2(banks) / 2)
    else:
        ring = Stage("ring", LUT_RAM, clog2(-(-depth // 16)) / 2 + 1)
    return [Stage("loops", luts=1 + loops / 2, fan=4 * loops), ring]


def _fifo(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    if op.depth <= 2:
        return []
    if module_cost(op, inputs, outputs, family).bram:
        return [Stage("memory", BLOCK)]
    banks = -(-op.depth // 16)
    return [
        Stage("memory", LUT_RAM, clog2(banks) / 2),
        Stage("count", luts=1, bits=clog2(op.depth)),
    ]


def _in_a_row(*fans: float) -> float:
    """The reach of one net that takes as long as several, one behind the other."""
    reach: float = 1 + sum(fan ** (1 / 3) - 1 for fan in fans)
    return reach**3


def _threshold(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    (x,) = inputs
    bits, depth = x.elem.bits, x.words << max(op.stages - 1, 0)
    if not op.serial:
        compare = Stage("comparison", luts=1, bits=bits)
        # from the handshake to all lanes, and from there to the reset of a lane's thresholds
        fan = _in_a_row(module_cost(op, inputs, outputs, family).ff, bits)
        resets = Stage("resets", luts=2, fan=fan)
        return [compare, resets, _rom("thresholds", bits, depth, family, compare)]
    wide = 2 * bits  # both thresholds that may be next
    # up to 16 words the table is one LUT4 that the pick goes into
    table = 0.0 if block_rom(wide, depth) or depth <= 16 else (clog2(depth) - 3) / 2
    compare = Stage("comparison", luts=2 + table, bits=bits, fan=wide)
    return [compare, _rom("thresholds", wide, depth, family, Stage("", luts=1))]


def _scale(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    (x,) = inputs
    m_bits = int(abs(op.m).max()).bit_length() + bool((op.m < 0).any())
    bits = x.elem.bits + m_bits
    joined = bits if max(x.elem.bits, m_bits) > BLOCK_BITS else 0
    return [Stage("product", multipliers=1, bits=joined), Stage("sum", luts=1, bits=bits)]


def _add(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    sums = Stage("sum", bits=outputs[0].elem.bits)
    return [sums, *([Stage("product", multipliers=1)] if op.terms.products else [])]


def _pool(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    bits = outputs[0].elem.bits
    if isinstance(op, hw.GlobalSum):  # sums in LUT RAM: read, add and write in a cycle
        banks = clog2(-(-inputs[0].words // 16)) / 2
        return [Stage("sum", LUT_RAM, luts=2 + banks, bits=bits)]
    return [Stage("reduction", luts=1 + isinstance(op, hw.MaxPool), bits=bits)]


def _lookup(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    (x,) = inputs
    return [_rom("table", outputs[0].elem.bits, 1 << x.elem.bits, family, Stage(""))]


def _product(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    joined = outputs[0].elem.bits if max(x.elem.bits for x in inputs) > BLOCK_BITS else 0
    return [Stage("product", multipliers=1, bits=joined)]


def _control(op: Any, inputs: Types, outputs: Types, family: str) -> list[Stage]:
    return [Stage("counters", luts=2)]


Rule = Callable[[Any, Types, Types, str], list[Stage]]
_RULES: dict[Any, Rule] = {
    hw.BitSerialArray: _array,
    hw.MultiplierArray: _multipliers,
    hw.Winograd: _multipliers,
    hw.Window: _window,
    hw.Fifo: _fifo,
    hw.Threshold: _threshold,
    hw.Scale: _scale,
    hw.Add: _add,
    (hw.MaxPool, hw.SumPool, hw.GlobalSum): _pool,
    hw.Lookup: _lookup,
    hw.Multiply: _product,
}
