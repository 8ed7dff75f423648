"""h-swish and h-sigmoid in the operators that they decompose into, or that users write them in."""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx

INFINITE = float("inf")
CLIPS = ("relu6", "hardtanh", "clamp", "clamp_min", "clamp_max")
DEFAULTS = {"relu6": (0.0, 6.0), "hardtanh": (-1.0, 1.0)}


@dataclass(frozen=True)
class SpelledOut:
    """What a group of nodes computes: ``operator`` of ``source``, at the last of them."""

    operator: str
    source: fx.Node
    others: frozenset[fx.Node]


def spelled_out(graph: fx.Graph) -> dict[fx.Node, SpelledOut]:
    """``clip(x + 3, 0, 6) / 6`` and ``x * clip(x + 3, 0, 6) / 6``, by their last nodes.

    Only where nothing else reads what is computed on the way.
    """
    found = {}
    for node in graph.nodes:
        group = _matched(node) if _divides_by_six(node) else None
        if group and all(set(n.users) <= group.others | {node} for n in group.others):
            found[node] = group
    return found


def _divides_by_six(node: fx.Node) -> bool:
    rounds = node.kwargs.get("rounding_mode") is not None
    return _kind(node) == "div" and node.args[1:] == (6,) and not rounds


def _matched(division: fx.Node) -> SpelledOut | None:
    top = division.args[0]
    if not isinstance(top, fx.Node):
        return None
    if _kind(top) != "mul":
        clip = _clipped(top)
        return clip and SpelledOut("aten.hardsigmoid.default", clip[0], clip[1])
    for source, factor in (top.args[:2], top.args[1::-1]):
        clip = _clipped(factor) if isinstance(factor, fx.Node) else None
        if clip and clip[0] is source:
            return SpelledOut("aten.hardswish.default", clip[0], clip[1] | {top})
    return None


def _clipped(node: fx.Node) -> tuple[fx.Node, frozenset[fx.Node]] | None:
    """(x, all nodes down to it) of ``clip(x + 3, 0, 6)``."""
    low, high, seen = -INFINITE, INFINITE, {node}
    while _kind(node) in CLIPS and isinstance(node.args[0], fx.Node):
        if (ends := _ends(node)) is None:
            return None
        below, above = ends
        low, high = max(low, below), min(high, above)
        node = node.args[0]
        seen.add(node)
    if (low, high) != (0, 6) or _kind(node) != "add" or node.kwargs:
        return None
    source, three = node.args
    return (source, frozenset(seen)) if isinstance(source, fx.Node) and three == 3 else None


def _ends(node: fx.Node) -> tuple[float, float] | None:
    """Least and largest value that a clip lets through; None where one is a tensor."""
    kind = _kind(node)
    names = ("max",) if kind == "clamp_max" else ("min", "max")
    given = dict(zip(names, node.args[1:], strict=False))
    given |= {name.removesuffix("_val"): value for name, value in node.kwargs.items()}
    low, high = DEFAULTS.get(kind, (-INFINITE, INFINITE))
    least, most = given.get("min"), given.get("max")
    least, most = low if least is None else least, high if most is None else most
    if not isinstance(least, int | float) or not isinstance(most, int | float):
        return None
    return float(least), float(most)


def _kind(node: fx.Node) -> str:
    """``add`` for aten.add.Tensor and aten.add_.Tensor; empty for what is no aten operator."""
    name = str(node.target)
    return name.split(".")[1].rstrip("_") if name.startswith("aten.") else ""
