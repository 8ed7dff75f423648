"""Datapaths of a bit-serial array, one structure each, to be compared by ``array_bench.py``.

Each takes a beat of SIMD activations and PE x SIMD weight bits, sums the activations that a PE's
bits gate, and adds up BEATS beats. Widths follow from the ranges; the control is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import numpy as np

HERE = Path(__file__).resolve().parent
BEATS = 9

STRUCTURES = {
    "flat": "one expression for all lanes",
    "tree": "gate each lane, then a tree with a register a level",
    "pairs": "pick 0, a, b or a + b of two lanes, sums shared by PEs; tree",
    "triples": "pick among the eight sums of three lanes; tree",
    "fours": "pick among the sixteen sums of four lanes; tree",
    "counts": "count three gated bits of equal weight at a time; a tree a bit",
}
GROUP = {"tree": 1, "pairs": 2, "triples": 3, "fours": 4}


@dataclass(frozen=True)
class Register:
    """A register of the datapath: a sum of terms, or one of several choices."""

    name: str
    width: int
    terms: list[str] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)
    select: str = ""
    bits: int = 0


@dataclass(frozen=True)
class Datapath:
    """What the template lays out."""

    name: str
    pe: int
    simd: int
    act: int
    acc: int
    weights: str
    sums: list[Register]
    registers: list[Register]
    depth: int
    beats: int = BEATS

    @property
    def beat_bits(self) -> int:
        return (self.beats - 1).bit_length()

    @property
    def term(self) -> Register:
        return self.registers[-1]

    def render(self) -> str:
        loader = jinja2.FileSystemLoader(HERE)
        made = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True)
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        own = {"beat_bits": self.beat_bits, "term": self.term}
        return made.get_template("array_structure.v.j2").render(**fields, **own)


def datapath(structure: str, pe: int, simd: int, act: int, acc: int) -> Datapath:
    """One of ``STRUCTURES``."""
    build = _Builder(simd, act)
    if structure == "flat":
        gated = [f"({{{act}{{w[{k}]}}}} & x_q[{k * act} +: {act}])" for k in range(simd)]
        registers = [Register("sum", _width(simd, act), gated)]
        depth, weights, sums = 1, "w_q", list[Register]()
    elif structure == "counts":
        registers, depth = build.counts()
        weights, sums = "w_q", []
    else:
        sums, registers, depth = build.picks(GROUP[structure])
        weights = "w_q"
        if sums:  # they take a cycle, in which the weights wait
            weights = "w_shared"
            sums.append(Register("w_shared", pe * simd, ["w_q"]))
            depth += 1
    return Datapath(f"st_{structure}", pe, simd, act, acc, weights, sums, registers, depth)


def expected(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """``[results, PE]`` of activations ``[results, BEATS, SIMD]`` and bits ``[..., PE, SIMD]``."""
    return np.einsum("rbs,rbps->rp", x, w)


def _width(lanes: int, act: int) -> int:
    return (lanes * ((1 << act) - 1)).bit_length()


class _Builder:
    def __init__(self, simd: int, act: int) -> None:
        self.simd, self.act = simd, act

    def picks(self, group: int) -> tuple[list[Register], list[Register], int]:
        shared: list[Register] = []
        found: list[tuple[Register, int]] = []  # register, lanes
        for first in range(0, self.simd, group):
            lanes = range(first, min(first + group, self.simd))
            choices = []
            for mask in range(1 << len(lanes)):
                chosen = [k for i, k in enumerate(lanes) if mask >> i & 1]
                choices.append(self._shared(chosen, shared, group))
            name, width = f"pick{first}", _width(len(lanes), self.act)
            select = f"w[{first} +: {len(lanes)}]"
            found.append((Register(name, width, [], choices, select, len(lanes)), len(lanes)))
        registers, levels = self._tree(found, "t", self.act)
        return shared, registers, 1 + levels

    def _shared(self, chosen: list[int], shared: list[Register], group: int) -> str:
        """The sum of some lanes: a register of its own."""
        if not chosen:
            return "0"
        terms = [f"x_q[{k * self.act} +: {self.act}]" for k in chosen]
        if group == 1:
            return terms[0]
        name = "s" + "_".join(map(str, chosen))
        shared.append(Register(name, _width(len(chosen), self.act), terms))
        return name

    def counts(self) -> tuple[list[Register], int]:
        registers, tops, depth = [], [], 0
        for bit in range(self.act):
            found = []
            for first in range(0, self.simd, 3):
                lanes = range(first, min(first + 3, self.simd))
                terms = [f"{{1'b0, w[{k}] & x_q[{k * self.act + bit}]}}" for k in lanes]
                found.append((Register(f"c{bit}_{first}", 2, terms), len(lanes)))
            made, levels = self._tree(found, f"b{bit}_", 1)
            registers += made
            tops.append((made[-1], bit))
            depth = 1 + levels
        level = 0
        while len(tops) > 1:
            level += 1
            joined = []
            for k in range(0, len(tops) - 1, 2):
                (low, at), (high, above) = tops[k], tops[k + 1]
                terms = [low.name, f"{{{high.name}, {above - at}'d0}}"]
                width = max(low.width, high.width + above - at) + 1
                joined.append((Register(f"j{level}_{k}", width, terms), at))
            if len(tops) % 2:
                left, at = tops[-1]
                joined.append((Register(f"j{level}_left", left.width, [left.name]), at))
            registers += [register for register, _ in joined]
            tops = joined
        return registers, depth + level

    def _tree(
        self, found: list[tuple[Register, int]], prefix: str, act: int
    ) -> tuple[list[Register], int]:
        registers, level = [register for register, _ in found], 0
        while len(found) > 1:
            level += 1
            joined = []
            for k in range(0, len(found), 2):
                sides = found[k : k + 2]
                lanes = sum(n for _, n in sides)
                terms = [register.name for register, _ in sides]
                width = _width(lanes, act)
                joined.append((Register(f"{prefix}{level}_{k}", width, terms), lanes))
            registers += [register for register, _ in joined]
            found = joined
        return registers, level
