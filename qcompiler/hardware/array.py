"""The bit-serial MAC array: pairs with ``templates/bitserial_array.v.j2``.

Three trees of arithmetic, each planned here and only laid out by the template:

- The lane tree sums gated activations of one PE and slot. Its level 0 picks 0, a, b or a + b for
  a pair of lanes; the sums a + b are formed once for all PEs and slots.
- The slot tree joins the planes of one fold: `qcompiler/hardware/slot_tree.py`.
- The accumulator joins folds by Horner's rule. It always adds (or always subtracts) its term. Where
  the sign changes from fold to fold it inverts the old sum, ``~x = -x - 1``. Thus the sum carries
  an offset of 0 or -1 that each inversion toggles, and a shift keeps it by filling with zeros or
  ones; it starts from the one that ends at 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qcompiler.errors import GraphError
from qcompiler.estimate.memory import block_rom
from qcompiler.hardware.render import ENV, hex_rom
from qcompiler.hardware.slot_tree import Merge, Term, width_of


def _bits_for(count: int) -> int:
    """Bits of a counter of ``count`` states; one at least, so that it can be declared."""
    return max((count - 1).bit_length(), 1)


@dataclass(frozen=True)
class Boundary:
    """What happens to the old sum at the first beat of a fold: inverted or not, shifted, filled."""

    shift: int
    invert: bool
    fill: int  # the bit that the shift brings in


@dataclass(frozen=True, eq=False)
class ArrayUnit:
    """A MAC array of ``pe`` output channels × ``simd`` inputs × ``slots`` weight planes a cycle.

    ``planes`` are the bit matrices, uint8 [P, C_out, KH, KW, C_in / groups] of 0 and 1, most
    significant plane first; plane ``i`` weighs ``signs[i] * 2**exps[i]``.
    """

    name: str
    signs: tuple[int, ...]
    exps: tuple[int, ...]
    planes: NDArray[np.uint8] = field(repr=False)
    groups: int
    pe: int
    simd: int
    slots: int
    act_bits: int
    act_signed: bool
    acc_bits: int

    @classmethod
    def build(
        cls,
        name: str,
        *,
        planes_sign: Sequence[int],
        planes_exp: Sequence[int],
        bits: NDArray[np.uint8],
        groups: int,
        pe: int,
        simd: int,
        planes_per_cycle: int,
        act_bits: int,
        act_signed: bool,
        acc_bits: int,
    ) -> ArrayUnit:
        """Check the shapes; a layer without a live plane becomes one plane of zeros."""
        if bits.ndim != 5 or not len(planes_sign) == len(planes_exp) == len(bits):
            raise GraphError(
                f"bits must be [P, C_out, KH, KW, C_in / groups] with P = {len(planes_sign)} signs"
                f" and {len(planes_exp)} exponents, not {list(bits.shape)}",
                where=name,
            )
        if len(bits) == 0:
            planes_sign, planes_exp = (1,), (0,)
            bits = np.zeros((1, *bits.shape[1:]), np.uint8)
        if list(planes_exp) != sorted(planes_exp, reverse=True) or min(planes_exp) < 0:
            raise GraphError(
                f"exponents must fall from plane to plane, not {list(planes_exp)}", where=name
            )
        if not set(planes_sign) <= {-1, 1} or bits.max(initial=0) > 1:
            raise GraphError("plane signs must be 1 or -1 and bits 0 or 1", where=name)
        c_out, c_in = bits.shape[1], bits.shape[4]
        if c_out % groups or (c_out // groups) % pe or c_in % simd:
            raise GraphError(
                f"{c_out} channels in {groups} groups of {c_in} inputs do not fold"
                f" to {pe} × {simd}",
                where=name,
            )
        if act_bits < 1 or acc_bits <= min(planes_exp) or planes_per_cycle < 1:
            raise GraphError(
                f"cannot build for {act_bits} activation bits, {acc_bits} accumulator bits,"
                f" {planes_per_cycle} planes a cycle",
                where=name,
            )
        return cls(
            name, tuple(planes_sign), tuple(planes_exp), bits.astype(np.uint8), groups,
            pe, simd, planes_per_cycle, act_bits, act_signed, acc_bits,
        )  # fmt: skip

    # ---- loops ----------------------------------------------------------------------------------

    @property
    def folds(self) -> int:
        """Plane folds of one result."""
        return -(-len(self.signs) // self.slots)

    @property
    def cfolds(self) -> int:
        """Channel folds of one conv group."""
        return int(self.planes.shape[1]) // self.groups // self.pe

    @property
    def kbeats(self) -> int:
        """Input beats of one fold."""
        _, _, kh, kw, c_in = self.planes.shape
        return int(kh * kw * (c_in // self.simd))

    @property
    def repeat(self) -> int:
        """How often `qc_window` repeats each group of a pixel."""
        return self.cfolds * self.folds

    @property
    def beat_bits(self) -> int:
        return _bits_for(self.kbeats)

    @property
    def fold_bits(self) -> int:
        return _bits_for(self.folds)

    # ---- weight ROM -----------------------------------------------------------------------------

    @property
    def rom_depth(self) -> int:
        return self.groups * self.cfolds * self.folds * self.kbeats

    @property
    def rom_width(self) -> int:
        return self.pe * self.simd * self.slots

    @property
    def address_bits(self) -> int:
        return _bits_for(self.rom_depth)

    @property
    def rom_attribute(self) -> str:
        """What asks for block RAM, where the cost model counts on it."""
        return '(* rom_style = "block" *) ' if block_rom(self.rom_width, self.rom_depth) else ""

    @property
    def rom_file(self) -> str:
        return f"mem/{self.name}_weights.hex"

    @cached_property
    def rom_words(self) -> tuple[int, ...]:
        """Words in the order group, channel fold, plane fold, kh, kw, word."""
        count, _, kh, kw, c_in = self.planes.shape
        padding = self.folds * self.slots - count
        full = np.concatenate([self.planes, np.zeros((padding, *self.planes.shape[1:]), np.uint8)])
        full = full.reshape(
            self.folds, self.slots, self.groups, self.cfolds, self.pe,
            kh, kw, c_in // self.simd, self.simd,
        )  # fmt: skip
        rows = full.transpose(2, 3, 0, 5, 6, 7, 4, 8, 1).reshape(self.rom_depth, self.rom_width)
        packed = np.packbits(rows, axis=1, bitorder="little")
        return tuple(int.from_bytes(row.tobytes(), "little") for row in packed)

    def memories(self) -> dict[str, str]:
        """ROM file name → text."""
        return {self.rom_file: hex_rom(self.rom_words, self.rom_width)}

    # ---- lane tree ------------------------------------------------------------------------------

    def lane_sum(self, lanes: int) -> tuple[int, int]:
        """Least and largest sum of ``lanes`` gated activations."""
        if self.act_signed:
            return -lanes << (self.act_bits - 1), lanes * ((1 << (self.act_bits - 1)) - 1)
        return 0, lanes * ((1 << self.act_bits) - 1)

    @property
    def pairs(self) -> int:
        return -(-self.simd // 2)

    @cached_property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """(values of one PE and slot, width) after each level of the lane tree; the first gates."""
        out: list[tuple[int, int]] = []
        count, lanes = self.pairs, 2
        while True:
            out.append((count, width_of(*self.lane_sum(min(lanes, self.simd)))))
            if count == 1:
                return tuple(out)
            count, lanes = -(-count // 2), 2 * lanes

    # ---- slot tree ------------------------------------------------------------------------------

    def _leaf(self, slot: int) -> Term:
        """The sum over the lanes of one slot."""
        last = len(self.levels) - 1
        index = f"p*{self.slots} + {slot}" if self.slots > 1 else "p"
        planes = range(slot, self.folds * self.slots, self.slots)
        live = tuple(i < len(self.signs) for i in planes)
        base = tuple(self.exps[i] if on else 0 for i, on in zip(planes, live, strict=True))
        sign = tuple(self.signs[i] if on else 1 for i, on in zip(planes, live, strict=True))
        return Term(f"tree{last}", index, *self.lane_sum(self.simd), live, base, sign)

    @cached_property
    def merges(self) -> tuple[Merge, ...]:
        """The nodes of the slot tree, level by level, the root last; none for one slot."""
        out: list[Merge] = []
        terms, level = [self._leaf(slot) for slot in range(self.slots)], 0
        while len(terms) > 1:
            stage = len(self.levels) + level
            level += 1
            nodes = []
            for i in range(0, len(terms), 2):
                right = terms[i + 1] if i + 1 < len(terms) else None
                nodes.append(Merge.join(f"merge{level}_{i // 2}", stage, terms[i], right))
            out += nodes
            terms = [node.out for node in nodes]
        return tuple(out)

    @property
    def term(self) -> Term:
        """What the accumulator takes."""
        return self.merges[-1].out if self.merges else self._leaf(0)

    @property
    def depth(self) -> int:
        """Pipeline stage of the term; the weight word is in stage 0."""
        return self.merges[-1].stage + 1 if self.merges else len(self.levels)

    @property
    def fold_stages(self) -> int:
        """Stages through which the fold number travels: as far as the slot tree asks for it."""
        return max((m.stage + 1 for m in self.merges if m.by_fold), default=0)

    # ---- accumulator ----------------------------------------------------------------------------

    @cached_property
    def boundaries(self) -> tuple[Boundary, ...]:
        """The step into fold 1, 2, …"""
        term, offset = self.term, self.starts_from
        out: list[Boundary] = []
        for f in range(1, self.folds):
            invert = term.sign[f] != term.sign[f - 1]
            offset ^= int(invert)
            shift = term.base[f - 1] - term.base[f]
            assert shift >= 0, (self.name, term.base)
            out.append(Boundary(shift, invert, offset))
        assert offset == 0
        return tuple(out)

    @property
    def starts_from(self) -> int:
        """1 where the sum starts from -1: every inversion toggles the offset, and it ends at 0."""
        sign = self.term.sign
        return sum(a != b for a, b in pairwise(sign)) % 2

    @property
    def subtract(self) -> bool:
        """The accumulator subtracts its terms."""
        return self.term.sign[-1] < 0

    @property
    def base(self) -> int:
        """The result is the accumulator times 2**base (negative: below dead slots)."""
        return self.term.base[-1]

    @property
    def acc_width(self) -> int:
        """Bits of the accumulator before the constant shift by ``base``."""
        shifts = [b.shift + 1 for b in self.boundaries]
        return max(self.acc_bits - self.base, self.term.width, *shifts, 1)

    @property
    def steps(self) -> tuple[Boundary, ...]:
        """The distinct boundaries."""
        return tuple(dict.fromkeys(self.boundaries))

    @property
    def keeps(self) -> int:
        """1 where a fold has more beats than its first, so that the sum must also be kept."""
        return int(self.kbeats > 1)

    @property
    def op_bits(self) -> int:
        """Bits of the accumulator's operation: keep (if ever), start, then one for each step."""
        return (self.keeps + len(self.steps)).bit_length()

    def op_table(self, bit: int) -> int:
        """Bit ``bit`` of the operation at the first beat of each fold; fold ``f`` at bit ``f``."""
        ops = [self.keeps] + [self.keeps + 1 + self.steps.index(b) for b in self.boundaries]
        return sum((op >> bit & 1) << f for f, op in enumerate(ops))

    def verilog(self) -> str:
        """The text of module ``name``."""
        return ENV.get_template("bitserial_array.v.j2").render(u=self)
