"""The bit-serial MAC array: pairs with ``templates/bitserial_array.v.j2``.

Three trees of arithmetic, each planned here and only laid out by the template:

- The lane tree sums gated activations of one PE and slot. Its level 0 picks 0, a, b or a + b for
  a pair of lanes; the sums a + b are formed once for all PEs and slots.
- The slot tree joins the planes of one step: `qcompiler/hardware/slot_tree.py`.
- The accumulator joins the steps of a result: `qcompiler/ir/plane_steps.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from qcompiler.errors import GraphError
from qcompiler.estimate.memory import block_rom, rom_banks
from qcompiler.hardware.plane_control import PlaneControl, bits_for, check_planes
from qcompiler.hardware.render import ENV, hex_rom
from qcompiler.hardware.slot_tree import Merge, Term, width_of
from qcompiler.ir.plane_steps import Boundary, Schedule, step_count
from qcompiler.ir.planes import Planes


@dataclass(frozen=True, eq=False)
class ArrayUnit:
    """A MAC array of ``pe`` output channels × ``simd`` inputs × ``slots`` weight planes a cycle.

    ``planes`` have bits uint8 [P, channels, KH, KW, C_in / groups]: one list that all C_out output
    channels share, or a list for each of the C_out / groups / ``pe`` output folds, with the fold's
    ``pe`` channels of every conv group.
    """

    template: ClassVar[str] = "bitserial_array.v.j2"

    name: str
    planes: tuple[Planes, ...] = field(repr=False)
    groups: int
    pe: int
    simd: int
    slots: int
    act_bits: int
    act_signed: bool
    acc_bits: int
    ahead: bool = True
    lut_rom: bool = False

    @classmethod
    def build(
        cls,
        name: str,
        *,
        planes: Sequence[Planes],
        groups: int,
        pe: int,
        simd: int,
        planes_per_cycle: int,
        act_bits: int,
        act_signed: bool,
        acc_bits: int,
        ahead: bool = True,
        lut_rom: bool = False,
    ) -> Self:
        """Check the shapes.

        Raises:
            GraphError: Planes of other shapes or in another order, or sizes that do not fold.
        """
        for each in planes:
            check_planes(name, each)
        c_out = sum(each.bits.shape[1] for each in planes)
        c_in = planes[0].bits.shape[4]
        if c_out % groups or (c_out // groups) % pe or c_in % simd:
            raise GraphError(
                f"{c_out} channels in {groups} groups of {c_in} inputs do not fold"
                f" to {pe} × {simd}",
                where=name,
            )
        if len(planes) > 1 and {each.bits.shape[1] for each in planes} != {groups * pe}:
            raise GraphError(
                f"the plane list of a fold covers {groups} × {pe} channels", where=name
            )
        lowest = max((each.exps[-1] for each in planes if each.exps), default=0)
        if act_bits < 1 or acc_bits <= lowest or planes_per_cycle < 1:
            raise GraphError(
                f"cannot build for {act_bits} activation bits, {acc_bits} accumulator bits,"
                f" {planes_per_cycle} planes a cycle",
                where=name,
            )
        return cls(
            name, tuple(planes), groups, pe, simd, planes_per_cycle, act_bits, act_signed, acc_bits,
            ahead, lut_rom,
        )  # fmt: skip

    @property
    def lanes(self) -> int:
        """Activations of an input beat."""
        return self.simd

    # ---- loops ----------------------------------------------------------------------------------

    @cached_property
    def schedule(self) -> Schedule:
        return Schedule(
            tuple(tuple(zip(p.signs, p.exps, strict=True)) for p in self.planes), self.slots
        )

    @cached_property
    def control(self) -> PlaneControl:
        return PlaneControl(self.schedule, keeps=int(self.kbeats > 1))

    @property
    def cfolds(self) -> int:
        """Output folds of one conv group."""
        return sum(int(p.bits.shape[1]) for p in self.planes) // self.groups // self.pe

    @property
    def kbeats(self) -> int:
        """Input beats of one step."""
        _, _, kh, kw, c_in = self.planes[0].bits.shape
        return int(kh * kw * (c_in // self.simd))

    @property
    def repeat(self) -> int:
        """How often `qc_window` repeats each group of a pixel."""
        return self.control.steps * (self.cfolds if len(self.planes) == 1 else 1)

    @property
    def beat_bits(self) -> int:
        return bits_for(self.kbeats)

    # ---- weight ROM -----------------------------------------------------------------------------

    @property
    def rom_depth(self) -> int:
        return self.groups * self.repeat * self.kbeats

    @property
    def rom_width(self) -> int:
        return self.pe * self.simd * self.slots

    @property
    def address_bits(self) -> int:
        return bits_for(self.rom_depth)

    @property
    def rom_attribute(self) -> str:
        """What asks for block RAM, or for LUTs, where the cost model counts on it."""
        if self.lut_rom:
            return '(* rom_style = "logic" *) '
        return '(* rom_style = "block" *) ' if block_rom(self.rom_width, self.rom_depth) else ""

    @property
    def prefetch(self) -> bool:
        """The ROM is read a beat ahead, into a register of its own: where it is block RAM."""
        return self.ahead and not self.lut_rom and block_rom(self.rom_width, self.rom_depth)

    @property
    def banks(self) -> int:
        """Banks of the ROM side by side, of which one is chosen two beats after the read."""
        return rom_banks(self.rom_width, self.rom_depth)[0] if self.prefetch else 1

    @property
    def bank_rows(self) -> int:
        return rom_banks(self.rom_width, self.rom_depth)[1] if self.prefetch else self.rom_depth

    @property
    def row_bits(self) -> int:
        """Low bits of the address: the row of a bank."""
        return bits_for(self.bank_rows)

    @property
    def rom_file(self) -> str:
        return f"mem/{self.name}_weights.hex"

    @cached_property
    def rom_words(self) -> tuple[int, ...]:
        """Words in the order group, output fold, plane step, kh, kw, word."""
        blocks = [self._rom_block(planes.bits) for planes in self.planes]
        rows = np.concatenate(blocks, axis=1).reshape(self.rom_depth, self.rom_width)
        packed = np.packbits(rows, axis=1, bitorder="little")
        return tuple(int.from_bytes(row.tobytes(), "little") for row in packed)

    def _rom_block(self, bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Rows [groups, words, rom_width] of the output folds that share a plane list."""
        count, channels, kh, kw, c_in = bits.shape
        steps = step_count(count, self.slots)
        padding = np.zeros((steps * self.slots - count, *bits.shape[1:]), np.uint8)
        full = np.concatenate([padding, bits]).reshape(
            steps, self.slots, self.groups, channels // self.groups // self.pe, self.pe,
            kh, kw, c_in // self.simd, self.simd,
        )  # fmt: skip
        rows = full.transpose(2, 3, 0, 5, 6, 7, 4, 8, 1)
        return rows.reshape(self.groups, -1, self.rom_width)

    def memories(self) -> dict[str, str]:
        """ROM file name → text."""
        words = list(self.rom_words) + [0] * (self.banks * self.bank_rows - self.rom_depth)
        rows = [
            sum(words[k * self.bank_rows + row] << k * self.rom_width for k in range(self.banks))
            for row in range(self.bank_rows)
        ]
        return {self.rom_file: hex_rom(rows, self.banks * self.rom_width)}

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
        ranks = [slot - self.slots + len(kind) for kind in self.schedule.kinds]
        found = [
            (True, kind[rank][1], kind[rank][0]) if rank >= 0 else (False, 0, 1)
            for kind, rank in zip(self.schedule.kinds, ranks, strict=True)
        ]
        live, base, sign = zip(*found, strict=True)
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
    def kind_stages(self) -> int:
        """Stages through which the kind of a step travels: as far as the slot tree asks for it."""
        return max((m.stage + 1 for m in self.merges if m.by_kind), default=0)

    # ---- accumulator ----------------------------------------------------------------------------

    @property
    def acc_width(self) -> int:
        """Bits of the accumulator before the shift of the result."""
        found = [self.acc_bits - result.shift for result in self.schedule.results]
        found += [a.shift + 1 for a in self.schedule.actions if isinstance(a, Boundary)]
        return max(self.term.width, *found, 1)

    def verilog(self) -> str:
        """The text of module ``name``."""
        return ENV.get_template(self.template).render(u=self)
