"""The line of ``qcompiler estimate`` about the clock."""

from __future__ import annotations

from qcompiler.estimate.devices import FAMILY, Device
from qcompiler.estimate.fmax import design_clock, has_clock_model
from qcompiler.ir.graph import Graph


def clock_line(graph: Graph, device: Device, cycles: int) -> str:
    """Clock after place and route by grade, its expected error, and what bounds it.

    Args:
        graph: Folded hardware graph.
        device: What it is for.
        cycles: Cycles a frame.
    """
    if not has_clock_model(device.family):
        return f"there is no clock model for {device.family} yet: rates are for the clock given"
    grades = FAMILY[device.family].speeds or (None,)
    clocks = {grade: design_clock(graph, device.family, grade) for grade in grades}
    slow = clocks[grades[0]]
    texts = [
        f"{clock.mhz:.0f} MHz" + (f" on grade {grade}" if grade else "")
        for grade, clock in clocks.items()
    ]
    error = "error not measured" if slow.error is None else f"within {100 * slow.error:.0f} %"
    return (
        f"after place and route about {', '.join(texts)} ({error}), "
        f"{slow.mhz * 1e6 / cycles:,.0f} frames/s; bound by {slow.node} ({slow.stage.what})"
    )
