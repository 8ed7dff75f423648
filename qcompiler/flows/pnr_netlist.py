"""A netlist that Yosys wrote as JSON, flattened: who drives what, and the node each cell serves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from qcompiler.flows.synth import Cells

Cell = dict[str, Any]
Bit = int | str
"""A net of one bit, or the constant ``"0"``, ``"1"``, ``"x"``."""

TOP = ""
"""The node of cells that serve none."""

# Names that Yosys makes of a net's and a cell's.
_DERIVED = re.compile(r"_(?:LUT4|CCU2C|PFUMX|L6MUX21|TRELLIS_FF|SB_\w+|DP16KD|MULT18X18D)_")

# Ports of a node that are driven from outside: such a name says nothing about who drives the net.
_INPUT = re.compile(r"clk|rst|(?!m_axis)\w+_axis_t(?:data|valid|last)|m_axis_tready")


class Netlist:
    """The top module of a netlist.

    Args:
        document: The JSON document.
        top: Name of the module.
    """

    def __init__(self, document: dict[str, Any], top: str) -> None:
        self.document = document
        self.module: dict[str, Any] = document["modules"][top]
        self.cells: dict[str, Cell] = self.module["cells"]

    @cached_property
    def drivers(self) -> dict[Bit, str]:
        """The cell that drives each net."""
        return {bit: name for name, _, bit in self._pins("output")}

    @cached_property
    def sinks(self) -> dict[Bit, list[tuple[str, str]]]:
        """Cells and their ports that read each net; the pads as cell ``""``."""
        found: dict[Bit, list[tuple[str, str]]] = {}
        for name, port, bit in self._pins("input"):
            found.setdefault(bit, []).append((name, port))
        for port, facts in self.module["ports"].items():
            if facts["direction"] != "input":
                for bit in facts["bits"]:
                    found.setdefault(bit, []).append(("", port))
        return found

    def _pins(self, direction: str) -> Iterator[tuple[str, str, Bit]]:
        for name, cell in self.cells.items():
            for port, bits in cell["connections"].items():
                if cell["port_directions"][port] == direction:
                    for bit in bits:
                        if not isinstance(bit, str):
                            yield name, port, bit

    def outputs(self, cell: str) -> list[Bit]:
        """The nets that a cell drives."""
        found = self.cells[cell]
        return [
            bit
            for port, bits in found["connections"].items()
            if found["port_directions"][port] == "output"
            for bit in bits
        ]

    # ---- nodes ---------------------------------------------------------------------------------

    @cached_property
    def node_of(self) -> dict[str, str]:
        """The node of each cell, ``TOP`` where there is none.

        A flattened netlist names a register after any of the ports along its net. The node that
        drives a net is the one in which it has a name that is no input. Logic without a name serves
        the node that most of its readers belong to.
        """
        found: dict[str, str] = {}
        unnamed = []
        for name, cell in self.cells.items():
            owner = next(
                (n for b in self.outputs(name) if (n := self._owner.get(b)) is not None), None
            )
            if owner is not None:
                found[name] = owner
            elif cell["type"].startswith(
                ("LUT4", "CCU2C", "PFUMX", "L6MUX21", "SB_LUT4", "SB_CARRY")
            ):
                unnamed.append(name)
            else:
                found[name] = scope(name) or TOP
        for _ in range(64):  # towards the registers; a round for a level of logic
            rest = []
            for name in unnamed:
                readers = [
                    found.get(r) for b in self.outputs(name) for r, _ in self.sinks.get(b, [])
                ]
                nodes = Counter(node for node in readers if node)
                if nodes:
                    found[name] = max(nodes, key=lambda node: (nodes[node], node))
                else:
                    rest.append(name)
            if len(rest) == len(unnamed):
                break
            unnamed = rest
        return found | {name: scope(name) or TOP for name in unnamed}

    @cached_property
    def _owner(self) -> dict[Bit, str]:
        """The node that drives a net, ``TOP`` where it has a name outside of all nodes alone."""
        names: dict[Bit, list[str]] = {}
        for name, facts in self.module["netnames"].items():
            if not facts.get("hide_name") and not _DERIVED.search(name):
                for bit in facts["bits"]:
                    names.setdefault(bit, []).append(name)
        nodes = {node for name in self.module["netnames"] if (node := scope(name))}
        owners = {bit: _driving(every, nodes) for bit, every in names.items()}
        return {bit: owner for bit, owner in owners.items() if owner is not None}

    def cells_of_nodes(self, family: str) -> dict[str, Cells]:
        """Cells of each node, of ``TOP`` what serves none."""
        types: dict[str, Counter[str]] = {}
        for name, node in self.node_of.items():
            types.setdefault(node, Counter())[self.cells[name]["type"]] += 1
        return {node: Cells.count(counts, family) for node, counts in types.items()}


def scope(name: str) -> str | None:
    """The node in a hierarchical name ``core.u_NODE.…``, None outside of all nodes.

    The last part is no instance: ``core.u_net_tdata`` is the stream of a node called ``u_net``.
    """
    for part in name.split(".")[:-1]:
        if part.startswith("u_"):
            return part.removeprefix("u_").split("__")[0]
    return None


def _driving(names: list[str], nodes: set[str]) -> str | None:
    """The node that drives a net of these names; None if they do not tell."""
    inside, entered, outside = set(), set(), False
    for name in names:
        node = scope(name) or _stream_of(name, nodes)
        if node is None:
            outside |= not name.endswith("_tready")
        elif _INPUT.fullmatch(name.split(".")[-1]) and name.split(".")[-2].startswith("u_"):
            entered.add(node)
        else:
            inside.add(node)
    left = sorted(inside - entered)
    if left:
        return left[0]
    return TOP if outside and not inside else None


def _stream_of(name: str, nodes: set[str]) -> str | None:
    """The node that makes the stream of a wire ``NODE_tdata``, ``NODE_0_tdata``, …"""
    match = re.fullmatch(r"(\w+)_t(?:data|valid|last)", name.split(".")[-1])
    stems = (match[1], re.sub(r"__\w+$|_\d+$", "", match[1])) if match else ()
    return next((stem for stem in stems if stem in nodes), None)
