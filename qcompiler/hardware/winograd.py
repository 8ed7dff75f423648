"""The Winograd unit: pairs with ``templates/winograd*.v.j2`` (docs/hardware.md, the Winograd unit).

The arithmetic is planned by `qcompiler.ir.winograd_plan`; here are the modules around it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qcompiler.errors import GraphError
from qcompiler.estimate.parts import clog2
from qcompiler.hardware.multiplier import MultiplierUnit
from qcompiler.hardware.render import ENV
from qcompiler.ir.types import IntType
from qcompiler.ir.winograd_plan import InputPass, Node, OutputPass, WinogradPlan


def _bits(states: int) -> int:
    """Bits of a counter of ``states`` states; one at least, so that it can be declared."""
    return max(clog2(states), 1)


@dataclass(frozen=True)
class InputPassUnit:
    """One dimension of the input transform as module ``name``."""

    name: str
    plan: InputPass

    @property
    def address_bits(self) -> int:
        return _bits(2 * self.plan.size)

    @property
    def row_bits(self) -> int:
        return _bits(self.plan.t)

    @property
    def inner_bits(self) -> int:
        return _bits(self.plan.inner)

    @property
    def inner_index(self) -> str:
        """Beat i as wide as an address."""
        return f"{{{self.address_bits - self.inner_bits}'d0, i_q}}"

    def bases(self, slot: int) -> dict[tuple[int, int], int]:
        """Where the operand of a slot begins, by half and row."""
        p = self.plan
        return {
            (half, k): half * p.size + term.operand * p.inner
            for half in (0, 1)
            for k, term in enumerate(p.slots[slot])
        }

    def shifts(self, slot: int) -> dict[int, int]:
        """Each distinct shift of a slot, with the set of rows that take it."""
        found: dict[int, int] = {}
        for k, term in enumerate(self.plan.slots[slot]):
            found[term.shift] = found.get(term.shift, 0) | 1 << k
        return found

    def subtracts(self, node: Node) -> int:
        """The set of rows in which a node subtracts."""
        return sum(1 << k for k, minus in enumerate(node.subtract) if minus)

    def mixed(self, node: Node) -> bool:
        """A node adds in some rows and subtracts in others."""
        return len(set(node.subtract)) > 1

    @property
    def row_stages(self) -> int:
        """Stages through which the number of the row travels."""
        found = [int(len(self.shifts(s)) > 1) for s in range(len(self.plan.slots))]
        for stage, level in enumerate(self.plan.levels, 1):
            found += [stage for node in level if self.mixed(node)]
        return max(found)

    def verilog(self) -> str:
        """The text of module ``name``."""
        return ENV.get_template("winograd_input.v.j2").render(u=self, p=self.plan)


@dataclass(frozen=True)
class OutputPassUnit:
    """One dimension of the output transform as module ``name``."""

    name: str
    plan: OutputPass

    @property
    def a_bits(self) -> int:
        return _bits(self.plan.t)

    @property
    def row_bits(self) -> int:
        return _bits(self.plan.m)

    @property
    def inner_bits(self) -> int:
        return _bits(self.plan.inner)

    @property
    def in_size(self) -> int:
        """Input beats of a block."""
        return self.plan.t * self.plan.inner

    @property
    def depth(self) -> int:
        """Words of the memory of one sum: two halves, each a power of two."""
        return 2 << self.inner_bits if self.plan.inner > 1 else 2

    def verilog(self) -> str:
        """The text of module ``name``."""
        return ENV.get_template("winograd_output.v.j2").render(u=self, p=self.plan)


@dataclass(frozen=True)
class Stage:
    """One instance of the chain: ``label`` names its output stream, of ``width`` bits."""

    label: str
    module: str
    width: int
    parameters: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class WinogradUnit:
    """Window stream to raster of accumulators.

    Args:
        name: Of the module; those inside are ``NAME_input_rows``, ``NAME_input_columns``,
            ``NAME_products``, ``NAME_output_rows`` and ``NAME_output_columns``.
        plan: Widths and loops.
        products: The multipliers.
        size: Rows and columns of the outputs.
    """

    name: str
    plan: WinogradPlan
    products: MultiplierUnit
    size: tuple[int, int]

    @classmethod
    def build(
        cls,
        name: str,
        *,
        weight: NDArray[Any],
        m: int,
        x: IntType,
        acc: IntType,
        size: tuple[int, int],
        pe: int,
        simd: int,
        partial_bits: int | None = None,
    ) -> WinogradUnit:
        """Check and plan.

        Args:
            name: Of the module.
            weight: Kernels (O, I, 3, 3), int64.
            m: Outputs of a tile in one dimension, 2 or 4.
            x: Range of the input codes; its width and sign are those of the input lanes.
            acc: Range of the results, which must hold every one.
            size: Rows and columns of the outputs.
            pe: Output channels of a beat.
            simd: Input channels of a beat.
            partial_bits: Width of partial sums of products, such as 16; None for none.

        Raises:
            GraphError: Kernels that are not 3x3, ``pe`` or ``simd`` that do not divide the
                channels, or operands too wide for a multiplier.
        """
        try:
            plan = WinogradPlan.build(weight, m, x, acc, pe=pe, simd=simd)
        except GraphError as error:
            raise GraphError(error.what, where=name, hint=error.hint) from None
        products = MultiplierUnit.build(
            f"{name}_products",
            weights=product_weights(plan.tile.weights(weight), pe, simd),
            act=plan.data,
            acc_bits=plan.product_bits,
            partial_bits=partial_bits,
        )
        return cls(name, plan, products, size)

    # ---- the chain ------------------------------------------------------------------------------

    @property
    def in_width(self) -> int:
        return self.plan.simd * self.plan.x.bits

    @property
    def out_width(self) -> int:
        return self.plan.pe * self.plan.acc.bits

    @cached_property
    def input_units(self) -> tuple[InputPassUnit, InputPassUnit]:
        rows, columns = self.plan.input_passes
        return (
            InputPassUnit(f"{self.name}_input_rows", rows),
            InputPassUnit(f"{self.name}_input_columns", columns),
        )

    @cached_property
    def output_units(self) -> tuple[OutputPassUnit, OutputPassUnit]:
        rows, columns = self.plan.output_passes
        return (
            OutputPassUnit(f"{self.name}_output_rows", rows),
            OutputPassUnit(f"{self.name}_output_columns", columns),
        )

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The modules in the order of the data."""
        p = self.plan
        data, sums = p.simd * p.data.bits, p.pe * p.product_bits
        steps = p.tile.t**2
        replay = {"WIDTH": data, "WORDS": p.words, "STEPS": steps, "REPEAT": p.cfolds}
        (rows, columns), size = self.size, self.out_width
        tiles = {"WIDTH": size, "H": rows, "W": columns, "M": p.tile.m, "CFOLDS": p.cfolds}
        return (
            *_turns(self.in_width, p.input_turns, "codes"),
            *(Stage(f"data{k}", u.name, u.plan.lanes * u.plan.y.bits)
              for k, u in enumerate(self.input_units)),
            *_whole(data, p.input_turns, "data"),
            Stage("replay", "qc_replay", data, replay),
            Stage("products", self.products.name, sums),
            *_turns(sums, p.output_turns, "sums"),
            *(Stage(f"outputs{k}", u.name, u.plan.lanes * u.plan.y_bits)
              for k, u in enumerate(self.output_units)),
            *_whole(size, p.output_turns, "outputs"),
            Stage("raster", "qc_tile_raster", size, tiles),
        )  # fmt: skip

    # ---- files ----------------------------------------------------------------------------------

    def modules(self) -> dict[str, str]:
        """Verilog file name → text: the module and those inside that are its own."""
        units = (*self.input_units, self.products, *self.output_units)
        text = ENV.get_template("winograd.v.j2").render(u=self)
        return {f"{self.name}.v": text, **{f"{u.name}.v": u.verilog() for u in units}}

    def memories(self) -> dict[str, str]:
        """ROM file name → text."""
        return self.products.memories()


def _turns(width: int, turns: int, label: str) -> tuple[Stage, ...]:
    """Splits beats into ``turns`` of them."""
    if turns == 1:
        return ()
    part = width // turns
    return (Stage(f"{label}_turns", "qc_downsize", part, {"WIDTH": part, "RATIO": turns}),)


def _whole(width: int, turns: int, label: str) -> tuple[Stage, ...]:
    """Joins ``turns`` beats to one of ``width`` bits."""
    if turns == 1:
        return ()
    part = width // turns
    return (Stage(f"{label}_whole", "qc_upsize", width, {"WIDTH": part, "RATIO": turns}),)


def product_weights(u: NDArray[np.int64], pe: int, simd: int) -> NDArray[np.int64]:
    """U (O, I, t, t) as the multiplier array takes it: [cfold, i, j; word; pe; simd]."""
    out, channels, t, _ = u.shape
    split = u.reshape(out // pe, pe, channels // simd, simd, t, t)
    return split.transpose(0, 4, 5, 2, 1, 3).reshape(-1, channels // simd, pe, simd)
