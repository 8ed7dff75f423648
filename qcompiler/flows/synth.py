"""Synthesis with Yosys: real figures for a build, for each node of its graph and in total."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from qcompiler.errors import QCompilerError
from qcompiler.flows.yosys import run_script

# Options: no pads and clock buffers, so that the core alone is counted; LUTs of one size on ECP5
# (wide ones count up to twice what they need); the instances of the core keep their borders.
FLOWS = {
    "ecp5": "synth_ecp5 -nowidelut -top {top}",
    "xc7": "synth_xilinx -family xc7 -flatten -noiopad -noclkbuf -top {top}",
    "ice40": "synth_ice40 -top {top}",
    "gowin": "synth_gowin -family gw2a -noiopads -top {top}",
}

# LUT sites that a cell takes. A CCU2C is two LUTs used as an adder, an ALU of Gowin one; CARRY4 and
# SB_CARRY lie beside the LUTs that feed them. INV is a LUT1 by another name.
LUT_SITES: dict[str, dict[str, int]] = {
    "ecp5": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4},
    "xc7": {
        **{f"LUT{k}": 1 for k in range(1, 7)},
        "INV": 1,
        "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1,
        "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4,
        "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM32M": 4, "RAM64M": 4,
    },
    "ice40": {"SB_LUT4": 1},
    "gowin": {
        **{f"LUT{k}": 1 for k in range(1, 5)},
        "INV": 1,
        "ALU": 1,
        "RAM16SDP1": 1, "RAM16SDP2": 2, "RAM16SDP4": 4,
    },
}  # fmt: skip
FLIP_FLOPS = {
    "ecp5": ("TRELLIS_FF",),
    "xc7": ("FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1"),
    "ice40": ("SB_DFF",),  # and all its variants, by prefix
    "gowin": tuple(f"DFF{n}{kind}" for n in ("", "N") for kind in
                   ("", "E", "S", "SE", "R", "RE", "P", "PE", "C", "CE")),
}  # fmt: skip
CARRIES = {"ecp5": ("CCU2C",), "xc7": ("CARRY4",), "ice40": ("SB_CARRY",), "gowin": ("ALU",)}
WIDE = {"ecp5": ("PFUMX", "L6MUX21"), "xc7": ("MUXF7", "MUXF8"), "ice40": (),
        "gowin": tuple(f"MUX2_LUT{k}" for k in range(5, 9))}  # fmt: skip
BLOCK_RAMS: dict[str, dict[str, int]] = {
    "ecp5": {"DP16KD": 1, "PDPW16KD": 1},
    "xc7": {"RAMB18E1": 1, "RAMB36E1": 2},
    "ice40": {f"SB_RAM40_4K{edge}": 1 for edge in ("", "NR", "NW", "NRNW")},
    "gowin": dict.fromkeys(("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9"), 1),
}
MULTIPLIERS: dict[str, dict[str, float]] = {
    "ecp5": {"MULT18X18D": 1},
    "xc7": {"DSP48E1": 1},
    "ice40": {"SB_MAC16": 1},
    "gowin": {"MULT9X9": 0.5, "MULT18X18": 1, "MULT36X36": 4},
}


@dataclass(frozen=True)
class Cells:
    """Counts of mapped cells.

    Args:
        lut: LUT sites, those used as adders (ECP5) and as LUT RAM included.
        ff: Flip-flops.
        carry: Carry cells of the family.
        bram: Block RAMs, a RAMB36 counted as two.
        dsp: Multiplier blocks; of Gowin those of 18x18, one of 9x9 a half.
        wide: Multiplexers that join LUTs and lie beside them.
    """

    lut: int = 0
    ff: int = 0
    carry: int = 0
    bram: int = 0
    dsp: int = 0
    wide: int = 0

    def __add__(self, other: Cells) -> Cells:
        return Cells(
            self.lut + other.lut,
            self.ff + other.ff,
            self.carry + other.carry,
            self.bram + other.bram,
            self.dsp + other.dsp,
            self.wide + other.wide,
        )

    @classmethod
    def count(cls, types: Mapping[str, int], family: str) -> Cells:
        """Sort the cells of one module by what they use up."""
        ff = FLIP_FLOPS[family]
        return cls(
            sum(n * LUT_SITES[family].get(t, 0) for t, n in types.items()),
            sum(n for t, n in types.items() if t in ff or t.startswith("SB_DFF")),
            sum(n for t, n in types.items() if t in CARRIES[family]),
            sum(n * BLOCK_RAMS[family].get(t, 0) for t, n in types.items()),
            ceil(sum(n * MULTIPLIERS[family].get(t, 0) for t, n in types.items())),
            sum(n for t, n in types.items() if t in WIDE[family]),
        )


@dataclass(frozen=True)
class SynthReport:
    """What synthesis found.

    Args:
        family: Family synthesized for.
        nodes: Cells of each node of the hardware graph.
        total: Cells of the whole design.
        log: The tool's log.
        seconds: Wall time of the run, s.
    """

    family: str
    nodes: dict[str, Cells] = field(repr=False)
    total: Cells
    log: Path
    seconds: float


def synthesize(
    build: Path, family: str, *, progress: Callable[[str], None] | None = None, flat: bool = False
) -> SynthReport:
    """Synthesize the build in a folder; logs go to ``build/synth/FAMILY``.

    The instances of the core keep their hierarchy, so that each node has figures of its own.

    Args:
        build: Folder with ``manifest.json``, whose ``top`` and ``sources`` say what to read.
        family: ``ecp5``, ``xc7``, ``ice40`` or ``gowin``.
        progress: Told each step as it starts.
        flat: Flatten all: `SynthReport.nodes` is then empty.

    Raises:
        QCompilerError: The folder is no build, or the family is unknown.
        ToolMissingError, ToolFailedError: No Yosys, or it refused the design.
    """
    if family not in FLOWS:
        raise QCompilerError(
            f"no synthesis flow for family {family!r}", hint=f"known: {', '.join(FLOWS)}"
        )
    top, sources = read_manifest(build)
    folder = f"synth/{family}{'-flat' if flat else ''}"
    commands = [
        *(f'read_verilog "{source}"' for source in sources),
        f"hierarchy -check -top {top}",
        *([] if flat else [f"setattr -set keep_hierarchy 1 {core_instances(top)}"]),
        FLOWS[family].format(top=top),
        f"tee -q -o {folder}/stat.json stat -json",
        f"select -module {top if flat else f'{top}_core'}",
        *([] if flat else [f"write_json -selected {folder}/core.json"]),
    ]
    log, seconds = run_script(
        "\n".join(commands) + "\n", cwd=build, folder=folder, progress=progress
    )
    modules = _modules(build / folder / "stat.json")
    nodes = {} if flat else _nodes(build / folder / "core.json", f"{top}_core", modules, family)
    return SynthReport(family, nodes, _whole(top, modules, family), log, seconds)


def _modules(path: Path) -> dict[str, dict[str, int]]:
    """Cells by type of each module, instances of other modules included."""
    found = {}
    for name, module in json.loads(path.read_text())["modules"].items():
        types = module["num_cells_by_type"] | module.get("num_submodules_by_type", {})
        found[name.removeprefix("\\")] = {t.removeprefix("\\"): n for t, n in types.items()}
    return found


def _nodes(
    path: Path, core: str, modules: Mapping[str, Mapping[str, int]], family: str
) -> dict[str, Cells]:
    """Cells of each node: instance ``u_NODE``, or several ``u_NODE__SUFFIX``."""
    nodes: dict[str, Cells] = {}
    for instance, cell in json.loads(path.read_text())["modules"][core]["cells"].items():
        if instance.startswith("u_"):
            node = instance.removeprefix("u_").split("__")[0]
            found = _whole(cell["type"].removeprefix("\\"), modules, family)
            nodes[node] = nodes.get(node, Cells()) + found
    return nodes


def check_rtl(files: Sequence[Path], top: str, cwd: Path) -> None:
    """Check that Yosys takes the Verilog, finds no conflicting drivers, no loops and no latches.

    Args:
        files: Verilog files, absolute or relative to ``cwd``.
        top: Module to elaborate.
        cwd: Folder that holds ``mem/``; the log goes to ``cwd/check``.

    Raises:
        ToolFailedError: It found one; carries the first message.
    """
    commands = [
        *(f'read_verilog "{path}"' for path in files),
        f"hierarchy -check -top {top}",
        "proc",
        "check -assert",
        "select -assert-none t:$dlatch t:$adlatch t:$dlatchsr",
    ]
    run_script("\n".join(commands) + "\n", cwd=cwd, folder="check")


def core_instances(top: str) -> str:
    """What Yosys calls the instances of the core, and the core, to keep their borders."""
    return f"{top}_core/u_* {top}/core"


def read_manifest(build: Path) -> tuple[str, list[str]]:
    """Top module and Verilog files of a build; raises QCompilerError if the folder is none."""
    path = build / "manifest.json"
    try:
        manifest = json.loads(path.read_text())
        return manifest["top"], list(manifest["sources"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise QCompilerError(
            f"not the manifest of a build ({type(error).__name__}: {error})",
            where=str(path),
            hint="name the folder that the compiler wrote",
        ) from None


def _whole(module: str, modules: Mapping[str, Mapping[str, int]], family: str) -> Cells:
    """Cells of a module and of all modules below it."""
    types = modules[module]
    total = Cells.count(types, family)
    for name, count in types.items():
        if name in modules:
            below = _whole(name, modules, family)
            for _ in range(count):
                total += below
    return total
