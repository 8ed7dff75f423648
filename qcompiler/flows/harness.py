"""The Verilog around a design in simulation: what sim/harness.v.j2 lays out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jinja2

from qcompiler.resources import SIM

# Lint rules that the sim/ modules and the generated top need not keep. Widths matter in the top:
# they are where the design's ports meet what the caller said of them.
WAIVED_IN_TOP = ("DECLFILENAME", "UNUSEDSIGNAL", "BLKSEQ", "PROCASSINIT", "SYNCASYNCNET")
WAIVED_IN_SIM = (*WAIVED_IN_TOP, "WIDTHEXPAND", "WIDTHTRUNC", "UNUSEDPARAM", "PINCONNECTEMPTY",
                 "INITIALDLY", "UNSIGNED", "CMPCONST")  # fmt: skip


LEAST_CALL, MOST_CALL = 32, 65536  # widths of tdata that sim/streams.cpp has functions for


@dataclass(frozen=True)
class Window:
    """The loops of a `qc_window`, as its parameters."""

    H: int
    W: int
    GROUPS: int
    WORDS: int
    KH: int
    KW: int
    SH: int = 1
    SW: int = 1
    DH: int = 1
    DW: int = 1
    REPEAT: int = 1

    @property
    def in_beats(self) -> int:
        """Beats of one padded input frame."""
        return self.H * self.W * self.GROUPS * self.WORDS

    @property
    def out_beats(self) -> int:
        """Beats of one output frame."""
        rows = (self.H - ((self.KH - 1) * self.DH + 1)) // self.SH + 1
        columns = (self.W - ((self.KW - 1) * self.DW + 1)) // self.SW + 1
        inner = self.GROUPS * self.REPEAT * self.KH * self.KW * self.WORDS
        return rows * columns * inner


@dataclass(frozen=True)
class Probe:
    """An internal stream to watch: wires PATH_tdata, PATH_tvalid, PATH_tready, PATH_tlast.

    `path` begins at the instance `dut`. With a window, the expected beats given to a run are the
    padded raster that goes into that window, not what comes out of it.
    """

    name: str
    path: str
    width: int
    window: Window | None = None


@dataclass(frozen=True)
class Stream:
    """One observed stream as the harness template wants it."""

    name: str
    role: Literal["source", "sink", "probe"]
    width: int
    prefix: str
    index: int | None = None  # slice of a vector port
    window: Window | None = None

    @property
    def call_width(self) -> int:
        """Bits of tdata in the call of sim/streams.cpp that observes this stream."""
        return max(LEAST_CALL, 1 << (self.width - 1).bit_length())

    def listing(
        self, total: int | None, stored: int, file: Path | None, capture: Path | None
    ) -> str:
        """The stream's line in the list that sim/streams.cpp reads; its head says the fields."""
        fields: list[object] = [self.name, self.width, int(self.role != "probe")]
        fields += ["-" if total is None else total, stored, file or "-", capture or "-"]
        fields += vars(self.window).values() if self.window else []
        return " ".join(map(str, fields))

    @property
    def data(self) -> str:
        part = "" if self.index is None else f"[{self.index * self.width} +: {self.width}]"
        return f"{self.prefix}_tdata{part}"

    def total(self, beats: int) -> int:
        """Beats on the stream for so many expected beats in a file."""
        if self.window is None:
            return beats
        frames, rest = divmod(beats, self.window.in_beats)
        if rest:
            raise ValueError(
                f"{self.name}: {beats} beats are no whole number of padded frames of "
                f"{self.window.in_beats}"
            )
        return frames * self.window.out_beats

    def _bit(self, wire: str) -> str:
        return f"{self.prefix}_{wire}" + ("" if self.index is None else f"[{self.index}]")

    @property
    def valid(self) -> str:
        return self._bit("tvalid")

    @property
    def ready(self) -> str:
        return self._bit("tready")

    @property
    def last(self) -> str:
        return self._bit("tlast")


@dataclass(frozen=True)
class Port:
    """A group of stream ports of the DUT: `count` slices, or one plain stream (None)."""

    base: str
    width: int
    count: int | None

    @property
    def range(self) -> str:
        return f"[{self.width * (self.count or 1) - 1}:0] "

    @property
    def count_range(self) -> str:
        return "" if self.count is None else f"[{self.count - 1}:0] "


@dataclass(frozen=True)
class Harness:
    """What sim/harness.v.j2 lays out."""

    dut: str
    parameters: list[tuple[str, str]]
    ties: list[tuple[str, str]]
    ports: list[Port]
    streams: list[Stream]
    waves: bool

    @property
    def call_widths(self) -> list[int]:
        """What `call_width`s there are."""
        return sorted({s.call_width for s in self.streams})

    def joined(self, wire: Literal["valid", "ready"]) -> str:
        """One wire of every stream in a concatenation, stream 0 lowest."""
        return "{ " + ", ".join(getattr(s, wire) for s in reversed(self.streams)) + " }"

    def render(self) -> str:
        """The Verilog text of the top."""
        return _template().render(h=self)


def literal(value: int | str) -> str:
    """A parameter's value in Verilog."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    value = int(value)
    if -(1 << 31) <= value < 1 << 31:
        return str(value)
    bits = value.bit_length() + 1
    return f"-{bits}'sd{-value}" if value < 0 else f"{value.bit_length()}'h{value:x}"


def stream_ports(
    specs: Mapping[str, int], role: Literal["source", "sink"]
) -> tuple[list[Port], list[Stream]]:
    """Ports of the DUT and the streams on them; "m_axis[2]" is slice 2 of vector ports."""
    streams = []
    for name, width in specs.items():
        match = re.fullmatch(r"(\w+?)(?:\[(\d+)\])?", name)
        if match is None:
            raise ValueError(f"{name!r} is not a stream prefix such as s_axis or m_axis[0]")
        index = None if match[2] is None else int(match[2])
        streams.append(Stream(name, role, width, match[1], index))
    ports: dict[str, Port] = {}
    for base in dict.fromkeys(s.prefix for s in streams):
        slices = [s for s in streams if s.prefix == base]
        indices = [s.index for s in slices]
        if indices != [None] and set(indices) != set(range(len(slices))):
            raise ValueError(f"{base}: name every slice once, from {base}[0] up")
        if len({s.width for s in slices}) != 1:
            raise ValueError(f"{base}: slices of different widths")
        ports[base] = Port(base, slices[0].width, None if indices == [None] else len(slices))
    return list(ports.values()), streams


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(SIM),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("harness.v.j2")


def waivers(top: Path) -> str:
    """A Verilator control file: the harness may do what the design may not."""
    lines = [f'lint_off -rule {rule} -file "{SIM}/*"' for rule in WAIVED_IN_SIM]
    lines += [f'lint_off -rule {rule} -file "{top}"' for rule in WAIVED_IN_TOP]
    return "`verilator_config\n" + "\n".join(lines) + "\n"
