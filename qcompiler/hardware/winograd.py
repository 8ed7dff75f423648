"""The Winograd unit: pairs with ``templates/winograd.v.j2`` (docs/hardware.md, the Winograd unit).

The arithmetic is planned by `qcompiler.ir.winograd_plan`; here are the modules around it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qcompiler.errors import GraphError
from qcompiler.hardware.multiplier import MultiplierUnit
from qcompiler.hardware.render import ENV
from qcompiler.hardware.winograd_passes import InputPassUnit, OutputPassUnit
from qcompiler.ir.types import IntType
from qcompiler.ir.winograd_plan import WinogradPlan


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
        name: Of the module; those inside are ``NAME__input_rows``, ``NAME__input_columns``,
            ``NAME__products``, ``NAME__output_rows`` and ``NAME__output_columns``. No name of a
            node has two underscores in a row.
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
            f"{name}__products",
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
            InputPassUnit(f"{self.name}__input_rows", rows),
            InputPassUnit(f"{self.name}__input_columns", columns),
        )

    @cached_property
    def output_units(self) -> tuple[OutputPassUnit, OutputPassUnit]:
        rows, columns = self.plan.output_passes
        return (
            OutputPassUnit(f"{self.name}__output_rows", rows),
            OutputPassUnit(f"{self.name}__output_columns", columns),
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
