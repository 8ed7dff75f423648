"""A folded hardware graph as files: core, AXI4-Stream top, generated modules, memories, library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qcompiler.hardware.instance import Instance, Sized, Wire, wire
from qcompiler.hardware.instances import render_node
from qcompiler.hardware.render import ENV
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph, Value
from qcompiler.resources import RTL


def _literal(value: int | str | Sized) -> str:
    """A Verilog literal of a parameter value."""
    if isinstance(value, Sized):
        return f"{value.width}'h{value.value:x}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _joined(wires: tuple[Wire, ...], signal: str) -> str:
    """One port expression; the first wire lowest."""
    names = [f"{w.name}_{signal}" for w in wires]
    return names[0] if len(names) == 1 else "{" + ", ".join(reversed(names)) + "}"


ENV.filters["literal"] = _literal
ENV.filters["joined"] = _joined


@dataclass(frozen=True)
class End:
    """One end of the pipeline."""

    wire: Wire
    stream: hw.StreamType

    @property
    def lanes(self) -> int:
        return self.stream.lanes

    @property
    def bits(self) -> int:
        return self.stream.elem.bits

    @property
    def padded(self) -> int:
        """Bits of a lane on the AXI port: whole bytes."""
        return -(-self.bits // 8) * 8

    @property
    def signed(self) -> bool:
        return self.stream.elem.signed


@dataclass(frozen=True)
class Core:
    """What the core and top templates read."""

    top: str
    title: str
    source: End
    sink: End
    wires: list[Wire]
    instances: list[Instance]

    @property
    def core(self) -> str:
        return f"{self.top}_core"


@dataclass(frozen=True)
class Design:
    """All files of a design by relative path, and the order in which tools read the Verilog."""

    core: Core
    files: dict[str, str]
    sources: list[str]


def make_design(graph: Graph, top: str) -> Design:
    """Render a hardware graph.

    Args:
        graph: Folded, with forks and FIFOs in place.
        top: Name of the top module; the core is ``TOP_core``, generated modules ``TOP_NODE``
            (:func:`~qcompiler.hardware.instance.module_name`).
    """
    source, sink = graph.only(hw.Source), graph.only(hw.Sink)
    result = graph.inputs(sink)[0]
    wires: list[Wire] = []
    instances: list[Instance] = []
    files: dict[str, str] = {}
    generated: list[str] = []
    for name in graph:
        rendered = render_node(graph, name, top)
        if name != sink:
            wires += [wire(graph, Value(name, k)) for k in range(len(graph.types(name)))]
        wires += rendered.wires
        instances += rendered.instances
        for path, text in sorted(rendered.modules.items()):
            files[path] = text
            generated.append(path)
        files.update(rendered.memories)
    core = Core(
        top,
        f"{len(graph.find(hw.Engine))} arrays, {len(instances)} modules",
        End(wire(graph, Value(source)), graph.type(source)),
        End(wire(graph, result), graph.type(result)),
        wires,
        instances,
    )
    files[f"{top}_core.v"] = ENV.get_template("core.v.j2").render(d=core)
    files[f"{top}.v"] = ENV.get_template("top.v.j2").render(d=core)
    library = _library(core, files)
    files.update(library)
    return Design(core, files, [f"{top}.v", f"{top}_core.v", *generated, *sorted(library)])


def _library(core: Core, files: dict[str, str]) -> dict[str, str]:
    """The hand-written modules that the design instantiates, directly or not."""
    available = {path.stem: path for path in sorted(RTL.glob("*.v"))}
    text = {name: path.read_text() for name, path in available.items()}
    used = {i.module for i in core.instances if i.module in available}
    pending = [files[path] for path in files if path.endswith(".v")] + [text[n] for n in used]
    while pending:
        body = pending.pop()
        for name in sorted(set(available) - used):
            if f"{name} #" in body or f"{name} u_" in body:
                used.add(name)
                pending.append(text[name])
    return {f"rtl/{name}.v": text[name] for name in sorted(used)}


def stream_facts(graph: Graph) -> list[dict[str, Any]]:
    """Every stream of the core, in the order of the data: what a verifier needs to watch it."""
    facts = []
    for name in graph:
        if isinstance(graph.op(name), hw.Sink):
            continue
        for port, stream in enumerate(graph.types(name)):
            facts.append(
                {
                    "node": name,
                    "wire": wire(graph, Value(name, port)).name,
                    "tensor": stream.tensor,
                    "shape": list(stream.shape),
                    "elem": str(stream.elem),
                    "lanes": stream.lanes,
                    "window": None if stream.order is None else vars(stream.order) | {},
                }
            )
    return facts
