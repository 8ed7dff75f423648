"""Finds nextpnr and the bitstream packer of a family and runs them, with progress from the log.

A native ``nextpnr-FAMILY`` on PATH is taken before the wheel. The wheel sees nothing but its
working folder, so all files are named relative to it.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qcompiler.errors import QCompilerError, ToolFailedError, ToolMissingError

GET = "pip install 'qcompiler[pnr]'"
LEAST = "0.7"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Flow:
    """What place and route of a family is made of.

    Args:
        family: Key of the family.
        synthesis: Yosys' command; wide LUTs are allowed, which are quicker.
        configuration: Option of nextpnr that names the placed design, and its suffix.
        constraints: Option of nextpnr that names a file of pins.
        packer: Tool that makes the bitstream of it.
        bitstream: Suffix of the bitstream.
        options: Further options of nextpnr.
    """

    family: str
    synthesis: str
    configuration: tuple[str, str]
    constraints: str
    packer: str
    bitstream: str
    options: tuple[str, ...] = ()

    @property
    def tool(self) -> str:
        return f"nextpnr-{self.family}"


FLOWS = {
    flow.family: flow
    for flow in (
        Flow(
            "ecp5", "synth_ecp5 -top {top}", ("--textcfg", "config"), "--lpf", "ecppack", "bit",
            ("--lpf-allow-unconstrained",),
        ),
        Flow("ice40", "synth_ice40 -top {top}", ("--asc", "asc"), "--pcf", "icepack", "bin"),
    )
}  # fmt: skip

# What a line of nextpnr's log begins, in order.
PHASES = (
    ("Packing", "packing"),
    ("Creating initial", "placing"),
    ("Running simulated annealing", "refining the placement"),
    ("Routing", "routing"),
    ("Critical path report", "timing"),
)


def flow_of(family: str) -> Flow:
    """The flow of a family; raises QCompilerError where nextpnr has none from pip."""
    if family not in FLOWS:
        raise QCompilerError(
            f"no place and route for the family {family}",
            hint=f"nextpnr's wheels know {' and '.join(FLOWS)}: name such a device with --target, "
            "or leave --pnr out",
        )
    return FLOWS[family]


def find_tool(flow: Flow, tool: str) -> tuple[str, ...]:
    """What starts a tool of a flow, before its arguments.

    Raises:
        ToolMissingError: It is neither on PATH nor installed as a wheel.
    """
    if native := shutil.which(tool):
        return (native,)
    package = f"yowasp_nextpnr_{flow.family}"
    if importlib.util.find_spec(package) is None:
        raise ToolMissingError(tool, least=LEAST, get=GET)
    run = f"run_{tool.replace('-', '_')}"
    return sys.executable, "-c", f"import sys, {package}; sys.exit({package}.{run}(sys.argv[1:]))"


def place(
    flow: Flow, arguments: list[str], *, cwd: Path, log: str, progress: Progress | None
) -> str:
    """Run nextpnr and return its log.

    Raises:
        ToolFailedError: It refused; names what does not fit, else its error line.
    """
    command = [*find_tool(flow, flow.tool), *arguments]
    lines: list[str] = []
    phase = ""
    with (cwd / log).open("w") as file:
        process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line)
                file.write(line)
                if progress is not None and phase_of(line) not in (None, phase):
                    phase = phase_of(line) or phase
                    progress(phase)
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
    text = "".join(lines)
    if code:
        raise ToolFailedError(
            f"{flow.tool} ended with code {code}: {reason(text)}",
            where=str(cwd),
            hint="name a larger --target" if overflows(text) else "",
        )
    return text


def pack(flow: Flow, configuration: str, bitstream: str, cwd: Path) -> None:
    """Make the bitstream."""
    command = [*find_tool(flow, flow.packer), configuration, bitstream]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
        raise ToolFailedError(f"{flow.packer} failed: {last[0]}", where=str(cwd))


def phase_of(line: str) -> str | None:
    """The phase that a line of the log begins."""
    text = line.removeprefix("Info: ")
    return next((phase for start, phase in PHASES if text.startswith(start)), None)


def overflows(log: str) -> list[tuple[str, int, int]]:
    """What there is too little of: the kind of block, how many are needed, how many there are."""
    found = re.findall(r"^Info:\s+(\w+): +(\d+)/ *(\d+) +\d+%", log, re.M)
    return [(kind, int(used), int(have)) for kind, used, have in found if int(used) > int(have)]


def reason(log: str) -> str:
    """Why nextpnr refused: what does not fit, else its first error line."""
    if over := overflows(log):
        return "; ".join(
            f"{used} {BLOCKS.get(kind, kind)} ({kind}) are needed, the device has {have}"
            for kind, used, have in over
        )
    errors = [line for line in log.splitlines() if line.startswith(("ERROR", "terminate"))]
    last = [line for line in log.splitlines() if line.strip()][-1:]
    return (errors or last or ["it said nothing"])[0].strip()


BLOCKS = {
    "TRELLIS_COMB": "LUTs", "TRELLIS_FF": "flip-flops", "TRELLIS_RAMW": "LUT RAMs",
    "DP16KD": "block RAMs", "MULT18X18D": "multipliers", "TRELLIS_IO": "pads",
    "ICESTORM_LC": "logic cells", "ICESTORM_RAM": "block RAMs", "ICESTORM_DSP": "multipliers",
    "SB_IO": "pads",
}  # fmt: skip
