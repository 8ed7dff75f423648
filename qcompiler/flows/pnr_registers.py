"""Moves flip-flops behind block RAM into its output registers, which Yosys leaves unused.

A DP16KD of ECP5 gives its data 5.6 ns after the clock (speed grade 6), through its own output
register after 1 ns. Two registers in a row that move under the same enable are what the templates
write; the second one is the block's.
"""

from __future__ import annotations

from qcompiler.flows.pnr_netlist import Bit, Cell, Netlist

WIDE = 36  # both halves of the outputs belong to port B


def absorb_output_registers(netlist: Netlist) -> int:
    """Use the output registers of DP16KD blocks where that changes nothing but the timing.

    Every used output of a port must feed one flip-flop and nothing else; these have no reset, the
    clock of the port, and its clock enable (or it is always enabled). Returns how many ports now
    have a register.
    """
    taken = 0
    for cell in list(netlist.cells.values()):
        if cell["type"] == "DP16KD":
            wide = int(cell["parameters"]["DATA_WIDTH_A"], 2) == WIDE
            for port, halves in (("B", "AB"),) if wide else (("A", "A"), ("B", "B")):
                taken += _absorb(netlist, cell, port, halves)
    return taken


def _absorb(netlist: Netlist, cell: Cell, port: str, halves: str) -> bool:
    pins = cell["connections"]
    outputs = [
        (name, bits[0])
        for name, bits in pins.items()
        if name.startswith(tuple(f"DO{half}" for half in halves)) and netlist.sinks.get(bits[0])
    ]
    if not outputs or cell["parameters"][f"REGMODE_{port}"] != "NOREG":
        return False
    registers = [_register(netlist, bit) for _, bit in outputs]
    found = [name for name in registers if name is not None]
    if len(found) < len(registers):
        return False
    flip_flops = [netlist.cells[name] for name in found]
    clocks = {ff["connections"]["CLK"][0] for ff in flip_flops} | {pins[f"CLK{port}"][0]}
    enables = {_enable(netlist, ff) for ff in flip_flops}
    read = _function(netlist, pins[f"CE{port}"][0])
    if len(clocks) > 1 or len(enables) > 1 or not ({read, _ALWAYS} & enables):
        return False
    if read not in enables and read != _ALWAYS:
        return False  # the register would wait for the port, the flip-flop does not
    for (output, bit), name in zip(outputs, found, strict=True):
        pins[output] = netlist.cells[name]["connections"]["Q"]
        del netlist.cells[name]
        netlist.sinks.pop(bit)
    for half in halves:
        cell["parameters"][f"REGMODE_{half}"] = "OUTREG"
    pins[f"OCE{port}"] = pins[f"CE{port}"]
    return True


def _register(netlist: Netlist, bit: Bit) -> str | None:
    """The one flip-flop without reset that reads a net, None where there is anything else."""
    readers = netlist.sinks[bit]
    if len(readers) != 1 or readers[0][0] not in netlist.cells:
        return None
    name, pin = readers[0]
    cell = netlist.cells[name]
    plain = cell["type"] == "TRELLIS_FF" and pin == "DI" and cell["connections"]["LSR"] == ["0"]
    return name if plain and cell["parameters"]["CLKMUX"] == "CLK" else None


# ---- clock enables -----------------------------------------------------------------------------

Function = tuple[tuple[Bit, ...], str]
"""Inputs, and the value for each of their settings, the first input the quickest."""
_ALWAYS: Function = ((), "1")


def _enable(netlist: Netlist, register: Cell) -> Function:
    """When a flip-flop takes its data."""
    mux = register["parameters"].get("CEMUX", "1").strip()
    if mux not in ("CE", "INV"):
        return _ALWAYS
    inputs, values = _function(netlist, register["connections"]["CE"][0])
    return inputs, _inverted(values) if mux == "INV" else values


def _inverted(values: str) -> str:
    return "".join("10"[int(v)] for v in values)


def _function(netlist: Netlist, bit: Bit) -> Function:
    """A net as a function of the inputs of the LUT that drives it, else of itself."""
    if isinstance(bit, str):
        return (), "1" if bit == "1" else "0"
    cell = netlist.cells.get(netlist.drivers.get(bit, ""))
    if cell is None or cell["type"] != "LUT4":
        return (bit,), "01"
    pins = [cell["connections"][pin][0] for pin in "ABCD"]
    table = cell["parameters"]["INIT"][::-1]
    inputs = sorted({pin for pin in pins if not isinstance(pin, str)})
    values = ""
    for setting in range(1 << len(inputs)):
        level = {pin: setting >> k & 1 for k, pin in enumerate(inputs)}
        values += table[sum(_level(pin, level) << k for k, pin in enumerate(pins))]
    return tuple(inputs), values


def _level(pin: Bit, level: dict[int, int]) -> int:
    return int(pin == "1") if isinstance(pin, str) else level[pin]
