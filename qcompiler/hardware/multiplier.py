"""The multiplier array: pairs with ``templates/multiplier_array.v.j2``.

The arithmetic of one output is planned by `qcompiler.ir.products.ProductPlan`; here are the loops
and the weight ROM around it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qcompiler.errors import GraphError
from qcompiler.estimate.memory import block_rom
from qcompiler.estimate.parts import clog2
from qcompiler.hardware.render import ENV, hex_rom
from qcompiler.ir.products import ProductPlan
from qcompiler.ir.types import IntType

Weights = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MultiplierUnit:
    """``pe`` outputs × ``simd`` inputs a cycle, one multiplier each.

    ``weights`` is [sets, kbeats, pe, simd]: result after result takes the next set, and the first
    follows the last. Each sums ``kbeats`` input beats.
    """

    name: str
    weights: Weights = field(repr=False)
    plan: ProductPlan
    acc_bits: int

    @classmethod
    def build(
        cls,
        name: str,
        *,
        weights: NDArray[Any],
        act: IntType,
        acc_bits: int,
        partial_bits: int | None = None,
    ) -> MultiplierUnit:
        """Check and plan.

        Args:
            name: Of the module.
            weights: Integers [sets, kbeats, pe, simd], none of the sizes 0.
            act: Range of the activations; its width and sign are those of the input lanes.
            acc_bits: Width of a result, which must hold every sum.
            partial_bits: Width of partial sums, such as 16; None for none.

        Raises:
            GraphError: Wrong shape, operands too wide for a multiplier, or a product that does not
                fit in a partial sum.
        """
        if weights.ndim != 4 or not weights.size:
            raise GraphError(
                f"weights must be [sets, kbeats, pe, simd], not {list(weights.shape)}", where=name
            )
        if acc_bits < 1:
            raise GraphError(f"cannot build for {acc_bits} accumulator bits", where=name)
        _, kbeats, _, simd = weights.shape
        weight = IntType(int(weights.min()), int(weights.max()))
        try:
            plan = ProductPlan.build(act, weight, simd, kbeats, partial_bits)
        except GraphError as error:
            raise GraphError(error.what, where=name, hint=error.hint) from None
        return cls(name, weights.astype(np.int64), plan, acc_bits)

    @classmethod
    def of_convolution(
        cls,
        name: str,
        *,
        weight: NDArray[Any],
        groups: int,
        pe: int,
        simd: int,
        act: IntType,
        acc_bits: int,
        partial_bits: int | None = None,
    ) -> MultiplierUnit:
        """The array of a convolution with ``weight`` (O, I/groups, KH, KW), fed by `qc_window`.

        Raises:
            GraphError: As `build`, or ``pe`` or ``simd`` does not divide the channels of a group.
        """
        rows = convolution_rows(name, weight, groups, pe, simd)
        return cls.build(name, weights=rows, act=act, acc_bits=acc_bits, partial_bits=partial_bits)

    # ---- sizes -----------------------------------------------------------------------------------

    @property
    def sets(self) -> int:
        """Results until the weights start over."""
        return int(self.weights.shape[0])

    @property
    def kbeats(self) -> int:
        """Input beats of one result."""
        return int(self.weights.shape[1])

    @property
    def pe(self) -> int:
        return int(self.weights.shape[2])

    @property
    def simd(self) -> int:
        return int(self.weights.shape[3])

    @property
    def beat_bits(self) -> int:
        return max(clog2(self.kbeats), 1)

    @property
    def part_bits(self) -> int:
        return clog2(self.plan.partial_beats)

    @property
    def first_width(self) -> int:
        """Width of the accumulator that takes the tree's sum."""
        return self.plan.partial_width if self.plan.has_partial else self.acc_bits

    @property
    def result_width(self) -> int:
        """Width of the last accumulator."""
        return self.acc_bits if self.plan.has_wide else self.plan.partial_width

    # ---- weight ROM ------------------------------------------------------------------------------

    @property
    def rom_depth(self) -> int:
        return self.sets * self.kbeats

    @property
    def rom_width(self) -> int:
        return self.pe * self.simd * self.plan.weight_bits

    @property
    def address_bits(self) -> int:
        return max(clog2(self.rom_depth), 1)

    @property
    def rom_attribute(self) -> str:
        """What asks for block RAM, where the cost model counts on it."""
        return '(* rom_style = "block" *) ' if block_rom(self.rom_width, self.rom_depth) else ""

    @property
    def rom_file(self) -> str:
        return f"mem/{self.name}_weights.hex"

    @cached_property
    def rom_words(self) -> tuple[int, ...]:
        """A word for each set and beat; the weight of a PE and lane at ``(pe*simd + lane)``."""
        bits = self.plan.weight_bits
        rows = self.weights.reshape(self.rom_depth, self.pe * self.simd)
        spread = (rows[:, :, None] >> np.arange(bits) & 1).astype(np.uint8)
        packed = np.packbits(spread.reshape(self.rom_depth, -1), axis=1, bitorder="little")
        return tuple(int.from_bytes(row.tobytes(), "little") for row in packed)

    def memories(self) -> dict[str, str]:
        """ROM file name → text."""
        return {self.rom_file: hex_rom(self.rom_words, self.rom_width)}

    def verilog(self) -> str:
        """The text of module ``name``."""
        return ENV.get_template("multiplier_array.v.j2").render(u=self, plan=self.plan)


def convolution_rows(
    name: str, weight: NDArray[Any], groups: int, pe: int, simd: int
) -> NDArray[Any]:
    """The weights (O, I/groups, KH, KW) of a convolution as [sets, kbeats, pe, simd].

    Sets are group after group, each channel fold after channel fold; beats are kh, kw, word.

    Raises:
        GraphError: ``groups``, ``pe`` or ``simd`` does not divide its channels.
    """
    out, per_group, height, width = weight.shape
    if out % groups or (out // groups) % pe or per_group % simd:
        raise GraphError(
            f"{out} channels in {groups} groups of {per_group} inputs do not fold to {pe} × {simd}",
            where=name,
        )
    folded = weight.reshape(groups, out // groups // pe, pe, per_group // simd, simd, height, width)
    return folded.transpose(0, 1, 5, 6, 3, 2, 4).reshape(
        out // pe, height * width * (per_group // simd), pe, simd
    )
