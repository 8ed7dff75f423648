"""The Jinja environment and ROM text."""

from __future__ import annotations

import jinja2
import pytest

from qcompiler.hardware.render import ENV, hex_rom, hexlit


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [(0, 1, "1'h0"), (5, 9, "9'h005"), (-1, 6, "6'h3f"), (-8, 4, "4'h8"), (15, 4, "4'hf")],
)
def test_hexlit(value: int, width: int, text: str) -> None:
    assert hexlit(value, width) == text


@pytest.mark.parametrize(("value", "width"), [(16, 4), (-9, 4)])
def test_hexlit_refuses_what_does_not_fit(value: int, width: int) -> None:
    with pytest.raises(AssertionError):
        hexlit(value, width)


def test_hex_rom_has_fixed_digits() -> None:
    assert hex_rom([0, 511, -1], 9) == "000\n1ff\n1ff\n"


def test_a_misspelt_name_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        ENV.from_string("{{ misspelt }}").render()
