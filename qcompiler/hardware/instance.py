"""Module instances and the streams that join them, and what a rule that renders a node works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph, Value
from qcompiler.resources import RTL


@dataclass(frozen=True)
class Wire:
    """One stream in the core: signals ``NAME_tdata, _tvalid, _tready, _tlast``."""

    name: str
    width: int


@dataclass(frozen=True)
class Sized:
    """A parameter value of a given width."""

    value: int
    width: int


Parameter = int | str | Sized


@dataclass(frozen=True)
class Instance:
    """One module instance; ``ports`` maps a stream port prefix to the wires it joins, low first."""

    name: str
    module: str
    parameters: dict[str, Parameter]
    ports: dict[str, tuple[Wire, ...]]
    comment: str = ""


@dataclass
class Rendered:
    """What one node adds to a design. Memories and modules map file names to text."""

    instances: list[Instance] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)
    memories: dict[str, str] = field(default_factory=dict)


def wire(graph: Graph, value: Value) -> Wire:
    """The wire that carries a value: the node's name, with the port for a fork."""
    many = len(graph.types(value.node)) > 1
    name = f"{value.node}_{value.port}" if many else value.node
    return Wire(name, graph.type(value).width)


def module_name(prefix: str, node: str) -> str:
    """``PREFIX_NODE``; ``PREFIX__NODE`` where the core or a library module is called that.

    No other node gets that name: none begins with an underscore.
    """
    name = f"{prefix}_{node}"
    taken = node == "core" or (RTL / f"{name}.v").is_file()
    return f"{prefix}__{node}" if taken else name


class Context:
    """One node that is rendered; ``out`` is what it adds to the design."""

    def __init__(self, graph: Graph, name: str, prefix: str) -> None:
        self.graph, self.name, self.op = graph, name, graph.op(name)
        self.module = module_name(prefix, name)
        self.inputs = [wire(graph, v) for v in graph.inputs(name)]
        self.x: list[hw.StreamType] = [graph.type(v) for v in graph.inputs(name)]
        self.y: tuple[hw.StreamType, ...] = graph.types(name)
        self.outputs = [wire(graph, Value(name, k)) for k in range(len(self.y))]
        self.out = Rendered()

    def add(
        self,
        module: str,
        parameters: dict[str, Parameter],
        *,
        ports: Mapping[str, tuple[Wire, ...]] | None = None,
        suffix: str = "",
    ) -> None:
        joined = dict(ports or {"s_axis": tuple(self.inputs), "m_axis": tuple(self.outputs)})
        label = f"u_{self.name}" + (f"__{suffix}" if suffix else "")
        self.out.instances.append(Instance(label, module, parameters, joined, str(self.y[0])))

    @property
    def joined(self) -> dict[str, tuple[Wire, ...]]:
        a, b = self.inputs
        return {"a_axis": (a,), "b_axis": (b,), "m_axis": (self.outputs[0],)}
