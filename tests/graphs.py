"""Small graphs for tests of passes, and their text without the digests of arrays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from qcompiler.estimate.engines import module_price
from qcompiler.ir import hardware as hw
from qcompiler.ir import integer, nn
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.rates import bottleneck
from qcompiler.ir.types import IntType
from qcompiler.passes.base import run_passes
from qcompiler.passes.choices import may_be_serial
from qcompiler.passes.fold import FoldingSpace
from qcompiler.passes.integerize import Integerize
from qcompiler.passes.pipeline import PREPARE, TO_HARDWARE
from qcompiler.quant.align import AlignResiduals
from qcompiler.quant.insert import InsertQuantizers
from tests.networks import RandomNetwork, observer

Array = np.ndarray[Any, Any]


def text(graph: Graph) -> str:
    """The exact text form, with every array as its type and shape alone."""
    return re.sub(r"#[0-9a-f]{8}", "", str(graph))


def nn_graph(*ops: Any, shape: tuple[int, ...] = (2, 5, 6)) -> Graph:
    """``x``, then ``op0``, ``op1`` … in a row, then ``y``."""
    return _chain(Graph("nn"), nn.Input(shape), ops, nn.Output())


def integer_graph(
    *ops: Any, shape: tuple[int, ...] = (2, 5, 6), elem: IntType | None = None
) -> Graph:
    source = integer.Input(shape, elem or IntType(-7, 8), 1.0)
    return _chain(Graph("integer"), source, ops, integer.Output(shape, 1.0))


def _chain(graph: Graph, source: Any, ops: Sequence[Any], sink: Any) -> Graph:
    last: Value = graph.add("x", source)
    for k, op in enumerate(ops):
        last = graph.add(f"op{k}", op, [last])
    graph.add("y", sink, [last])
    return graph


def quantized(seed: int) -> tuple[Graph, Array]:
    """Random network ``seed`` with quantizers, and inputs for it."""
    network = RandomNetwork(seed)
    x = network.samples(4)
    passes = [*PREPARE, InsertQuantizers(network.config(), observer(x)), AlignResiduals()]
    return run_passes(network.graph, passes), x


def lowered(seed: int, mode: str = "auto") -> tuple[Graph, Graph]:
    """(integer graph with explicit padding, unfolded hardware graph) of random network ``seed``."""
    explicit = run_passes(quantized(seed)[0], [Integerize(mode), *TO_HARDWARE[:-1]])
    return explicit, run_passes(explicit, TO_HARDWARE[-1:])


def searching(graph: Graph, serial: bool) -> Graph:
    """A folded graph whose thresholds are searched serially wherever that is in time, or never."""
    out, (_, frame) = graph.copy(), bottleneck(graph)
    for name in out.find(hw.Threshold):
        op, inputs = out.op(name), [out.type(v) for v in out.inputs(name)]
        slow = replace(op, serial=serial and may_be_serial(out, name))
        in_time = slow.cycles(inputs, out.types(name)) <= frame
        out.replace(name, slow if in_time else replace(op, serial=False))
    return out


def folding_space(hardware: Graph) -> FoldingSpace:
    return FoldingSpace(hardware, module_price("ecp5"))
