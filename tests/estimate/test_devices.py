"""The device table."""

from __future__ import annotations

import pytest

from qcompiler.errors import QCompilerError
from qcompiler.estimate.devices import DEVICES, device


def test_every_device_has_a_block_ram_shape_of_its_size() -> None:
    for chip in DEVICES.values():
        widest = max(width * depth for width, depth in chip.bram_shapes)
        assert widest <= chip.bram_kbit * 1024, chip.name
        assert chip.luts > 0 and chip.ffs >= chip.luts, chip.name


def test_names_are_taken_in_any_case() -> None:
    assert device("ECP5-85K").luts == 83_640
    assert device("xc7a35t").brams == 100  # RAMB18


def test_an_unknown_device_lists_the_known_ones() -> None:
    with pytest.raises(QCompilerError, match=r"'ecp6' is not a known device") as caught:
        device("ecp6")
    assert "ecp5-25k" in caught.value.hint and "xc7z020" in caught.value.hint
