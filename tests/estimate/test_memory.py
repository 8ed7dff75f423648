"""Memories against what Yosys 0.70 makes of them (measured with random contents)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qcompiler.estimate.cost import Cost
from qcompiler.estimate.memory import (
    block_rom,
    blocks,
    columns,
    ram_cost,
    rom_cost,
    rom_cost_of,
    weight_rom_cost,
)
from qcompiler.flows.synth import synthesize
from qcompiler.hardware.render import hex_rom

ROMS = {
    "ecp5": {(8, 256): 0, (8, 512): 1, (64, 64): 0, (32, 128): 1, (144, 64): 4, (256, 64): 0,
             (40, 600): 3, (9, 3000): 2, (128, 48): 0},
    "xc7": {(16, 500): 0, (36, 512): 1, (72, 512): 2, (40, 600): 0, (18, 1000): 1, (144, 64): 0},
    "ice40": {(8, 128): 0, (8, 256): 1, (64, 32): 0, (16, 256): 1, (40, 100): 3},
}  # fmt: skip
RAMS = {
    "ecp5": {(16, 64): 0, (16, 100): 1, (40, 64): 0, (64, 64): 2, (128, 32): 0, (4, 300): 0,
             (1, 512): 1, (8, 128): 0, (64, 600): 4},
    "xc7": {(16, 128): 0, (36, 128): 1, (24, 200): 1, (64, 64): 0, (1, 512): 0, (64, 600): 4,
            (8, 280): 0},
    "ice40": {(8, 8): 0, (8, 16): 1, (40, 16): 3},
}  # fmt: skip


# Narrow ones, banks of which share rows: 12x1152 are three of 12 bits by 512.
NARROW_ROMS = {
    "ecp5": {(12, 1152): 1, (12, 1536): 1, (12, 2048): 2, (6, 3000): 1, (3, 5000): 1, (10, 1100): 1,
             (18, 1100): 2, (13, 1500): 2, (5, 4000): 2, (20, 2500): 3, (12, 2560): 2, (7, 5000): 2,
             (25, 1500): 3, (40, 2600): 7, (13, 3000): 3, (20, 600): 2},
    "xc7": {(12, 1152): 1, (20, 2500): 3, (13, 3000): 3, (40, 2600): 7},
    "ice40": {(5, 768): 1, (3, 1200): 1, (3, 1500): 2, (7, 520): 2, (9, 600): 2, (7, 1100): 3},
}  # fmt: skip
NARROW_RAMS = {
    "ecp5": {(12, 1152): 2, (6, 3000): 2, (3, 5000): 2, (20, 2500): 4, (12, 2560): 3, (7, 5000): 3,
             (25, 1500): 3, (30, 2048): 4, (40, 2600): 8, (13, 3000): 3},
    "ice40": {(5, 768): 1, (5, 700): 1, (7, 520): 2, (3, 1500): 2, (9, 600): 2},
}  # fmt: skip


@pytest.mark.parametrize("family", NARROW_ROMS)
def test_banks_of_a_narrow_rom_share_rows(family: str) -> None:
    for (width, depth), count in NARROW_ROMS[family].items():
        assert blocks(width, depth, family)[0] == count, (width, depth)


@pytest.mark.synth
def test_yosys_packs_a_narrow_rom_so(tmp_path: Path) -> None:
    words = np.random.default_rng(0).integers(0, 1 << 12, 1152)
    (tmp_path / "rom.hex").write_text(hex_rom(words.tolist(), 12))
    (tmp_path / "rom.v").write_text(
        "module rom(input clk, input [10:0] a, output reg [11:0] q);\n"
        "reg [11:0] mem [0:1151];\n"
        'initial $readmemh("rom.hex", mem);\n'
        "always @(posedge clk) q <= mem[a];\n"
        "endmodule\n"
    )
    (tmp_path / "manifest.json").write_text('{"top": "rom", "sources": ["rom.v"]}')
    found, cost = synthesize(tmp_path, "ecp5", flat=True).total, rom_cost(12, 1152, "ecp5")
    assert found.bram == cost.bram == 1
    assert found.lut == pytest.approx(cost.lut, rel=0.2)


@pytest.mark.parametrize("family", NARROW_RAMS)
def test_banks_of_a_narrow_ram_share_rows_by_what_is_written(family: str) -> None:
    for (width, depth), count in NARROW_RAMS[family].items():
        assert ram_cost(width, depth, family).bram == count, (width, depth)


@pytest.mark.parametrize("family", ROMS)
def test_block_rams_of_roms(family: str) -> None:
    for (width, depth), count in ROMS[family].items():
        assert rom_cost(width, depth, family).bram == count, (width, depth)


@pytest.mark.parametrize("family", RAMS)
def test_block_rams_of_rams(family: str) -> None:
    for (width, depth), count in RAMS[family].items():
        assert ram_cost(width, depth, family).bram == count, (width, depth)


@pytest.mark.parametrize(
    ("width", "depth", "family", "lut"),
    [
        (8, 64, "ecp5", 76),
        (32, 32, "ecp5", 114),
        (1, 2048, "ecp5", 328),
        (256, 9, "ecp5", 142),
        (64, 64, "xc7", 64),
        (32, 128, "xc7", 64),
        (16, 500, "xc7", 193),
    ],
)
def test_luts_of_a_rom(width: int, depth: int, family: str, lut: int) -> None:
    assert rom_cost(width, depth, family).lut == pytest.approx(lut, rel=0.2)


def test_a_counted_rom_costs_several_times_as_much_on_xc7() -> None:
    assert rom_cost(8, 864, "xc7", counted=True).lut == pytest.approx(532, rel=0.1)
    assert rom_cost(8, 864, "xc7").lut == pytest.approx(150, rel=0.1)


@pytest.mark.parametrize("family", ROMS)
def test_weight_roms_are_block_ram_on_any_device_or_left_to_the_tool(family: str) -> None:
    for width, depth, asked in ((36, 57, True), (36, 56, False), (8, 864, True), (64, 1, False)):
        assert block_rom(width, depth) == asked
        cost = weight_rom_cost(width, depth, family)
        if asked:
            assert cost.bram == blocks(width, depth, family)[0] and cost.lut == 0
        else:
            assert cost == rom_cost(width, depth, family, counted=True)
    assert rom_cost(8, 864, "xc7", counted=True).bram == 0  # as Yosys would have it


def test_luts_of_a_lut_ram() -> None:
    assert ram_cost(16, 32, "ecp5") == Cost(4 * 8 + 16 + 1.6, 16, memory_bits=512)
    assert ram_cost(16, 32, "xc7") == Cost(4 * 3, 16, memory_bits=512)
    assert ram_cost(16, 32, "xc7", registered=False).ff == 0


def test_equal_and_constant_columns_are_free() -> None:
    words = np.array([0b0011, 0b1100, 0b0011, 0b1111])
    assert columns(words, 6) == {(1, 0, 1, 1), (0, 1, 0, 1)}
    assert rom_cost_of(words, 6, "ecp5") == Cost(2, 2, memory_bits=24)


def test_an_address_bit_that_changes_nothing_is_free() -> None:
    part = np.random.default_rng(1).integers(0, 16, 16)
    alike = rom_cost_of(np.tile(part, 8), 4, "ecp5", rows=8)
    assert alike.lut == 4
    assert rom_cost_of(np.tile(part, 8), 4, "ecp5").lut > 4 * alike.lut


def test_a_rom_of_one_word_is_constant() -> None:
    assert rom_cost(32, 1, "ecp5") == Cost(memory_bits=32)
