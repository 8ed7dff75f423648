"""The one Jinja environment, its few filters, and the text of ROM files."""

from __future__ import annotations

from collections.abc import Sequence

import jinja2

from qcompiler.resources import SIM, TEMPLATES


def hexlit(value: int, width: int) -> str:
    """A sized Verilog literal of ``width`` bits; a negative value becomes two's complement."""
    assert -(1 << (width - 1)) <= value < 1 << width, (value, width)
    return f"{width}'h{value & ((1 << width) - 1):0{-(-width // 4)}x}"


def hex_rom(words: Sequence[int], width: int) -> str:
    """The ``$readmemh`` text of ``words``: one a line, all of the digits that ``width`` bits take.

    Negative words become two's complement.
    """
    digits, mask = -(-width // 4), (1 << width) - 1
    for word in words:
        assert -(1 << (width - 1)) <= word <= mask, (word, width)
    return "".join(f"{word & mask:0{digits}x}\n" for word in words)


ENV = jinja2.Environment(
    loader=jinja2.FileSystemLoader([TEMPLATES, SIM]),
    undefined=jinja2.StrictUndefined,  # a typo in a template is an error, never ""
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
ENV.filters["hexlit"] = hexlit
