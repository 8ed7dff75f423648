"""When a block takes the register behind it: every condition by itself, on netlists by hand."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from qcompiler.flows.pnr_netlist import Netlist
from qcompiler.flows.pnr_registers import absorb_output_registers
from tests.flows.ecp5_cells import cell, netlist, same_outputs

CLK, CLK2, EN, GO, RST, ADDRESS = 2, 3, 4, 5, 6, [10, 11, 12]
WORD, OUT = [20, 21], [30, 31]
PORTS: dict[str, Any] = {
    name: {"direction": "input", "bits": bits}
    for name, bits in {
        "clk": [CLK],
        "clk2": [CLK2],
        "en": [EN],
        "go": [GO],
        "rst": [RST],
        "a": ADDRESS,
    }.items()
} | {"q": {"direction": "output", "bits": OUT}}

Change = Callable[[dict[str, Any], dict[str, Any]], object]
"""Changes the cells and ports of the plain case."""


def register(d: int, q: int, ce: int | str | None) -> dict[str, Any]:
    pins = {"CLK": [CLK], "DI": [d], "LSR": ["0"]} | ({} if ce is None else {"CE": [ce]})
    found = cell("TRELLIS_FF", pins, {"Q": [q]})
    found["parameters"] = {
        "CEMUX": "1" if ce is None else "CE",
        "CLKMUX": "CLK",
        "LSRMUX": "LSR",
        "REGSET": "RESET",
    }
    return found


def lut(table: Callable[[bool, bool], bool], a: int, b: int, z: int) -> dict[str, Any]:
    found = cell("LUT4", {"A": [a], "B": [b], "C": ["0"], "D": ["0"]}, {"Z": [z]})
    values = [table(bool(k & 1), bool(k & 2)) for k in range(16)]
    found["parameters"]["INIT"] = "".join("01"[v] for v in reversed(values))
    return found


def memory(port: str = "A") -> dict[str, Any]:
    pins: dict[str, list[Any]] = {f"CE{port}": [EN], f"CLK{port}": [CLK], f"OCE{port}": ["1"]}
    pins |= {f"AD{port}{k}": [bit] for k, bit in enumerate(ADDRESS)} | {f"RST{port}": ["0"]}
    found = cell("DP16KD", pins, {f"DO{port}{k}": [bit] for k, bit in enumerate(WORD)})
    found["parameters"] = {
        "DATA_WIDTH_A": f"{2:032b}",
        "DATA_WIDTH_B": f"{2:032b}",
        "REGMODE_A": "NOREG",
        "REGMODE_B": "NOREG",
        "CLKAMUX": "CLKA",
        "CLKBMUX": "CLKB",
    }
    return found


def multiplier() -> dict[str, Any]:
    sides = {f"{side}{k}": [bit] for side in "AB" for k, bit in enumerate(ADDRESS)}
    signs: dict[str, list[Any]] = {"SIGNEDA": ["0"], "SIGNEDB": ["0"]}
    return cell("MULT18X18D", sides | signs, {f"P{k}": [bit] for k, bit in enumerate(WORD)})


def plain(block: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A block whose outputs go to a register that is enabled with it."""
    cells = {"block": block}
    cells |= {f"q{k}": register(WORD[k], OUT[k], EN) for k in range(2)}
    return cells, deepcopy(PORTS)


def absorbed(cells: dict[str, Any], ports: dict[str, Any]) -> tuple[int, Netlist, dict[str, Any]]:
    found = netlist(cells, {"core.u_a.word_q": WORD, "core.u_a.q": OUT}, ports)
    before = deepcopy(found.module)
    return absorb_output_registers(found), found, before


def every(**settings: Any) -> Change:
    """The same change at both registers; of ``connections`` and ``parameters``."""

    def change(cells: dict[str, Any], ports: dict[str, Any]) -> None:
        for name in ("q0", "q1"):
            for group, values in settings.items():
                cells[name][group] |= values

    return change


def block(**settings: Any) -> Change:
    def change(cells: dict[str, Any], ports: dict[str, Any]) -> None:
        for group, values in settings.items():
            cells["block"][group] |= values
            if group == "connections":
                cells["block"]["port_directions"] |= dict.fromkeys(values, "input")

    return change


def enabled_by(table: Callable[[bool, bool], bool]) -> Change:
    """The registers are enabled by a function of en and go."""

    def change(cells: dict[str, Any], ports: dict[str, Any]) -> None:
        cells["enable"] = lut(table, EN, GO, 40)
        every(connections={"CE": [40]})(cells, ports)

    return change


