"""The device table, and files of the user's own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from qcompiler.errors import QCompilerError
from qcompiler.estimate.coefficients import COEFFICIENTS
from qcompiler.estimate.devices import DEVICES, FAMILIES, FAMILY, device
from qcompiler.estimate.model import module_cost
from qcompiler.ir import hardware as hw
from qcompiler.ir.types import IntType

MINE = """
[devices.mine]
family = "ecp5"
luts = 1_000
ffs = 2_000
brams = 3
dsps = 0
clock_mhz = 66
"""


def test_every_device_has_a_block_ram_shape_of_its_size() -> None:
    assert len(DEVICES) >= 12
    for chip in DEVICES.values():
        widest = max(width * depth for width, depth in chip.bram_shapes)
        assert widest <= chip.bram_kbit * 1024, chip.name
        assert chip.luts > 0 and chip.ffs > 0 and chip.clock_mhz > 0, chip.name
        assert chip.source, chip.name
        assert bool(chip.nextpnr) == (chip.family in ("ecp5", "ice40")), chip.name
        assert bool(chip.pads) == bool(chip.nextpnr), chip.name


def test_all_families_have_devices() -> None:
    counts = Counter(chip.family for chip in DEVICES.values())
    assert set(counts) == set(FAMILY) == {"ecp5", "ice40", "xc7", "gowin"}
    assert min(counts.values()) >= 3


def test_families_with_a_cost_model_have_coefficients() -> None:
    for family in FAMILIES:
        assert all(family in table for table in COEFFICIENTS.values()), family
    fifo, stream = hw.Fifo(20), hw.StreamType("t", (1, 4, 4), IntType(0, 15), 1)
    for family in set(FAMILY) - set(FAMILIES):
        with pytest.raises(QCompilerError, match=f"no cost model for family '{family}'"):
            module_cost(fifo, [stream], [stream], family)


def test_names_are_taken_in_any_case() -> None:
    assert device("ECP5-85K").luts == 83_640
    assert device("xc7a35t").brams == 100  # RAMB18


def test_an_unknown_device_lists_the_known_ones() -> None:
    with pytest.raises(QCompilerError, match=r"'ecp6' is not a known device") as caught:
        device("ecp6")
    assert "ecp5-25k" in caught.value.hint and "xc7z020" in caught.value.hint


# ---- files of the user's own ---------------------------------------------------------------------


def test_a_device_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my.toml").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    mine = device("my.toml:mine")
    assert (mine.name, mine.family, mine.luts, mine.clock_mhz) == ("mine", "ecp5", 1_000, 66.0)
    assert mine.lut_inputs == 4 and mine.bram_kbit == 18  # of the family
    monkeypatch.chdir("/")
    assert device(mine.reference) == mine  # from any folder


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("luts = 1_000\n", "", "lacks luts (a whole number)"),
        ("luts = 1_000", 'luts = "many"', "luts is 'many', a whole number was expected"),
        ("luts = 1_000", "luts = 0", "luts is 0, a larger number was expected"),
        ("luts = 1_000", "luts = true", "luts is True, a whole number was expected"),
        ("brams = 3", "brams = -3", "brams is -3, a larger number was expected"),
        ("clock_mhz = 66", "clock_mhz = nan", "clock_mhz is nan, a larger number was expected"),
        ("clock_mhz = 66", "clock_mhz = inf", "clock_mhz is inf, a finite number was expected"),
        ("dsps = 0", "dsps = 0\ndsp = 4", "has an unknown field dsp"),
        ("dsps = 0", "dsps = 0\nnextpnr = [85]", "nextpnr is [85], a list of texts was expected"),
        ('"ecp5"', '"ecp6"', "the family 'ecp6' is not known"),
    ],
)
def test_mistakes_in_a_device(tmp_path: Path, old: str, new: str, what: str) -> None:
    assert old in MINE
    path = tmp_path / "my.toml"
    path.write_text(MINE.replace(old, new))
    with pytest.raises(QCompilerError) as caught:
        device(f"{path}:mine")
    assert caught.value.what.startswith(what)
    assert caught.value.where == f"{path}: [devices.mine]"


def test_mistakes_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    with pytest.raises(QCompilerError, match="cannot be read"):
        device(f"{path}:mine")
    path.write_text("[devices.mine")
    with pytest.raises(QCompilerError, match="is no TOML"):
        device(f"{path}:mine")
    path.write_text("devices = 3")
    with pytest.raises(QCompilerError, match=r"no \[devices\.NAME\] tables were found"):
        device(f"{path}:mine")
    path.write_text(MINE)
    with pytest.raises(QCompilerError, match="no device is called 'yours'") as caught:
        device(f"{path}:yours")
    assert caught.value.hint == "it has mine"
    with pytest.raises(QCompilerError, match="is a file of devices"):
        device(str(path))
