"""Moves flip-flops into output registers of block RAM and multipliers, which Yosys leaves unused.

A DP16KD of ECP5 gives its data 5.6 ns after the clock (speed grade 6), through its own output
register after 1 ns. A register that takes what was read while the next word is read is that one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product

from qcompiler.flows.pnr_netlist import Bit, Cell, Netlist

WIDE = 36  # of either port: A writes, B reads, and both halves of the outputs belong to B
DEPTHS = (0, 1, 2, 3)  # levels of logic that the enables are looked through
LEAVES = 12  # most nets they may then depend on


def absorb_output_registers(netlist: Netlist) -> int:
    """Use the output registers of DP16KD and MULT18X18D where that changes nothing but the timing.

    Every used output of a port must feed one flip-flop and nothing else. These have no reset, start
    as zeros, have one clock, that of a memory's port, and one clock enable, which is never on while
    that of the port is off: whether the port's holds the register too then makes no difference. The
    port has no reset either, which would reach the register, too. Returns how many ports and
    multipliers now have a register.
    """
    taken = 0
    for cell in list(netlist.cells.values()):
        if cell["type"] == "DP16KD":
            wide = WIDE in [int(cell["parameters"][f"DATA_WIDTH_{port}"], 2) for port in "AB"]
            for port, halves in (("B", "AB"),) if wide else (("A", "A"), ("B", "B")):
                taken += _absorb_read(netlist, cell, port, halves)
        elif cell["type"] == "MULT18X18D":
            taken += _absorb_product(netlist, cell)
    return taken


def _absorb_read(netlist: Netlist, cell: Cell, port: str, halves: str) -> bool:
    pins = cell["connections"]
    outputs = _used(netlist, cell, tuple(f"DO{half}" for half in halves))
    registers = _registers(netlist, outputs)
    if registers is None or cell["parameters"][f"REGMODE_{port}"] != "NOREG":
        return False
    clock, enable = registers.clock, registers.enable
    rising = cell["parameters"].get(f"CLK{port}MUX", f"CLK{port}") == f"CLK{port}"
    if clock != pins[f"CLK{port}"][0] or not rising:
        return False
    if any(pins.get(f"RST{half}", ["0"]) != ["0"] for half in halves):
        return False
    if not _implies(netlist, enable, (pins[f"CE{port}"][0], True)):
        return False
    _take(netlist, cell, outputs, registers)
    for half in halves:
        cell["parameters"][f"REGMODE_{half}"] = "OUTREG"
    pins[f"OCE{port}"] = [_driven(netlist, enable)]
    return True


def _absorb_product(netlist: Netlist, cell: Cell) -> bool:
    outputs = _used(netlist, cell, ("P",))
    registers = _registers(netlist, outputs)
    if registers is None or "REG_OUTPUT_CLK" in cell["parameters"]:
        return False
    _take(netlist, cell, outputs, registers)
    for kind, bit in (
        ("CLK", registers.clock),
        ("CE", _driven(netlist, registers.enable)),
        ("RST", "0"),
    ):
        cell["parameters"][f"REG_OUTPUT_{kind}"] = f"{kind}0"
        cell["connections"][f"{kind}0"] = [bit]
        cell["port_directions"][f"{kind}0"] = "input"
    return True


# ---- the flip-flops behind a block ---------------------------------------------------------------

Enable = tuple[Bit, bool]
"""A net, and the level at which it enables."""


@dataclass(frozen=True)
class _Registers:
    names: list[list[str]]  # for each output; several are copies of one
    clock: Bit
    enable: Enable


def _used(netlist: Netlist, cell: Cell, names: tuple[str, ...]) -> list[tuple[str, Bit]]:
    """Outputs of a cell that somebody reads, and their nets."""
    pattern = re.compile(f"(?:{'|'.join(names)})\\d+")
    pins = [(pin, bits[0]) for pin, bits in cell["connections"].items() if pattern.fullmatch(pin)]
    return [(pin, bit) for pin, bit in pins if netlist.sinks.get(bit)]


def _registers(netlist: Netlist, outputs: list[tuple[str, Bit]]) -> _Registers | None:
    """The flip-flops that take the outputs, None where there is anything else."""
    names = [_flip_flops(netlist, bit) for _, bit in outputs]
    found = [netlist.cells[name] for copies in names for name in copies]
    clocks = {cell["connections"]["CLK"][0] for cell in found}
    enables = {_enable(cell) for cell in found}
    if not all(names) or len(clocks) != 1 or len(enables) != 1:
        return None
    return _Registers(names, clocks.pop(), enables.pop())


def _flip_flops(netlist: Netlist, bit: Bit) -> list[str]:
    """The flip-flops without reset that read a net, none where there is anything else."""
    found = [name for name, pin in netlist.sinks[bit] if _plain(netlist.cells.get(name), pin)]
    return found if len(found) == len(netlist.sinks[bit]) else []


def _plain(cell: Cell | None, pin: str) -> bool:
    if cell is None or cell["type"] != "TRELLIS_FF" or pin != "DI":
        return False
    settings = cell["parameters"]
    zeros = settings.get("REGSET", "RESET") == "RESET" and settings.get("LSRMUX", "LSR") == "LSR"
    return bool(cell["connections"]["LSR"] == ["0"] and settings["CLKMUX"] == "CLK" and zeros)


def _take(
    netlist: Netlist, cell: Cell, outputs: list[tuple[str, Bit]], registers: _Registers
) -> None:
    """Let the outputs drive what the flip-flops drove."""
    for (pin, bit), (name, *copies) in zip(outputs, registers.names, strict=True):
        kept = netlist.cells.pop(name)["connections"]["Q"]
        cell["connections"][pin] = kept
        for copy in copies:
            _rewire(netlist, netlist.cells.pop(copy)["connections"]["Q"][0], kept[0])
        netlist.sinks.pop(bit)


def _rewire(netlist: Netlist, old: Bit, new: Bit) -> None:
    """Let all that read or name one net take another."""
    readers = netlist.sinks.pop(old, [])
    for name, pin in readers:
        if name in netlist.cells:
            pins = netlist.cells[name]["connections"]
            pins[pin] = [new if bit == old else bit for bit in pins[pin]]
    for group in ("ports", "netnames"):
        for facts in netlist.module[group].values():
            facts["bits"] = [new if bit == old else bit for bit in facts["bits"]]
    netlist.sinks.setdefault(new, []).extend(readers)


# ---- clock enables -----------------------------------------------------------------------------


def _enable(register: Cell) -> Enable:
    """When a flip-flop takes its data."""
    mux = register["parameters"].get("CEMUX", "1").strip()
    return (register["connections"]["CE"][0], mux == "CE") if mux in ("CE", "INV") else ("1", True)


def _driven(netlist: Netlist, enable: Enable) -> Bit:
    """A net that is high when the enable is on; through an inverter where it is not itself."""
    net, high = enable
    if high:
        return net
    name = f"{netlist.drivers.get(net, 'enable')}_oce{net}"
    if name not in netlist.cells:
        bits = [b for facts in netlist.module["netnames"].values() for b in facts["bits"]]
        bits += [
            b for cell in netlist.cells.values() for bs in cell["connections"].values() for b in bs
        ]
        fresh = 1 + max(bit for bit in bits if isinstance(bit, int))
        netlist.cells[name] = {
            "hide_name": 0,
            "type": "LUT4",
            "parameters": {"INIT": "0101010101010101"},
            "attributes": {},
            "port_directions": dict.fromkeys("ABCD", "input") | {"Z": "output"},
            "connections": {"A": [net], "B": ["0"], "C": ["0"], "D": ["0"], "Z": [fresh]},
        }
    driven: Bit = netlist.cells[name]["connections"]["Z"][0]
    return driven


def _implies(netlist: Netlist, first: Enable, second: Enable) -> bool:
    """``second`` is on whenever ``first`` is, as far as a few levels of logic tell."""
    for depth in DEPTHS:
        leaves = sorted(_leaves(netlist, first[0], depth) | _leaves(netlist, second[0], depth))
        if len(leaves) <= LEAVES and all(
            _value(netlist, first[0], level) != first[1]
            or _value(netlist, second[0], level) == second[1]
            for levels in product((False, True), repeat=len(leaves))
            for level in [dict(zip(leaves, levels, strict=True))]
        ):
            return True
    return False


# How the multiplexers that join LUTs choose: (select, when high, when low).
_CHOICES = {"PFUMX": ("C0", "ALUT", "BLUT"), "L6MUX21": ("SD", "D1", "D0")}


def _logic(netlist: Netlist, bit: Bit) -> Cell | None:
    """The LUT or multiplexer that drives a net."""
    cell = netlist.cells.get(netlist.drivers.get(bit, ""))
    return cell if cell is not None and cell["type"] in ("LUT4", *_CHOICES) else None


def _inputs(cell: Cell) -> list[Bit]:
    pins = _CHOICES.get(cell["type"], "ABCD")
    return [cell["connections"][pin][0] for pin in pins]


def _leaves(netlist: Netlist, bit: Bit, depth: int) -> set[int]:
    """The nets that a net depends on, seen through so many levels."""
    if isinstance(bit, str):
        return set()
    cell = _logic(netlist, bit) if depth else None
    if cell is None:
        return {bit}
    return {leaf for pin in _inputs(cell) for leaf in _leaves(netlist, pin, depth - 1)}


def _value(netlist: Netlist, bit: Bit, level: dict[int, bool]) -> bool:
    """The level of a net for levels of its leaves."""
    if isinstance(bit, str):
        return bit == "1"
    if bit in level:
        return level[bit]
    cell = _logic(netlist, bit)
    assert cell is not None, "a leaf without a level"
    values = [_value(netlist, pin, level) for pin in _inputs(cell)]
    if cell["type"] != "LUT4":
        return values[1] if values[0] else values[2]
    place = sum(value << k for k, value in enumerate(values))
    return bool(cell["parameters"]["INIT"][15 - place] == "1")