def read_when(table: Callable[[bool, bool], bool]) -> Change:
    """The memory is read by a function of en and go."""

    def change(cells: dict[str, Any], ports: dict[str, Any]) -> None:
        cells["read"] = lut(table, EN, GO, 41)
        block(connections={"CEA": [41]})(cells, ports)

    return change


def chosen_by(kind: str, pins: tuple[str, str, str]) -> Change:
    """The enable of the registers: en selects pin ``high``, which is go, else ``low``, 0."""

    def change(cells: dict[str, Any], ports: dict[str, Any]) -> None:
        select, high, low = pins
        inputs: dict[str, list[Any]] = {select: [EN], high: [GO], low: ["0"]}
        cells["choice"] = cell(kind, inputs, {"Z": [45]})
        every(connections={"CE": [45]})(cells, ports)

    return change


def seen_by_port(cells: dict[str, Any], ports: dict[str, Any]) -> None:
    ports["w"] = {"direction": "output", "bits": [WORD[0]]}


def seen_by_logic(cells: dict[str, Any], ports: dict[str, Any]) -> None:
    cells["other"] = lut(lambda a, b: a != b, WORD[1], EN, 42)
    ports["w"] = {"direction": "output", "bits": [42]}


def copied(cells: dict[str, Any], ports: dict[str, Any]) -> None:
    cells["copy"] = register(WORD[0], 43, EN)
    ports["w"] = {"direction": "output", "bits": [43]}


def copied_otherwise(cells: dict[str, Any], ports: dict[str, Any]) -> None:
    copied(cells, ports)
    cells["copy"]["connections"]["CE"] = [GO]


def one_missing(cells: dict[str, Any], ports: dict[str, Any]) -> None:
    del cells["q1"]
    ports["q"]["bits"] = [OUT[0], WORD[1]]


def unused(cells: dict[str, Any], ports: dict[str, Any]) -> None:
    del cells["q1"]
    ports["q"]["bits"] = [OUT[0]]


def inverted(cells: dict[str, Any], ports: dict[str, Any]) -> None:
    """Both are on while en is low."""
    cells["not"] = lut(lambda a, b: not a, EN, GO, 44)
    block(connections={"CEA": [44]})(cells, ports)
    every(parameters={"CEMUX": "INV"})(cells, ports)


def nothing(cells: dict[str, Any], ports: dict[str, Any]) -> None:
    pass


MOVES: dict[str, Change] = {
    "plain": nothing,
    "always": lambda c, p: (
        every(parameters={"CEMUX": "1"})(c, p),
        block(connections={"CEA": ["1"]})(c, p),
    ),
    "less often than the read": enabled_by(lambda en, go: en and go),
    "the read more often": read_when(lambda en, go: en or go),
    "through two LUTs": lambda c, p: (
        enabled_by(lambda en, go: en and not go)(c, p),
        read_when(lambda en, go: en != go)(c, p),
    ),
    "through a multiplexer of LUTs": chosen_by("PFUMX", ("C0", "ALUT", "BLUT")),
    "through a larger one": chosen_by("L6MUX21", ("SD", "D1", "D0")),
    "while low": inverted,
    "a copy": copied,
    "an output that nobody reads": unused,
}
STAYS: dict[str, Change] = {
    "always, the read not": every(parameters={"CEMUX": "1"}),
    "another enable": every(connections={"CE": [GO]}),
    "more often than the read": enabled_by(lambda en, go: en or go),
    "the read less often": read_when(lambda en, go: en and go),
    "while the read is off": every(parameters={"CEMUX": "INV"}),
    "a reset": every(connections={"LSR": [RST]}),
    "starts as ones": every(parameters={"REGSET": "SET"}),
    "another clock": every(connections={"CLK": [CLK2]}),
    "falling edge": every(parameters={"CLKMUX": "INV"}),
    "memory at the falling edge": block(parameters={"CLKAMUX": "INV"}),
    "memory with a reset": block(connections={"RSTA": [RST]}),
    "memory with its register": block(parameters={"REGMODE_A": "OUTREG"}),
    "chosen otherwise": chosen_by("PFUMX", ("C0", "BLUT", "ALUT")),
    "a second reader": seen_by_logic,
    "an output of the design": seen_by_port,
    "a copy with another enable": copied_otherwise,
    "only half of it": one_missing,
}


