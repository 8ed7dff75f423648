"""Switched bits of every net, from the SAIF file of a simulation, for each node of the graph.

Verilator counts each change of each traced bit by instance (``--trace-saif``), memories excepted.
Its toggle coverage would count too, but in 5.48 it counts a change in one 32-bit word of a wide net
again in all words above.

A net with several names counts once. A port is a net of the module around it. An assignment of
names alone (``assign m_axis_tdata = out_q``) gives a net a second name: that of a port stands for
it, else the one on the right. Counting starts at zero, so a net that is high at the start counts
one change more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from qcompiler.errors import ToolFailedError
from qcompiler.flows.pnr_netlist import TOP, scope

ARGUMENTS = ("--trace-saif", "--trace-max-width", "65536", "--trace-max-array", "1")
"""Of Verilator: all nets, however wide, and no memories."""

_MODULE = re.compile(r"\bmodule\s+(\w+)(.*?)\bendmodule\b", re.DOTALL)
_PORT = re.compile(
    r"\b(?:input|output)\s+(?:(?:wire|reg)\s+)?(?:signed\s+)?(?:\[[^\]]*\]\s*)?(\w+)"
)
_LOOP = re.compile(r"\binteger\s+(\w+)")
_LINT = re.compile(r"\bunused\w*")  # wires for lint alone
_ASSIGN = re.compile(
    r"\b(?:assign|wire)\s+(?:signed\s+)?(?:\[[^\]]*\]\s*)?(\w+(?:\[[^\]]*\])?|\{[^}]*\})\s*=\s*([^;]+);"
)
_NAMES = re.compile(r"[\w.,\s{}]+")
_NAME = re.compile(r"[A-Za-z_]\w*")
_INDEX = re.compile(r"\[[^\[\]]*\]")
_SIGNED = re.compile(r"\$(?:un)?signed\s*\(([^()]*)\)")
_CONSTANT = re.compile(r"\b\d+'s?[bdh][0-9a-fA-F_]+")
_NET = re.compile(r"\((\S+?)(?:\\\[\d+\\\])* \(T0 .*\(TC (\d+)\)\)")


@dataclass(frozen=True)
class Toggles:
    """Bits that changed in a run, in one node.

    Args:
        stream: In the data of the streams that it makes.
        logic: In all other nets: registers, what lies between them, handshakes.
    """

    stream: int = 0
    logic: int = 0


@dataclass(frozen=True)
class Counted:
    """A design that is simulated to be counted.

    Args:
        sources: Its Verilog.
        top: Its top module, the instance ``dut`` of the harness.
        streams: The node of each stream's wire.
    """

    sources: tuple[Path, ...]
    top: str
    streams: Mapping[str, str]

    def modules(self) -> dict[str, Module]:
        """The modules of the sources, by name."""
        return _read_modules("\n".join(path.read_text() for path in self.sources))

    def read(self, saif: Path) -> dict[str, Toggles]:
        """Changes of all nets by node; of node ``TOP`` those outside of all nodes.

        Args:
            saif: What Verilator wrote.

        Raises:
            ToolFailedError: The file counts nothing of the design.
        """
        modules = self.modules()
        found: dict[str, Toggles] = {}
        for path, module, name, count in _nets(saif, modules, self.top):
            node, stream = scope(".".join([*path, name])) or TOP, False
            wire, _, signal = name.rpartition("_")
            if node == TOP and wire in self.streams:
                node, stream = self.streams[wire], signal == "tdata"
            elif node == TOP and wire.split("__")[0] in self.streams.values():
                node = wire.split("__")[0]  # between the modules of one node
            elif name in modules[module].skipped:
                continue
            old = found.get(node, Toggles())
            new = (count, 0) if stream else (0, count)
            found[node] = Toggles(old.stream + new[0], old.logic + new[1])
        if not found:
            raise ToolFailedError("no net of the design was counted", where=str(saif))
        return found


@dataclass(frozen=True)
class Module:
    """What of a module's names is no net of its own, and the modules of its instances."""

    skipped: frozenset[str]
    instances: Mapping[str, str]


def _nets(
    saif: Path, modules: Mapping[str, Module], top: str
) -> Iterator[tuple[list[str], str, str, int]]:
    """Of each bit below ``dut``: instances around it, its module, the net's name, its changes."""
    opened: list[tuple[str, str | None]] = []  # brackets: of an instance its name and module
    with saif.open() as file:
        for line in map(str.strip, file):
            around = next((module for name, module in reversed(opened) if name), None)
            if line.startswith("(INSTANCE "):
                name = line.split()[1]
                if around is not None:  # a block that `generate` made is part of its module
                    opened.append((name, modules[around].instances.get(name, around)))
                else:
                    opened.append((name, top if name == "dut" else None))
            elif line == ")":
                opened.pop()
            elif line.startswith("(") and line.count("(") > line.count(")"):
                opened.append(("", None))
            elif around is not None and (match := _NET.fullmatch(line)):
                yield [name for name, _ in opened if name], around, match[1], int(match[2])


def _read_modules(text: str) -> dict[str, Module]:
    """The modules of Verilog as the templates and rtl/ write it."""
    plain = re.sub(r"//[^\n]*", "", text)
    bodies = dict(_MODULE.findall(plain))
    instance = re.compile(
        rf"\b({'|'.join(bodies)})\s*(?:#\s*\((?:[^()]|\([^()]*\))*\)\s*)?(\w+)\s*\("
    )
    found = {}
    for name, body in bodies.items():
        ports = set(_PORT.findall(body))
        skipped = (
            ports | _second_names(body, ports) | set(_LOOP.findall(body)) | set(_LINT.findall(body))
        )
        instances = {label: module for module, label in instance.findall(body)}
        found[name] = Module(frozenset(skipped), instances)
    return found


def _second_names(body: str, ports: set[str]) -> set[str]:
    """Names that assignments of names alone give to nets that count elsewhere."""
    found: set[str] = set()
    for left, right in _ASSIGN.findall(body):
        bare = _CONSTANT.sub("", _SIGNED.sub(r"\1", right))
        whole = _INDEX.sub("", _INDEX.sub("", bare))
        if not _NAMES.fullmatch(whole):
            continue
        targets = set(_NAME.findall(_INDEX.sub("", left)))
        found |= targets
        if targets & ports and bare == whole:  # the port stands for what it is assigned
            found |= set(_NAME.findall(bare))
    return found
