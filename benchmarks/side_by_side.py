"""Modules side by side in one design whose ports are all their streams, for Yosys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from fit_cases import Case

from qcompiler.hardware.instance import Sized
from qcompiler.hardware.instances import render_node
from qcompiler.resources import RTL


def literal(value: int | str | Sized) -> str:
    if isinstance(value, Sized):
        return f"{value.width}'h{value.value:x}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def design(cases: Sequence[Case]) -> dict[str, str]:
    """The files of a build of top ``t``: sources, memories, manifest and the library."""
    ports: list[str] = []
    body: list[str] = []
    files: dict[str, str] = {}
    memories: dict[str, str] = {}
    for one in cases:
        rendered = render_node(one.graph, one.name, "t")
        inner = {w.name for w in rendered.wires}
        files.update(rendered.modules)
        memories.update(rendered.memories)
        for w in rendered.wires:
            body.append(f"wire [{w.width - 1}:0] {w.name}_tdata;")
            body.append(f"wire {w.name}_tvalid, {w.name}_tready, {w.name}_tlast;")
        for i in rendered.instances:
            binds = [".clk(clk)", ".rst(rst)"]
            for prefix, wires in i.ports.items():
                go, back = ("output", "input") if prefix == "m_axis" else ("input", "output")
                for signal in ("tdata", "tvalid", "tready", "tlast"):
                    joined = ", ".join(f"{w.name}_{signal}" for w in reversed(wires))
                    binds.append(f".{prefix}_{signal}({{{joined}}})")
                for w in wires:
                    if w.name not in inner:
                        ports.append(f"{go} wire [{w.width - 1}:0] {w.name}_tdata")
                        ports += [f"{go} wire {w.name}_{s}" for s in ("tvalid", "tlast")]
                        ports.append(f"{back} wire {w.name}_tready")
            values = ", ".join(f".{k}({literal(v)})" for k, v in i.parameters.items())
            body.append(f"{i.module} #({values}) {i.name} ({', '.join(binds)});")
    head = "(input wire clk, input wire rst,\n" + ",\n".join(ports) + ");"
    same = ", ".join(f".{n}({n})" for n in ["clk", "rst", *(p.split()[-1] for p in ports)])
    text = f"module t_core {head}\n" + "\n".join(body) + "\nendmodule\n"
    files["t.v"] = f"{text}module t {head}\nt_core core ({same});\nendmodule\n"
    files |= {path.name: path.read_text() for path in sorted(RTL.glob("*.v"))}
    written = {name: content.replace("#() ", "") for name, content in {**files, **memories}.items()}
    return {**written, "manifest.json": json.dumps({"top": "t", "sources": list(files)})}


def digest(one: Case) -> str:
    """Of all that Yosys sees of a module: its text, memories, parameters and library modules."""
    rendered = render_node(one.graph, one.name, "t")
    library = {path.stem: path for path in RTL.glob("*.v")}
    parts = [json.dumps([sorted(rendered.modules.items()), sorted(rendered.memories.items())])]
    for i in rendered.instances:
        parts.append(f"{i.module} {[(k, literal(v)) for k, v in i.parameters.items()]}")
        parts += [library[i.module].read_text()] if i.module in library else []
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
