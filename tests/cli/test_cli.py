"""The command line where all goes well: output, help, dumps, and the same bytes every time."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from qcompiler import __version__, cli
from qcompiler.cli import main
from qcompiler.ir.store import read_graph
from qcompiler.verbs.compile import PASSES
from tests.conftest import Files
from tests.places import contents

Capture = pytest.CaptureFixture[str]
COMMANDS = ("quantize", "train", "compile", "verify", "estimate", "synth", "demo")
OPTIONS = {"pins": "lpf", "setting": "set"}  # parameters that are called otherwise


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables and help are not folded."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(cli, "out", Console(width=200, markup=False))


def run(arguments: list[str | Path], capsys: Capture) -> str:
    """Run a command that must succeed; its standard output."""
    with pytest.raises(SystemExit) as caught:
        main([str(a) for a in arguments])
    output = capsys.readouterr()
    assert not caught.value.code, output.err
    assert output.err == ""
    return output.out


def python(code: str, *arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, **env, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


MAIN = "from qcompiler.cli import main; main()"


# ---- help -----------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lists_every_option(command: str, capsys: Capture) -> None:
    text = run([command, "--help"], capsys)
    parameters = inspect.signature(getattr(cli, command)).parameters
    documentation = inspect.getdoc(getattr(cli, command))
    assert documentation is not None and documentation.split(".")[0].split(":")[0] in text
    for name, parameter in parameters.items():
        argument = parameter.default is inspect.Parameter.empty and name in (
            "model",
            "network",
            "build",
        )
        wanted = name if argument else f"--{OPTIONS.get(name, name).replace('_', '-')}"
        assert wanted in text
    help_texts = [line for line in text.splitlines() if "--" in line]
    assert all(len(line.split("  ")) > 1 for line in help_texts)


def test_help_lists_the_commands(capsys: Capture) -> None:
    for arguments in ([], ["--help"]):
        text = run(arguments, capsys)
        for command in COMMANDS:
            assert f" {command} " in text
        assert "qcompiler demo" in text


def test_version(capsys: Capture) -> None:
    assert run(["--version"], capsys) == f"qcompiler {__version__}\n"


# ---- what is printed ---------------------------------------------------------------------


def test_quantize_and_compile(files: Files, tmp_path: Path, capsys: Capture) -> None:
    net, build = tmp_path / "new" / "net.qc", tmp_path / "new" / "build"
    table = tmp_path / "table.yaml"
    table.write_text("default: 4\nconv2: {weights: 2, activations: 5}\n")
    text = run(
        [
            *("quantize", files / "model.pt2", "--calibration", files / "images.npz", "-o", net),
            *("--weights", table, "--input-bits", "6"),
        ],
        capsys,
    )
    rows = [[cell.strip() for cell in line.split("│")][:4] for line in text.splitlines()]
    assert ["conv1", "72", "4", "6"] in rows
    assert ["conv2", "144", "2", "8"] in rows
    assert ["fc", "12", "4", "8"] in rows
    assert "same top-1 on" in text and " dB" in text
    assert f"wrote {net}" in text
    graph = read_graph(net)
    assert graph.op("conv2").weight_quant.hi == 1
    text = run(["compile", net, "-o", build, "--fps", "1000", "--top", "tiny"], capsys)
    for words in ("Folding", "conv1", "frames/s at 100 MHz", "latency about", f"wrote {build}"):
        assert words in text
    assert "bound by the rate asked for (100000 cycles a frame)" in text
    assert (build / "tiny.v").is_file() and (build / "manifest.json").is_file()
    assert {p.name for p in (tmp_path / "new").iterdir()} == {"net.qc", "build"}
    text = run(["estimate", build], capsys)
    assert "conv1" in text and "total" in text
    assert "xc7a100t" in run(["estimate", build, "--target", "xc7a100t"], capsys)


def test_paths_with_brackets_are_printed_as_they_are(
    files: Files, tmp_path: Path, capsys: Capture
) -> None:
    output = tmp_path / "net[bold]"
    assert f"wrote {output}" in run(
        ["quantize", files / "model.pt2", "--calibration", files / "images.npz", "-o", output],
        capsys,
    )


def test_an_older_result_is_replaced(files: Files, tmp_path: Path, capsys: Capture) -> None:
    build = tmp_path / "build"
    run(["compile", files / "net.qc", "-o", build, "--top", "one"], capsys)
    run(["compile", files / "net.qc", "-o", build, "--top", "two"], capsys)
    assert (build / "two.v").is_file() and not (build / "one.v").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["build"], "no temporary folder"


def test_a_link_to_a_folder_stays_a_link(files: Files, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    run(["compile", files / "net.qc", "-o", tmp_path / "link"], capsys)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "manifest.json").is_file()


# ---- dumps --------------------------------------------------------------------------------


def test_dump_after_prints_the_graph(files: Files, tmp_path: Path, capsys: Capture) -> None:
    arguments: list[str | Path] = ["compile", files / "net.qc", "-o", tmp_path / "build"]
    text = run([*arguments, "--dump-after", "explicit-padding"], capsys)
    assert text.count("# after ") == 1
    assert "# after explicit-padding\n%x: 2x6x6 [" in text
    graph = str(read_graph(tmp_path / "build" / "integer"))
    hardware = str(read_graph(tmp_path / "build" / "hardware"))
    assert f"# after explicit-padding\n{graph}\n" in text, "nothing is left for later passes"
    text = run([*arguments, "--dump-after", "pair-concats", "--dump-after", "size-fifos"], capsys)
    assert f"# after pair-concats\n{graph}\n" in text
    assert f"# after size-fifos\n{hardware}\n" in text


def test_dump_after_all_names_every_pass(files: Files, tmp_path: Path, capsys: Capture) -> None:
    text = run(["compile", files / "net.qc", "-o", tmp_path / "b", "--dump-after", "all"], capsys)
    found = [line.removeprefix("# after ") for line in text.splitlines() if line[:8] == "# after "]
    assert tuple(found) == PASSES


# ---- the same bytes -------------------------------------------------------------------------

WHOLE = """
import sys
from qcompiler.cli import main
model, images, out = sys.argv[1:]
for arguments in (
    ["quantize", model, "--calibration", images, "-o", f"{out}/net.qc", "--weights", "3"],
    ["compile", f"{out}/net.qc", "-o", f"{out}/build", "--fps", "20000"],
):
    try:
        main(arguments)
    except SystemExit as end:
        assert not end.code, end.code
