"""The graph that all three dialects share: ops on a networkx multi-digraph."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import networkx as nx

from qcompiler.errors import GraphError
from qcompiler.ir.text import field_text


class Op(Protocol):
    """One operation: a frozen dataclass of facts. Edges live in the graph alone."""

    dialect: str

    def infer(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """Types of the outputs for these input types; raises GraphError on a broken rule."""


@dataclass(frozen=True)
class Value:
    """One output of a node: ``port`` is 0 except for ops with several outputs."""

    node: str
    port: int = 0

    def __str__(self) -> str:
        return f"%{self.node}" + (f"#{self.port}" if self.port else "")


class Graph:
    """A network of ops of one dialect, in single-assignment form.

    Args:
        dialect: ``nn``, ``integer`` or ``hardware``; every op must belong to it.
    """

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self._g = nx.MultiDiGraph()

    # ---- building ---------------------------------------------------------

    def add(self, name: str, op: Any, inputs: Sequence[Value | str] = ()) -> Value:
        """Add a node fed by ``inputs`` (in order) and return its first output."""
        if name in self._g:
            raise GraphError("the name is already taken", where=name)
        self._check_dialect(name, op)
        sources = [self._existing(_value(source), name) for source in inputs]
        self._g.add_node(name, op=op, types=())
        for slot, source in enumerate(sources):
            self._connect(source, name, slot)
        try:
            self._retype(name)
        except Exception:
            self._g.remove_node(name)
            raise
        return Value(name)

    def _check_dialect(self, name: str, op: Any) -> None:
        if op.dialect != self.dialect:
            raise GraphError(
                f"{type(op).__name__} is an op of {op.dialect}, the graph is {self.dialect}",
                where=name,
            )

    def _existing(self, source: Value, name: str) -> Value:
        if source.node not in self._g:
            raise GraphError(f"input {source} does not exist", where=name)
        return source

    def _connect(self, source: Value, name: str, slot: int) -> None:
        self._g.add_edge(source.node, name, key=(source.port, slot))

    def _retype(self, name: str) -> None:
        try:
            types = tuple(self.op(name).infer([self.type(v) for v in self.inputs(name)]))
        except GraphError as error:
            if error.where:
                raise
            raise type(error)(error.what, where=name, hint=error.hint) from None
        self._g.nodes[name]["types"] = types

    # ---- reading ----------------------------------------------------------

    def __iter__(self) -> Iterator[str]:
        """Node names in topological order, ties broken by name: reproducible."""
        try:
            return iter(list(nx.lexicographical_topological_sort(self._g)))
        except nx.NetworkXUnfeasible:
            raise GraphError("the graph has a cycle") from None

    def __contains__(self, name: str) -> bool:
        return name in self._g

    def __len__(self) -> int:
        return len(self._g)

    def op(self, name: str) -> Any:
        return self._g.nodes[name]["op"]

    def type(self, value: Value | str) -> Any:
        value = _value(value)
        types = self._g.nodes[value.node]["types"]
        if value.port >= len(types):
            raise GraphError(
                f"node has {len(types)} output(s), {value} was asked for", where=value.node
            )
        return types[value.port]

    def types(self, name: str) -> tuple[Any, ...]:
        types: tuple[Any, ...] = self._g.nodes[name]["types"]
        return types

    def inputs(self, name: str) -> list[Value]:
        slots = [
            (slot, Value(src, port)) for src, _, (port, slot) in self._g.in_edges(name, keys=True)
        ]
        return [value for _, value in sorted(slots, key=lambda pair: pair[0])]

    def users(self, name: str, port: int | None = None) -> list[tuple[str, int]]:
        """(consumer, input slot) pairs of a node, optionally of one output port alone."""
        return sorted(
            (dst, slot)
            for _, dst, (p, slot) in self._g.out_edges(name, keys=True)
            if port is None or p == port
        )

    def find(self, kind: builtins.type) -> list[str]:
        """Names of all nodes whose op is a ``kind``, in topological order."""
        return [name for name in self if isinstance(self.op(name), kind)]

    def only(self, kind: builtins.type) -> str:
        names = self.find(kind)
        if len(names) != 1:
            raise GraphError(
                f"a {self.dialect} graph has one {kind.__name__}, this has {len(names)}"
            )
        return names[0]

    # ---- rewriting (passes only) -------------------------------------------

    def replace(self, name: str, op: Any) -> None:
        """Put ``op`` in the place of a node's op, keeping its name and edges."""
        self._check_dialect(name, op)
        self._g.nodes[name]["op"] = op
        self._retype(name)

    def reconnect(self, name: str, slot: int, source: Value | str) -> None:
        """Feed one input slot of a node from another value."""
        old, new = self.inputs(name)[slot], self._existing(_value(source), name)
        self._g.remove_edge(old.node, name, key=(old.port, slot))
        self._connect(new, name, slot)

    def redirect(self, old: Value | str, new: Value | str, *, keep: Sequence[str] = ()) -> None:
        """Feed every user of ``old`` from ``new``, except the nodes in ``keep``."""
        old, new = _value(old), _value(new)
        for user, slot in self.users(old.node, old.port):
            if user not in keep:
                self.reconnect(user, slot, new)

    def insert(self, name: str, op: Any, after: Value | str) -> Value:
        """Put a one-input node between a value and all its users."""
        value = self.add(name, op, [after])
        self.redirect(after, value, keep=(name,))
        return value

    def remove(self, name: str) -> None:
        """Remove a node that nobody uses, or splice out a node with one input."""
        if self.users(name):
            (source,) = self.inputs(name)
            self.redirect(name, source)
        self._g.remove_node(name)

    def discard(self, name: str) -> None:
        """Delete a node that nobody uses."""
        if self.users(name):
            raise GraphError("the node is still used", where=name)
        self._g.remove_node(name)

    def rename(self, old: str, new: str) -> None:
        """Give a node another name."""
        if new in self._g:
            raise GraphError("the name is already taken", where=new)
        self._g = nx.relabel_nodes(self._g, {old: new}, copy=True)

    def copy(self) -> Graph:
        other = Graph(self.dialect)
        other._g = self._g.copy()
        return other

    def fresh(self, stem: str) -> str:
        """A name that is not taken: ``stem``, else ``stem_1``, ``stem_2`` …"""
        name, k = stem, 0
        while name in self._g:
            k += 1
            name = f"{stem}_{k}"
        return name

    # ---- rules ------------------------------------------------------------

    def check(self) -> None:
        """Recompute every type from the inputs on; raises GraphError at the first broken rule."""
        for name in self:
            slots = [slot for _, _, (_, slot) in self._g.in_edges(name, keys=True)]
            if sorted(slots) != list(range(len(slots))):
                raise GraphError(
                    f"input slots are {sorted(slots)}, not 0…{len(slots) - 1}", where=name
                )
            self._retype(name)

    def __str__(self) -> str:
        """The exact text form: one node a line, arrays by type, shape and digest."""
        rows = []
        for name in self:
            types = ", ".join(map(str, self.types(name)))
            args = ", ".join(map(str, self.inputs(name)))
            op = self.op(name)
            rows.append(f"%{name}: {types} = {type(op).__name__}({args}){field_text(op)}")
        return "\n".join(rows)


def _value(value: Value | str) -> Value:
    return value if isinstance(value, Value) else Value(value)
