"""Netlists of ECP5 cells by hand, and a simulator of them: LUTs, flip-flops, ROMs, multipliers."""

from __future__ import annotations

import random
from typing import Any

from qcompiler.flows.pnr_netlist import Bit, Cell, Netlist

OUTREG = "OUTREG"


def cell(kind: str, inputs: dict[str, list[Any]], outputs: dict[str, list[Any]]) -> dict[str, Any]:
    directions = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    connections = inputs | outputs
    return {
        "type": kind,
        "parameters": {},
        "port_directions": directions,
        "connections": connections,
    }


def netlist(
    cells: dict[str, Any], names: dict[str, list[int]], ports: dict[str, Any] | None = None
) -> Netlist:
    nets = {name: {"hide_name": 0, "bits": bits} for name, bits in names.items()}
    module = {"cells": cells, "netnames": nets, "ports": ports or {}}
    return Netlist({"modules": {"top": module}}, "top")


class Simulator:
    """A module of cells, clock by clock.

    A ROM holds a hash of its address: what it is does not matter to where a register stands. Of an
    output register the hardware may or may not hold it while its port is off: ``held`` says which.
    """

    def __init__(self, module: dict[str, Any], held: bool) -> None:
        self.cells: dict[str, Cell] = module["cells"]
        self.ports, self.held = module["ports"], held
        self.state: dict[Bit, bool] = {}  # of a net that a clocked cell drives
        self.latched: dict[Bit, bool] = {}  # before the output register
        self.level: dict[Bit, bool] = {}
        self.drivers = {
            bit: (name, port)
            for name, found in self.cells.items()
            for port, bits in found["connections"].items()
            if found["port_directions"][port] == "output"
            for bit in bits
        }

    def step(self, inputs: dict[str, int], clock: str = "clk") -> dict[str, int]:
        """The outputs with these inputs, then a rising edge of a clock."""
        self.level = {
            bit: bool(inputs.get(name, 0) >> k & 1)
            for name, port in self.ports.items()
            if port["direction"] == "input"
            for k, bit in enumerate(port["bits"])
        }
        found = {
            name: sum(self.value(bit) << k for k, bit in enumerate(port["bits"]))
            for name, port in self.ports.items()
            if port["direction"] == "output"
        }
        edge = self.ports[clock]["bits"][0]
        changes: dict[Bit, bool] = {}
        latches: dict[Bit, bool] = {}
        for item in self.cells.values():
            if item["type"] == "TRELLIS_FF" and item["connections"]["CLK"] == [edge]:
                self._flip_flop(item, changes)
            elif item["type"] == "DP16KD":
                self._memory(item, edge, changes, latches)
            elif self._pin(item, "CLK0", "x") == edge and self.on(item, "CE0"):
                changes |= self._product(item)
        self.state |= changes
        self.latched |= latches
        return found

    # ---- levels ----------------------------------------------------------------------------------

    def value(self, bit: Bit) -> bool:
        """The level of a net before the edge."""
        if isinstance(bit, str):
            return bit == "1"
        if bit not in self.level:
            self.level[bit] = self._driven(bit)
        return self.level[bit]

    def on(self, item: Cell, pin: str, default: str = "0") -> bool:
        return self.value(self._pin(item, pin, default))

    @staticmethod
    def _pin(item: Cell, pin: str, default: str) -> Bit:
        bit: Bit = item["connections"].get(pin, [default])[0]
        return bit

    def _driven(self, bit: Bit) -> bool:
        if bit not in self.drivers:
            raise KeyError(f"nothing drives {bit}")
        item = self.cells[self.drivers[bit][0]]
        kind, parameters = item["type"], item["parameters"]
        if kind == "LUT4":
            place = sum(self.on(item, pin) << k for k, pin in enumerate("ABCD"))
            return bool(parameters["INIT"][15 - place] == "1")
        if kind in ("PFUMX", "L6MUX21"):
            select, high, low = {"PFUMX": ("C0", "ALUT", "BLUT")}.get(kind, ("SD", "D1", "D0"))
            return self.on(item, high if self.on(item, select) else low)
        if kind == "MULT18X18D" and "REG_OUTPUT_CLK" not in parameters:
            return self._product(item)[bit]
        start = kind == "TRELLIS_FF" and parameters.get("REGSET") == "SET"
        return self.state.get(bit, start)

    def _product(self, item: Cell) -> dict[Bit, bool]:
        factors = []
        for side in "AB":
            bits = [self.on(item, f"{side}{k}") for k in range(18)]
            sign = bits[17] and self.on(item, f"SIGNED{side}")
            factors.append(sum(bit << k for k, bit in enumerate(bits)) - (sign << 18))
        total = factors[0] * factors[1]
        pins = ((k, item["connections"].get(f"P{k}", [])) for k in range(36))
        return {bit: bool(total >> k & 1) for k, bits in pins for bit in bits}

    # ---- edges -----------------------------------------------------------------------------------

    def _flip_flop(self, item: Cell, changes: dict[Bit, bool]) -> None:
        mux = item["parameters"].get("CEMUX", "1").strip()
        enabled = mux == "1" or self.on(item, "CE") == (mux == "CE")
        (q,) = item["connections"]["Q"]
        if self.on(item, "LSR"):
            changes[q] = item["parameters"].get("REGSET") == "SET"
        elif enabled:
            changes[q] = self.on(item, "DI")

    def _memory(
        self,
        item: Cell,
        edge: Bit,
        changes: dict[Bit, bool],
        latches: dict[Bit, bool],
    ) -> None:
        settings = item["parameters"]
        wide = 36 in (int(settings["DATA_WIDTH_A"], 2), int(settings["DATA_WIDTH_B"], 2))
        for pin, bits in item["connections"].items():
            if not pin.startswith(("DOA", "DOB")):
                continue
            half, bit = pin[2], bits[0]
            port = "B" if wide else half
            if self._pin(item, f"CLK{port}", "x") != edge:
                continue
            address = tuple(self.on(item, f"AD{port}{k}") for k in range(14))
            enabled, cleared = self.on(item, f"CE{port}"), self.on(item, f"RST{port}")
            word = random.Random(f"{pin} {address}").random() < 0.5
            read = False if cleared else word if enabled else None
            if settings[f"REGMODE_{half}"] != OUTREG:
                changes |= {} if read is None else {bit: read}
                continue
            if cleared:
                changes[bit] = False
            elif self.on(item, f"OCE{port}") and (enabled or not self.held):
                changes[bit] = self.latched.get(bit, False)
            latches |= {} if read is None else {bit: read}


def same_outputs(
    before: dict[str, Any],
    after: dict[str, Any],
    *,
    steps: int = 300,
    clocks: tuple[str, ...] = ("clk",),
) -> bool:
    """Two modules with the same ports give the same outputs to the same random inputs."""
    for held in (False, True):
        rng = random.Random(1)
        pair = Simulator(before, held), Simulator(after, held)
        for _ in range(steps):
            inputs = {
                name: rng.getrandbits(len(port["bits"]))
                for name, port in before["ports"].items()
                if port["direction"] == "input" and name not in clocks
            }
            clock = rng.choice(clocks)
            if pair[0].step(inputs, clock) != pair[1].step(inputs, clock):
                return False
    return True
