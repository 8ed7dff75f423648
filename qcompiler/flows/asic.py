"""ASIC area as gate equivalents: Yosys' generic gates in the cells of ``ge.lib``, memories in bits.

One gate equivalent is the area of a NAND of two inputs. The cells are conventions, not a foundry's:
figures compare designs, they do not promise square micrometres.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from qcompiler.errors import QCompilerError
from qcompiler.flows.synth import core_instances, read_manifest
from qcompiler.flows.yosys import run_script

LIBRARY = Path(__file__).with_name("ge.lib")
ASIC = "asic"
"""What ``--target`` calls it."""


@dataclass(frozen=True)
class Gates:
    """Area of a module.

    Args:
        logic: Gate equivalents of gates.
        flip_flops: Flip-flops.
        flip_flop_area: Gate equivalents of the flip-flops.
        ram_bits: Bits of memories that are written; the register of a read belongs to the memory.
        rom_bits: Bits of memories that are not.
    """

    logic: float = 0.0
    flip_flops: int = 0
    flip_flop_area: float = 0.0
    ram_bits: int = 0
    rom_bits: int = 0

    def __add__(self, other: Gates) -> Gates:
        return Gates(
            self.logic + other.logic,
            self.flip_flops + other.flip_flops,
            self.flip_flop_area + other.flip_flop_area,
            self.ram_bits + other.ram_bits,
            self.rom_bits + other.rom_bits,
        )

    @property
    def area(self) -> float:
        """Gate equivalents without memories."""
        return self.logic + self.flip_flop_area


@dataclass(frozen=True)
class AsicReport:
    """What synthesis to gates found.

    Args:
        nodes: Area of each node of the hardware graph.
        total: Area of the whole design.
        log: Yosys' log.
        seconds: Wall time of the run, s.
    """

    nodes: dict[str, Gates] = field(repr=False)
    total: Gates
    log: Path
    seconds: float


def synthesize_gates(build: Path, *, progress: Callable[[str], None] | None = None) -> AsicReport:
    """Synthesize the build in a folder to gates; logs go to ``build/synth/asic``.

    Args:
        build: Folder with ``manifest.json``.
        progress: Told each step as it starts.

    Raises:
        QCompilerError: The folder is no build.
        ToolMissingError, ToolFailedError: No Yosys, or it refused the design.
    """
    top, sources = read_manifest(build)
    folder = f"synth/{ASIC}"
    (build / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy(LIBRARY, build / folder / LIBRARY.name)  # tools see their working folder alone
    library = f"{folder}/{LIBRARY.name}"
    commands = [
        *(f'read_verilog "{source}"' for source in sources),
        f"hierarchy -check -top {top}",
        f"setattr -set keep_hierarchy 1 {core_instances(top)}",
        f"synth -flatten -top {top} -run begin:fine",
        "opt -fast -full",
        "techmap",
        f"dfflibmap -liberty {library}",
        "opt -fast",
        f"abc -liberty {library}",
        "opt_clean",
        f"write_json {folder}/gates.json",
    ]
    log, seconds = run_script(
        "\n".join(commands) + "\n", cwd=build, folder=folder, progress=progress
    )
    path = build / folder / "gates.json"
    modules = {n: m for n, m in json.loads(path.read_text())["modules"].items()}
    path.unlink()
    count = _counter(modules)
    nodes: dict[str, Gates] = {}
    for instance, cell in modules[f"{top}_core"]["cells"].items():
        if instance.startswith("u_"):
            node = instance.removeprefix("u_").split("__")[0]
            nodes[node] = nodes.get(node, Gates()) + count(cell["type"])
    return AsicReport(nodes, count(top), log, seconds)


def _counter(modules: Mapping[str, Any]) -> Callable[[str], Gates]:
    """Area of a module and all below it."""
    areas = cell_areas(LIBRARY.read_text())

    @cache
    def count(module: str) -> Gates:
        total = Gates()
        for cell in modules[module]["cells"].values():
            kind = cell["type"]
            if kind in modules:
                total += count(kind)
            elif kind == "$mem_v2":
                facts = {
                    k: int(str(cell["parameters"][k]), 2) for k in ("WIDTH", "SIZE", "WR_PORTS")
                }
                bits = facts["WIDTH"] * facts["SIZE"]
                total += Gates(ram_bits=bits) if facts["WR_PORTS"] else Gates(rom_bits=bits)
            elif kind == "DFF":
                total += Gates(flip_flops=1, flip_flop_area=areas[kind])
            elif kind in areas:
                total += Gates(logic=areas[kind])
            elif kind != "$scopeinfo":
                raise QCompilerError(
                    f"Yosys left a cell {kind}, which is no gate of {LIBRARY.name}",
                    where=module,
                    hint="it has gates and one flip-flop, no tristates, latches or resets",
                )
        return total

    return count


def cell_areas(liberty: str) -> dict[str, float]:
    """Area of each cell of a Liberty text, gate equivalents."""
    return {n: float(a) for n, a in re.findall(r"cell \((\w+)\)\s*\{ area : ([\d.]+);", liberty)}
