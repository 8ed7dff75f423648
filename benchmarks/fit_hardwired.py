"""Estimate against Yosys for the hard-wired engine, and its coefficients.

    python benchmarks/fit_hardwired.py --family ecp5               # table of errors
    python benchmarks/fit_hardwired.py --fit > qcompiler/estimate/hardwired_coefficients.py

The fit sees the layers of FITTED alone; those of HELD_OUT are only compared. About three minutes a
family on an idle core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from fit_winograd import Cell, fit, measure

from qcompiler.estimate.hardwired import hardwired
from qcompiler.estimate.parts import Parts
from qcompiler.flows.synth import Cells
from qcompiler.hardware.hardwired import HardwiredUnit
from qcompiler.ir import hardware as hw
from qcompiler.ir.types import IntType
from qcompiler.resources import RTL

SIGNED, BYTE, SIX, FOUR = IntType(-127, 127), IntType(0, 255), IntType(0, 63), IntType(0, 15)


@dataclass(frozen=True)
class Layer:
    """Outputs, inputs, the largest weight, codes, bits a cycle, PE and SIMD."""

    outputs: int
    inputs: int
    top: int
    codes: IntType
    digit: int = 1
    pe: int = 1
    simd: int = 1

    @property
    def name(self) -> str:
        codes = f"{'s' if self.codes.signed else 'u'}{self.codes.bits}"
        return (
            f"{self.outputs}x{self.inputs}_w{self.top}_{codes}_{self.digit}_{self.pe}_{self.simd}"
        )

    def op(self) -> hw.Hardwired:
        rng = np.random.default_rng(self.outputs * 1000 + self.inputs)
        w = rng.integers(-self.top, self.top + 1, (self.outputs, self.inputs))
        lo, hi = self.codes.lo, self.codes.hi
        least, most = np.minimum(w * lo, w * hi).sum(1), np.maximum(w * lo, w * hi).sum(1)
        acc = IntType(int(least.min()), int(most.max()))
        weight = w[:, :, None, None]
        return hw.Hardwired("y", weight, (len(w), 1, 1), acc, self.pe, self.simd, self.digit)


FITTED = (
    Layer(16, 16, 31, SIGNED, 1, 16, 16), Layer(8, 32, 7, BYTE, 1, 2, 8),
    Layer(32, 16, 31, SIX, 2, 4, 4), Layer(10, 64, 7, SIX, 1, 1, 1),
    Layer(64, 8, 3, FOUR, 2, 8, 2), Layer(6, 12, 127, SIGNED, 3, 3, 3),
    Layer(24, 24, 1, SIGNED, 1, 3, 4), Layer(48, 12, 15, FOUR, 3, 12, 6),
    Layer(4, 100, 31, FOUR, 4, 2, 10), Layer(16, 48, 1, BYTE, 2, 16, 48),
    Layer(20, 20, 63, SIGNED, 2, 20, 1), Layer(3, 9, 7, BYTE, 1, 1, 3),
)  # fmt: skip
HELD_OUT = (
    Layer(12, 40, 15, SIX, 1, 2, 4), Layer(40, 10, 31, SIGNED, 2, 5, 5),
    Layer(5, 32, 31, SIX, 2, 5, 2), Layer(28, 28, 7, FOUR, 1, 4, 7),
    Layer(18, 30, 1, SIGNED, 3, 9, 30), Layer(9, 18, 63, BYTE, 1, 1, 18),
)  # fmt: skip


def cells(layers: Iterable[Layer], family: str) -> Iterator[Cell]:
    library = (RTL / "qc_serial_sum.v").read_text()
    for layer in layers:
        op = layer.op()
        stream = hw.StreamType("x", (layer.inputs, 1, 1), layer.codes, layer.simd)
        (parts,) = hardwired(op, [stream], [], family)
        unit = HardwiredUnit.of("unit", op, layer.codes)
        yield Cell(layer.name, unit.name, parts, unit.verilog() + library)


def table(rows: list[tuple[Cell, Cells]], family: str, title: str) -> Iterator[str]:
    errors = []
    for cell, got in rows:
        est = cell.parts.cost(family)
        errors.append((est.lut / got.lut - 1, est.ff / got.ff - 1))
        yield (
            f"{cell.name:28} LUT {got.lut:5} {est.lut:7.0f} {errors[-1][0]:+6.1%}"
            f"  FF {got.ff:5} {est.ff:6.0f} {errors[-1][1]:+6.1%}"
        )
    for kind, size in zip(("LUT", "FF"), np.abs(errors).T, strict=True):
        yield f"{family} {title} {kind}: {np.median(size):.1%} median, {size.max():.1%} worst"


HEAD = '''"""LUT for each unit of the sizes of the hard-wired engine, by family.

Fitted to Yosys by ``benchmarks/fit_hardwired.py --fit``: least squares of relative errors, no
coefficient below zero.
"""

from __future__ import annotations

HARDWIRED: dict[str, dict[str, dict[str, float]]] = {
    "hardwired": {
'''


def listing(fitted: dict[str, dict[str, float]]) -> str:
    """The text of ``hardwired_coefficients.py``; ``ruff format`` breaks its lines."""
    text = HEAD
    for family, row in sorted(fitted.items()):
        text += f'        "{family}": {{'
        text += ", ".join(f'"{name}": {value:.2f}' for name, value in row.items()) + "},\n"
    return text + "    }\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", action="append", default=[])
    parser.add_argument("--fit", action="store_true", help="print hardwired_coefficients.py")
    options = parser.parse_args()
    fitted = {}
    for family in options.family or ["ecp5", "xc7", "ice40"]:
        for title, layers in (("fitted", FITTED), ("held out", HELD_OUT)):
            rows = [(cell, measure(cell, family)) for cell in cells(layers, family)]
            print(*table(rows, family, title), sep="\n", file=sys.stderr, flush=True)
            if title == "fitted":
                pairs: list[tuple[Parts, Cells]] = [(cell.parts, got) for cell, got in rows]
                fitted[family] = fit(pairs)["hardwired"]
    if options.fit:
        print(listing(fitted), end="")


if __name__ == "__main__":
    main()
