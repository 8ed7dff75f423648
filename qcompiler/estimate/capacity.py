"""Block RAM that a device has not: how much is missing, and which layers take it."""

from __future__ import annotations

from collections.abc import Sequence

from qcompiler.errors import QCompilerError
from qcompiler.estimate.devices import DEVICES
from qcompiler.estimate.report import Report, Row
from qcompiler.ir import hardware as hw

SHOWN = 5
_WEIGHTS = frozenset(
    op.__name__
    for op in vars(hw).values()
    if isinstance(op, type) and issubclass(op, hw.Engine | hw.Scale | hw.Threshold | hw.Lookup)
)
"""Ops whose memories hold what was trained; those of the others hold pixels on their way."""


def missing_blocks(report: Report) -> int:
    """Block RAMs that the device has too few of."""
    return max(report.total.bram - report.device.brams, 0)


def capacity_error(report: Report, ways: Sequence[str]) -> QCompilerError:
    """The error for a design whose memories the device's block RAM cannot hold.

    Args:
        report: Its estimate, with `missing_blocks`.
        ways: What else can be done about it.
    """
    chip, missing = report.device, missing_blocks(report)
    holders = sorted((row for row in report.rows if row.cost.bram), key=_rank)
    named = "; ".join(_holder(row) for row in holders[:SHOWN])
    rest = sum(row.cost.bram for row in holders[SHOWN:])
    more = f"; {rest} in {len(holders) - SHOWN} others" if rest else ""
    return QCompilerError(
        f"weights and buffers take {report.total.bram} block RAMs of {chip.bram_kbit} kbit, "
        f"{chip.name} has {chip.brams}: {missing} are missing, {_bits(missing, report):,} bits. "
        f"They are in {named}{more}",
        hint=", or ".join([*ways, larger(report)]),
    )


def _rank(row: Row) -> tuple[int, str]:
    return -row.cost.bram, row.node


def _holder(row: Row) -> str:
    kind = "weights" if row.kind in _WEIGHTS else "buffer"
    return f"{row.node} ({kind}): {row.cost.bram}, {row.cost.memory_bits:,} bits"


def _bits(blocks: int, report: Report) -> int:
    return blocks * report.device.bram_kbit * 1024


def larger(report: Report) -> str:
    """The smallest device of the family that has enough of everything."""
    chip, total = report.device, report.total
    enough = [
        d
        for d in DEVICES.values()
        if d.family == chip.family
        and min(d.luts - total.lut, d.ffs - total.ff, d.brams - total.bram, d.dsps - total.dsp) >= 0
    ]
    if enough:
        least = min(enough, key=lambda d: (d.luts, d.brams))
        return f"name a larger --target: {least.name} has {least.luts} LUT and {least.brams} BRAM"
    return f"name a --target of another family: no known {chip.family} has as much"
