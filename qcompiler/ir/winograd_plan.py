"""The plan of a Winograd unit: its widths, loops and time.

Lanes that a pass of a transform has time for are worked on one after another: ``turns``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from qcompiler.errors import GraphError
from qcompiler.ir.products import signed_bits
from qcompiler.ir.types import IntType
from qcompiler.ir.winograd import Array, Tile, tile
from qcompiler.ir.winograd_passes import InputPass, OutputPass


@dataclass(frozen=True)
class WinogradPlan:
    """Widths and loops of one unit.

    Args:
        tile: The variant.
        x: Range of the input codes.
        data: Range of V.
        acc: Range of the results.
        product_bits: Bits in which M is carried: all, or as many as the results depend on.
        row_bits: Bits between the two passes of the output transform, likewise.
        words: Input beats of a pixel.
        cfolds: Output beats of a pixel.
        simd: Channels of an input beat.
        pe: Channels of an output beat.
    """

    tile: Tile
    x: IntType
    data: IntType
    acc: IntType
    product_bits: int
    row_bits: int
    words: int
    cfolds: int
    simd: int
    pe: int

    @classmethod
    def build(
        cls, weight: Array, m: int, x: IntType, acc: IntType, *, pe: int, simd: int
    ) -> WinogradPlan:
        """Plan for kernels ``weight`` (O, I, 3, 3) on codes ``x``.

        Raises:
            GraphError: ``pe`` or ``simd`` does not divide the channels.
        """
        variant, (out, channels) = tile(m), weight.shape[:2]
        if pe < 1 or simd < 1 or out % pe or channels % simd:
            raise GraphError(f"{pe} PE and {simd} SIMD do not divide {weight.shape}")
        ranges, shift = variant.ranges(weight, x), max(variant.shifts)
        rows = IntType(ranges.rows.lo >> shift, ranges.rows.hi >> shift)
        row_bits = min(signed_bits(rows), acc.bits + shift)
        product_bits = min(signed_bits(ranges.products), row_bits + shift)
        return cls(
            variant, x, ranges.data, acc, product_bits, row_bits,
            channels // simd, out // pe, simd, pe,
        )  # fmt: skip

    # ---- turns: lanes that take turns in a pass, as the products leave it the time --------------

    @property
    def input_turns(self) -> int:
        """A tile is replayed ``cfolds`` times, so that many cycles are there for an input beat."""
        return most_turns(self.simd, self.cfolds)

    @property
    def output_turns(self) -> int:
        """A beat of products comes every ``words`` cycles."""
        return most_turns(self.pe, self.words)

    # ---- passes ---------------------------------------------------------------------------------

    @cached_property
    def input_passes(self) -> tuple[InputPass, InputPass]:
        """Along a row of the tile (kw), then along its columns (kh)."""
        matrix, turns = self.tile.data, self.input_turns
        ends = [
            [sum(v * (hi if (v > 0) == up else lo) for v in row) for row in matrix]
            for up, lo, hi in ((False, self.x.lo, self.x.hi), (True, self.x.lo, self.x.hi))
        ]
        middle = IntType(min(ends[0]), max(ends[1]))
        lanes = self.simd // turns
        return (
            InputPass(matrix, self.x, middle, turns, lanes),
            InputPass(matrix, middle, self.data, self.tile.t * turns, lanes),
        )

    @cached_property
    def output_passes(self) -> tuple[OutputPass, OutputPass]:
        """Along a row of M (j), then along its columns (i)."""
        t, turns = self.tile, self.output_turns
        lanes = self.pe // turns
        return (
            OutputPass(t.folded, t.shifts, self.product_bits, self.row_bits, turns, lanes),
            OutputPass(
                t.folded, t.shifts, self.row_bits, self.acc.bits, t.m * turns, lanes, t.odd**2
            ),
        )

    # ---- time -----------------------------------------------------------------------------------

    @property
    def tile_beats(self) -> int:
        """Input beats of a tile."""
        return self.tile.t**2 * self.words

    @property
    def tile_cycles(self) -> int:
        """Cycles of a tile: the products take a beat of V a cycle, for every fold."""
        return self.tile_beats * self.cfolds

    def latency(self, products: int) -> int:
        """Cycles from the last input beat of a row of tiles to its first output beat, unhurried.

        Args:
            products: Latency of the multiplier array.
        """
        t, m, turns, out_turns = self.tile.t, self.tile.m, self.input_turns, self.output_turns
        rows, columns = self.input_passes
        data = rows.latency + t * turns - 1 + columns.latency + t * t * turns - 1
        data += turns > 1  # joined again; a beat is taken when its last part goes on
        out_rows, out_columns = self.output_passes
        sums = out_rows.latency + m * out_turns - 1 + out_columns.latency + m * m * out_turns - 1
        sums += out_turns - 1 + (out_turns > 1)
        replay = raster = 3
        return data + replay + self.tile_cycles - 1 + products + sums + raster


def most_turns(lanes: int, cycles: int) -> int:
    """The largest divisor of ``lanes`` that is no more than ``cycles``."""
    return max(n for n in range(1, lanes + 1) if lanes % n == 0 and n <= max(cycles, 1))