"""


def test_the_same_bytes_in_any_process(files: Files, tmp_path: Path) -> None:
    made = []
    for seed in ("1", "271828"):
        folder = tmp_path / seed
        folder.mkdir()
        result = python(
            WHOLE, files / "model.pt2", files / "images.npz", folder, PYTHONHASHSEED=seed
        )
        assert result.returncode == 0, result.stderr
        made.append(contents(folder))
    assert made[0] == made[1]
    assert "build/qc_top.v" in made[0] and "net.qc/arrays.npz" in made[0]


def test_the_same_bytes_twice_in_one_process(files: Files, tmp_path: Path, capsys: Capture) -> None:
    made = []
    for name in ("first", "second"):
        folder = tmp_path / name
        net = folder / "net.qc"
        arguments = ["quantize", files / "model.pt2", "--calibration", files / "images.npz"]
        run([*arguments, "-o", net, "--activations", "5"], capsys)
        run(["compile", net, "-o", folder / "build", "--lut", "4000"], capsys)
        made.append(contents(folder))
    assert made[0] == made[1]


# ---- as a process -----------------------------------------------------------------------------


def test_exit_codes_of_the_process(tmp_path: Path) -> None:
    fine = python(MAIN, "--version")
    assert (fine.returncode, fine.stdout) == (0, f"qcompiler {__version__}\n")
    wrong = python(MAIN, "compile", tmp_path / "no.qc", "-o", tmp_path / "build")
    assert wrong.returncode == 2 and wrong.stdout == ""
    assert wrong.stderr == (
        f"qcompiler: error: {tmp_path / 'no.qc'}: not a graph folder (no graph.json)\n"
        "  hint: a graph folder is what `qcompiler quantize -o` writes\n"
    )
    usage = python(MAIN, "compile")
    assert usage.returncode == 2 and usage.stderr.startswith("qcompiler: error: Missing argument")
    assert list(tmp_path.iterdir()) == []


def test_a_bug_keeps_its_traceback(files: Files, tmp_path: Path) -> None:
    code = (
        "from qcompiler.verbs import compile as verb\n"
        "def broken(*a): raise RuntimeError('a bug')\n"
        "verb.make_design = broken\n" + MAIN
    )
    result = python(code, "compile", files / "net.qc", "-o", tmp_path / "build")
    assert result.returncode == 1
    assert "Traceback" in result.stderr and "RuntimeError: a bug" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from qcompiler.verbs import compile as verb

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verb, "write_graph", interrupted)  # in the middle of writing
    with pytest.raises(SystemExit) as caught:
        main(["compile", str(files / "net.qc"), "-o", str(tmp_path / "deep" / "build")])
    assert caught.value.code == 130
    assert capsys.readouterr().err.endswith("qcompiler: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_the_network_input_may_be_an_npy_file(
    files: Files, tmp_path: Path, capsys: Capture
) -> None:
    with np.load(files / "images.npz") as archive:
        np.save(tmp_path / "images.npy", archive["images"])
    run(
        [
            *("quantize", files / "model.pt2", "--calibration", tmp_path / "images.npy"),
            *("-o", tmp_path / "net.qc"),
        ],
        capsys,
    )
    assert (tmp_path / "net.qc" / "graph.json").is_file()
