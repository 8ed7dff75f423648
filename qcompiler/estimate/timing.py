"""When each pixel of a frame is where: a max-plus model of the pipeline's first frame.

For output pixel k of a module, counted from 0, with everything in cycles from the first input beat,

    t[k] = max(t_in[need(k)] + tail + latency, t[k-1] + interval)

where ``need`` input pixels must be there, ``interval`` is what the module's busy cycles leave for
one pixel, and ``tail`` is the time it still sends after its last input beat. Back-pressure is left
out: a full buffer upstream does not delay what the slowest module gives out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph, Value

Array = np.ndarray[Any, Any]


def arrival_times(graph: Graph) -> dict[Value, Array]:
    """For each stream the cycle at which each of its pixels is whole, counted from the first beat.

    Args:
        graph: A folded hardware graph.
    """
    times: dict[Value, Array] = {}
    for name in graph:
        op, outputs = graph.op(name), graph.types(name)
        sources = graph.inputs(name)
        inputs = [graph.type(v) for v in sources]
        for port, stream in enumerate(outputs):
            count = stream.positions
            interval = op.cycles(inputs, [stream]) / count
            ready = np.zeros(count)
            for source, kind in zip(sources, inputs, strict=True):
                needed = np.maximum(op.need(np.arange(1, count + 1), kind), 1) - 1
                tail = op.tail(kind, stream)
                ready = np.maximum(ready, times[source][needed] + tail + op.latency)
            if not sources:
                ready += interval
            steps = np.arange(count) * interval
            times[Value(name, port)] = np.maximum.accumulate(ready - steps) + steps
    return times


def frame_latency(graph: Graph) -> int:
    """Cycles from the first input beat of a frame to its last output beat in an empty pipeline."""
    times = arrival_times(graph)
    return int(np.ceil(times[graph.inputs(graph.only(hw.Sink))[0]][-1]))
