"""What reads a quantizer's codes: the sums that a method judges its scale by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.quant.kinds import ELEMENTWISE, MOVES
from qcompiler.reference.nn import KERNELS, Weights, apply_layer


@dataclass(frozen=True)
class Consumer:
    """One way on from a quantizer: ops that move codes, one sum, the elementwise ops behind it.

    ``end`` is the last of them, whose float output is what a quantized one is compared with; the
    sum is None where the codes go into an addition, a product or out of the network, and are
    judged as such.
    """

    moves: tuple[str, ...]
    sum: str | None
    tail: tuple[str, ...]
    end: str


def consumers(graph: Graph, quantizer: str) -> list[Consumer]:
    """All ways on, in the order of the data; of two that see the same (additions), one."""
    source = graph.inputs(quantizer)[0].node
    found = _ways(graph, quantizer, (), source)
    return list(dict.fromkeys(found))


def _ways(graph: Graph, name: str, moves: tuple[str, ...], source: str) -> list[Consumer]:
    found: list[Consumer] = []
    for user, _ in graph.users(name):
        op = graph.op(user)
        if isinstance(op, nn.Concat):
            continue  # several quantizers' codes together: see lone_layer
        if isinstance(op, MOVES):
            found += _ways(graph, user, (*moves, user), source)
        elif isinstance(op, nn.Conv | nn.Linear | nn.AvgPool):
            tail = _tail(graph, user)
            found.append(Consumer(moves, user, tail, (user, *tail)[-1]))
        else:
            found.append(Consumer((), None, (), source))
    return found


def lone_layer(graph: Graph, name: str) -> Consumer:
    """A layer by itself, judged by what comes out behind it."""
    tail = _tail(graph, name)
    return Consumer((), name, tail, (name, *tail)[-1])


def _tail(graph: Graph, name: str) -> tuple[str, ...]:
    """Elementwise ops behind a sum, as far as nothing else reads what they make."""
    tail: tuple[str, ...] = ()
    while len(users := graph.users(name)) == 1:
        name = users[0][0]
        if not isinstance(graph.op(name), ELEMENTWISE):
            break
        tail = (*tail, name)
    return tail


def tied(graph: Graph, quantizer: str) -> bool:
    """Whether a concat joins the quantizer's codes with those of others of the same step."""
    for user, _ in graph.users(quantizer):
        op = graph.op(user)
        if isinstance(op, nn.Concat) or (isinstance(op, MOVES) and tied(graph, user)):
            return True
    return False


def run_consumer(
    graph: Graph, way: Consumer, weights: Weights, x: Tensor, weight: Tensor | None = None
) -> Tensor:
    """The output at ``way.end`` for quantized values ``x``, with another weight where given."""
    for name in way.moves:
        x = KERNELS[type(graph.op(name))](graph.op(name), weights, x)
    if way.sum is None:
        return x
    op: Any = graph.op(way.sum)
    if weight is not None:
        x = apply_layer(op, weight, weights.bias(op), x)
    else:
        x = KERNELS[type(op)](op, weights, x)
    for name in way.tail:
        x = KERNELS[type(graph.op(name))](graph.op(name), weights, x)
    return x