@pytest.mark.parametrize("case", MOVES)
def test_a_register_moves_and_nothing_changes(case: str) -> None:
    cells, ports = plain(memory())
    MOVES[case](cells, ports)
    taken, found, before = absorbed(cells, ports)
    assert taken == 1
    assert not [c for c in found.cells.values() if c["type"] == "TRELLIS_FF"]
    assert cells["block"]["parameters"]["REGMODE_A"] == "OUTREG"
    assert same_outputs(before, found.module)


@pytest.mark.parametrize("case", STAYS)
def test_a_register_stays_and_nothing_is_touched(case: str) -> None:
    cells, ports = plain(memory())
    STAYS[case](cells, ports)
    taken, found, before = absorbed(cells, ports)
    assert taken == 0 and found.module == before


def test_the_simulator_tells_a_wrong_move() -> None:
    """A register that moves although its enable is another, or the memory has a reset."""
    for spoil in ({"OCEA": [GO]}, {"RSTA": [RST]}, {"CEA": [GO]}):
        cells, ports = plain(memory())
        _, found, before = absorbed(cells, ports)
        found.cells["block"]["connections"] |= spoil
        assert not same_outputs(before, found.module), spoil


@pytest.mark.parametrize("widths", [(36, 36), (9, 36), (36, 18)])
def test_a_wide_memory_is_read_by_port_b(widths: tuple[int, int]) -> None:
    """Both halves of its outputs, whatever the writing port's clock and enable are."""
    write = {"CEA": [GO], "CLKA": [CLK], "OCEA": ["0"], "RSTA": ["0"]}
    for enable in (EN, GO):
        cells, ports = plain(memory("B"))
        wide = cells["block"]
        wide["connections"] |= write | {"DOA0": wide["connections"].pop("DOB0")}
        wide["port_directions"] |= dict.fromkeys(write, "input") | {"DOA0": "output"}
        for port, width in zip("AB", widths, strict=True):
            wide["parameters"][f"DATA_WIDTH_{port}"] = f"{width:032b}"
        every(connections={"CE": [enable]})(cells, ports)
        taken, found, before = absorbed(cells, ports)
        assert taken == (enable == EN)
        modes = {wide["parameters"][f"REGMODE_{half}"] for half in "AB"}
        assert modes == ({"OUTREG"} if taken else {"NOREG"})
        assert same_outputs(before, found.module)


@pytest.mark.parametrize("port", "AB")
def test_each_port_by_itself(port: str) -> None:
    """A register behind one port leaves the other port as it is."""
    cells, ports = plain(memory(port))
    other = "B" if port == "A" else "A"
    taken, found, before = absorbed(cells, ports)
    settings = cells["block"]["parameters"]
    assert (settings[f"REGMODE_{port}"], settings[f"REGMODE_{other}"]) == ("OUTREG", "NOREG")
    assert taken == 1 and same_outputs(before, found.module)


PRODUCT_STAYS = {
    name: STAYS[name]
    for name in ("a reset", "starts as ones", "falling edge", "a second reader", "only half of it")
}


@pytest.mark.parametrize("case", ["plain", "while low", "another enable", "always"])
def test_a_product_moves_with_any_enable(case: str) -> None:
    changes = {
        "while low": every(parameters={"CEMUX": "INV"}),
        "another enable": every(connections={"CE": [GO]}),
        "always": every(parameters={"CEMUX": "1"}),
    }
    cells, ports = plain(multiplier())
    changes.get(case, nothing)(cells, ports)
    taken, found, before = absorbed(cells, ports)
    assert taken == 1 and same_outputs(before, found.module)
    assert not [c for c in found.cells.values() if c["type"] == "TRELLIS_FF"]


@pytest.mark.parametrize("case", PRODUCT_STAYS)
def test_a_product_keeps_its_register(case: str) -> None:
    cells, ports = plain(multiplier())
    PRODUCT_STAYS[case](cells, ports)
    taken, found, before = absorbed(cells, ports)
    assert taken == 0 and found.module == before


def test_a_product_with_its_register_keeps_the_other() -> None:
    cells, ports = plain(multiplier())
    cells["block"]["parameters"]["REG_OUTPUT_CLK"] = "CLK0"
    taken, found, before = absorbed(cells, ports)
    assert taken == 0 and found.module == before


def test_a_product_with_two_clocks_keeps_its_registers() -> None:
    cells, ports = plain(multiplier())
    cells["q0"]["connections"]["CLK"] = [CLK2]
    taken, found, before = absorbed(cells, ports)
    assert taken == 0 and found.module == before
