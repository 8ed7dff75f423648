"""Methods, corrections and budgets through the command line; wrong settings are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcompiler.cli import main
from qcompiler.ir.store import read_graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.quant.config import METHODS
from tests.conftest import Files
from tests.places import contents
from tests.verbs.conftest import Capture, refused

QUICK = ["--candidates", "4", "--iterations", "3"]


def run(files: Files, net: Path, capsys: Capture, *options: str) -> str:
    start = ["quantize", files / "model.pt2", "--calibration", files / "images.npz", "-o", net]
    try:
        main([str(a) for a in (*start, *options)])
    except SystemExit as caught:
        assert caught.code in (None, 0), capsys.readouterr().err
    return capsys.readouterr().out


@pytest.mark.parametrize("method", METHODS)
def test_every_method_writes_a_graph_that_integerizes(
    method: str, tmp_path: Path, files: Files, capsys: Capture
) -> None:
    net = tmp_path / "net.qc"
    options = ["--method", method, "--correct", "batch-norm", "--bits", "4", *QUICK]
    text = run(files, net, capsys, *options)
    assert ("cosine before" in text) == (method in ("easyquant", "reconstruct"))
    assert run_passes(read_graph(net), [Integerize()]).dialect == "integer"


@pytest.mark.parametrize("kind", ["size", "cycles"])
def test_a_budget_decides_the_widths(
    kind: str, tmp_path: Path, files: Files, capsys: Capture
) -> None:
    net = tmp_path / "net.qc"
    options = ["--bits", "auto", "--budget", "4.0", "--budget-kind", kind, *QUICK]
    text = run(files, net, capsys, *options)
    rows = [[cell.strip() for cell in line.split("│")] for line in text.splitlines()]
    found = {r[0]: (int(r[1].replace(",", "")), int(r[2])) for r in rows if len(r) > 3}
    weights = sum(count for count, _ in found.values())
    assert set(found) == {"conv1", "conv2", "fc"}
    if kind == "size":
        assert 3 < sum(count * bits for count, bits in found.values()) / weights <= 4


WRONG = [
    (["--correct", "everything"], "correction 'everything' is unknown"),
    (["--samples", "0"], "samples: 0 is less than 1"),
    (["--candidates", "0"], "candidates: 0 is less than 1"),
    (["--iterations", "-1"], "iterations: -1 is less than 1"),
    (["--time-budget", "0"], "time budget: 0.0 s is no positive time"),
    (["--bits", "auto"], "--weights auto and --budget BITS go together"),
    (["--budget", "4"], "--weights auto and --budget BITS go together"),
    (["--bits", "auto", "--budget", "1"], "a budget of 1 bits is outside [2, 8]"),
    (["--bits", "auto", "--budget", "4", "--budget-kind", "area"], "budget 'area' is unknown"),
]


@pytest.mark.parametrize(("options", "words"), WRONG)
def test_wrong_settings(
    options: list[str], words: str, place: Path, files: Files, capsys: Capture
) -> None:
    start = ["quantize", files / "model.pt2", "--calibration", files / "images.npz"]
    error = refused([*start, "-o", place / "new" / "net.qc", *options], capsys)
    assert words in error
    assert contents(place) == {}
