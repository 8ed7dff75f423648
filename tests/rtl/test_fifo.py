"""qc_fifo in simulation: order, exact capacity, full rate; and the memory that Yosys gives it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from qcompiler.flows.bench import Bench
from qcompiler.flows.yosys import run_script
from qcompiler.resources import RTL
from tests.rtl.benches import check_resets, check_stalls, one_a_beat, random_words, run_shut


@pytest.mark.sim
@pytest.mark.parametrize(("width", "depth"), [(9, 2), (1, 3), (24, 12)])
def test_order_capacity_and_rate(width: int, depth: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(depth)
    bench = Bench.build(
        dut="qc_fifo",
        sources=[RTL / "qc_fifo.v"],
        parameters={"WIDTH": width, "DEPTH": depth},
        inputs={"s_axis": width},
        outputs={"m_axis": width},
        build_dir=tmp_path,
    )
    x = one_a_beat(random_words(rng, width, 5, 43), width)
    given, wanted = {"s_axis": x}, {"m_axis": x}
    check_stalls(bench, given, wanted)
    check_resets(bench, given, wanted, [97], sink_stall=0.7)

    assert run_shut(bench, given, wanted, watchdog=200).accepted["s_axis"] == depth

    full = bench.check(given, wanted, repeat=4)
    assert full.streams["s_axis"].blocked == 0
    assert full.frame_ends["m_axis"][-1] - full.frame_ends["s_axis"][-1] <= 2


def yosys(commands: str, folder: Path) -> None:
    shutil.copy(RTL / "qc_fifo.v", folder)
    run_script(f"read_verilog qc_fifo.v\n{commands}", cwd=folder, folder="yosys")


def cells(target: str, width: int, depth: int, folder: Path) -> dict[str, int]:
    """Cells by type after synthesis."""
    yosys(
        f"chparam -set WIDTH {width} -set DEPTH {depth} qc_fifo\n"
        f"{target} -top qc_fifo\n"
        "tee -q -o stat.json stat -json\n",
        folder,
    )
    design = json.loads((folder / "stat.json").read_text())["design"]
    counts: dict[str, int] = design["num_cells_by_type"]
    return counts


def count(counts: dict[str, int], prefix: str) -> int:
    return sum(n for name, n in counts.items() if name.startswith(prefix))


@pytest.mark.synth
@pytest.mark.parametrize(
    ("target", "block", "flip_flop"),
    [
        ("synth_ecp5 -nowidelut", "DP16KD", "TRELLIS_FF"),
        ("synth_xilinx -family xc7 -noiopad", "RAMB", "FD"),
    ],
)
def test_large_is_block_ram_and_small_is_not_flip_flops(
    target: str, block: str, flip_flop: str, tmp_path: Path
) -> None:
    large = cells(target, 64, 1024, tmp_path)
    assert 0 < count(large, block) <= 4  # 65 bits with tlast
    assert count(large, flip_flop) < 64 + 65  # its output register and the control
    small = cells(target, 16, 16, tmp_path)
    assert count(small, block) == 0
    assert count(small, flip_flop) < 48


@pytest.mark.synth
@pytest.mark.parametrize("depth", [2, 3, 16])
def test_no_combinational_path(depth: int, tmp_path: Path) -> None:
    yosys(
        f"hierarchy -top qc_fifo -chparam DEPTH {depth}\n"
        "proc\n"
        "select -set source i:s_axis_* %co*:-$dff\n"
        "select -assert-none @source o:* %i\n"
        "select -set sink i:m_axis_tready %co*:-$dff\n"
        "select -assert-none @sink o:* %i\n",
        tmp_path,
    )
