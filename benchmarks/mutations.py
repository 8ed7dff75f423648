"""Plant six faults in the RTL, one at a time, in a copy of the project: the tests must catch each.

Usage: make mutations. For each fault the module's own bench and a few random networks are run; the
same tests must pass without the fault, or nothing is shown by their failing.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import record
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = "tests/fuzz/test_rtl.py"
console = Console(soft_wrap=True)


@dataclass(frozen=True)
class Fault:
    """Text edits of one file, each of which must match exactly once, and the module's bench."""

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    bench: str


FAULTS = [
    Fault(
        "sign of the top plane",
        "templates/bitserial_array.v.j2",
        (
            ("('~' if action.invert else '')", "''"),
            ("{{ '-' if m.subtracts else '+' }} high", "+ high"),
        ),
        "tests/rtl/test_bitserial_array.py",
    ),
    Fault(
        "one dropped ready",
        "rtl/qc_upsize.v",
        (("assign s_axis_tready = !valid_q || m_axis_tready;", "assign s_axis_tready = 1'b1;"),),
        "tests/rtl/test_upsize.py",
    ),
    Fault(
        "off by one in the line buffer",
        "rtl/qc_window.v",
        (("ready = rows_q >= KSPAN[CB-1:0]", "ready = rows_q >= BACK[CB-1:0]"),),
        "tests/rtl/test_window.py",
    ),
    Fault(
        "wrong threshold compare",
        "rtl/qc_threshold_stage.v",
        (
            ("$signed(x_q) >= $signed(threshold_q)", "$signed(x_q) > $signed(threshold_q)"),
            ("reached = x_q >= threshold_q", "reached = x_q > threshold_q"),
        ),
        "tests/rtl/test_threshold.py",
    ),
    Fault(
        "swapped lanes",
        "templates/bitserial_array.v.j2",
        (
            (
                "q <= in_q[k*{{ u.act_bits }} +: {{ u.act_bits }}];",
                "q <= in_q[({{ u.simd }}-1-k)*{{ u.act_bits }} +: {{ u.act_bits }}];",
            ),
        ),
        "tests/rtl/test_bitserial_array.py",
    ),
    Fault(
        "FIFO one short",
        "rtl/qc_fifo.v",
        (("(count_q == LAST[CB-1:0])", "(count_q == LAST[CB-1:0] - 1'b1)"),),
        "tests/rtl/test_fifo.py",
    ),
]


def copy_project(target: Path) -> None:
    """The tracked and new files, without what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    for name in listed:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def plant(fault: Fault, project: Path) -> str:
    """Apply the edits; returns the file's text before."""
    path = project / fault.file
    before = text = path.read_text()
    for old, new in fault.edits:
        if text.count(old) != 1:
            raise SystemExit(f"{fault.name}: {old!r} is in {fault.file} {text.count(old)} times")
        text = text.replace(old, new)
    path.write_text(text)
    return before


def passes(project: Path, *tests: str) -> tuple[bool, str]:
    """Whether pytest passes, and the line that says why not."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header"]
    run = subprocess.run([*command, *tests], cwd=project, capture_output=True, text=True)
    if run.returncode not in (0, 1):
        raise SystemExit(
            f"pytest broke off ({run.returncode}):\n{run.stdout[-2000:]}{run.stderr[-2000:]}"
        )
    lines = [line[4:] for line in run.stdout.splitlines() if line.startswith("E   ")]
    return run.returncode == 0, lines[0].strip() if lines else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seeds", type=int, default=3, help="random networks to try for each fault"
    )
    parser.add_argument("--only", help="plant only the faults whose name contains this")
    options = parser.parse_args()
    host = record.machine()
    faults = [fault for fault in FAULTS if options.only is None or options.only in fault.name]
    networks = [f"{NETWORKS}::test_random_network[{k}]" for k in range(options.seeds)]
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch) / "qcompiler"
        project.mkdir()
        copy_project(project)
        benches = sorted({fault.bench for fault in faults})
        console.print(f"without a fault: {len(benches)} benches and {len(networks)} networks …")
        clean, why = passes(project, *benches, *networks)
        if not clean:
            console.print(f"the tests fail without any fault: {why}")
            return 1
        for fault in faults:
            before = plant(fault, project)
            bench, reason = passes(project, fault.bench)
            network, where = passes(project, *networks)
            (project / fault.file).write_text(before)
            if "the build failed" in reason:
                raise SystemExit(f"{fault.name}: lint refuses the fault, so no test has seen it")
            rows.append(
                {
                    "fault": fault.name,
                    "file": fault.file,
                    "bench": "missed" if bench else "caught",
                    "networks": "missed" if network else "caught",
                    "says": (reason or where)[:160],
                }
            )
            console.print(rows[-1])
    table = Table(title="Planted faults", title_justify="left")
    for column in ("fault", "file", "bench", "networks"):
        table.add_column(column)
    for row in rows:
        table.add_row(*(row[c] for c in ("fault", "file", "bench", "networks")))
    console.print(table)
    caught = sum("caught" in (row["bench"], row["networks"]) for row in rows)
    console.print(f"{caught} of {len(rows)} faults caught")
    if options.only is None:
        record.write("mutations", {"seeds": options.seeds}, host, rows, {"caught": caught})
    return 0 if caught == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
