"""3x3 convolution through Winograd tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from qcompiler.errors import GraphError
from qcompiler.ir.hardware.engine import Engine
from qcompiler.ir.hardware.movement import Window
from qcompiler.ir.hardware.streams import Array, Order, StreamType
from qcompiler.ir.products import ProductPlan
from qcompiler.ir.types import IntType, Shape
from qcompiler.ir.winograd import Tile, tile
from qcompiler.ir.winograd_plan import WinogradPlan


@dataclass(frozen=True, eq=False)
class Winograd(Engine):
    """Tiles of ``m`` x ``m`` outputs; ``pe`` output channels × ``simd`` inputs a cycle.

    Takes a window stream of t x t windows, t = m + 2, in steps of m, word by word (``order``), of
    an input with all rows and columns that the tiles read. Gives the raster of ``out_shape``.

    weight (O, I, 3, 3) int64, in the order of the integer graph. ``partial_bits`` is the width of
    partial sums of products, None for none.
    """

    tensor: str
    weight: Array
    m: int
    out_shape: Shape
    acc: IntType
    pe: int = 1
    simd: int = 1
    partial_bits: int | None = None

    @property
    def title(self) -> str:
        return "winograd" if self.m == 2 else f"winograd{self.m}"

    def infer(self, inputs: Sequence[StreamType]) -> Sequence[StreamType]:
        (x,) = inputs
        if x.order != self.order or x.lanes != self.simd:
            raise GraphError(f"fed {x}, takes windows word by word of {self.simd} lanes")
        under = tuple(self.tile.cover(n) for n in self.out_shape[1:])
        if x.shape != (self.weight.shape[1], *under):
            raise GraphError(f"fed {x}, its tiles read {under[0]}x{under[1]}")
        self.product_plan(self.plan(x.elem))
        return [StreamType(self.tensor, self.out_shape, self.acc, self.pe)]

    @property
    def tile(self) -> Tile:
        return tile(self.m)

    @property
    def words(self) -> int:
        """Input beats of a pixel."""
        return int(self.weight.shape[1]) // self.simd

    @property
    def cfolds(self) -> int:
        """Output beats of a pixel; as often each tile is replayed inside."""
        return len(self.weight) // self.pe

    @property
    def order(self) -> Order:
        """The window stream that it takes."""
        return Order((self.tile.t,) * 2, (self.m,) * 2, (1, 1), self.words, 1)

    def fed_by(self, window: Window) -> Window:
        return replace(window, lanes=self.simd, groups=self.words)

    def plan(self, x: IntType) -> WinogradPlan:
        """Widths and loops for codes of type ``x``.

        Raises:
            GraphError: ``pe`` or ``simd`` does not divide the channels.
        """
        return WinogradPlan.build(self.weight, self.m, x, self.acc, pe=self.pe, simd=self.simd)

    def product_plan(self, plan: WinogradPlan) -> ProductPlan:
        """How one PE sums its products.

        Raises:
            GraphError: Transformed operands too wide for a multiplier, or for the partial sum.
        """
        kernel = self.tile.ranges(self.weight, plan.x).kernel
        return ProductPlan.build(plan.data, kernel, self.simd, self.words, self.partial_bits)

    @property
    def rate(self) -> int:
        """Cycles per frame: the products are the slowest part, a beat of a tile a cycle."""
        tiles = self.tile.tiles(self.out_shape[1]) * self.tile.tiles(self.out_shape[2])
        return tiles * self.tile.t**2 * self.words * self.cfolds

    def cycles(self, inputs: Sequence[StreamType], outputs: Sequence[StreamType]) -> int:
        return self.rate

    @property
    def latency(self) -> int:
        """From the last input beat of a tile, the last one of its row, to the first output beat."""
        any_code = IntType(0, 1)  # widths take no part, but for the steps of the division
        tree = (self.simd - 1).bit_length() + (self.partial_bits is not None)
        return self.plan(any_code).latency(5 + tree)

    def need(self, pixels: Array, x: StreamType) -> Array:
        """Whole rows of tiles."""
        rows, columns = (self.tile.tiles(n) for n in self.out_shape[1:])
        last = (pixels - 1) // self.out_shape[2] // self.m + 1
        return np.where(pixels <= 0, 0, np.minimum(last, rows) * columns)
