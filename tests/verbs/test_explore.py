"""Sweeps: every point once, kept, resumed, compared; and what they refuse."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcompiler.cli import main
from qcompiler.cli_explore import INTERRUPTED
from qcompiler.errors import ToolMissingError
from qcompiler.flows.workers import Task, Workers, need
from qcompiler.report.pareto import metric, optimal
from qcompiler.verbs import explore as module
from qcompiler.verbs import explore_points
from qcompiler.verbs.compile import Target
from qcompiler.verbs.compile import compile as compile_network
from qcompiler.verbs.explore import Sweep, explore
from qcompiler.verbs.explore_points import Outcome, Point, Result
from tests.conftest import Files
from tests.places import contents
from tests.verbs.conftest import Capture, refused

SWEEP = Sweep(
    devices=("ecp5-12k", "xc7a35t"), fps=(1000.0, 90e6), lut=("30%", "2500"), bits=((3, 3), (2, 4))
)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was computed: the network of each point, and each network that was quantized."""
    calls: list[str] = []
    evaluate, quantized = explore_points.evaluate, explore_points.quantized

    def counting(graph: Any, target: Target) -> Outcome:
        calls.append(f"{target.device} {target.fps} {target.lut}")
        return evaluate(graph, target)

    def measuring(*arguments: Any) -> Any:
        calls.append("quantized")
        return quantized(*arguments)

    monkeypatch.setattr(explore_points, "evaluate", counting)
    monkeypatch.setattr(explore_points, "quantized", measuring)
    return calls


def sweep(files: Files, out: Path, wanted: Sweep = SWEEP, **more: Any) -> list[Result]:
    images = files / "images.npz"
    return explore([files / "model.pt2"], wanted, out, calibration=images, test=images, **more)


def test_every_point_is_what_compile_says(files: Files, tmp_path: Path) -> None:
    results = sweep(files, tmp_path / "out")
    assert len(results) == 2 * 2 * 4
    assert [r.point.network for r in results[::8]] == ["w3a3", "w2a4"]
    by_hand = explore([files / "net.qc"], SWEEP, tmp_path / "quantized")
    assert {r.point.network for r in by_hand} == {"net"} and all(not r.accuracy for r in by_hand)
    for result in by_hand:
        point = result.point
        if point.fps == 90e6:
            assert "frames/s at" in result.outcome.refused and not result.outcome.fits
            continue
        target = Target(point.device, point.fps, point.lut)
        report = compile_network(files / "net.qc", target).report
        found = result.outcome
        assert (found.cycles, found.lut, found.bram) == (
            report.cycles, report.total.lut, report.total.bram,
        )  # fmt: skip
        assert found.fits == report.fits and found.fps == report.frames_per_second()
    for result in results:
        assert set(result.accuracy) == {"snr_db", "agreement", "top1"}
        assert 0 <= result.accuracy["top1"] <= 1


def test_nothing_is_computed_twice_and_nothing_is_mixed(
    files: Files, tmp_path: Path, counted: list[str]
) -> None:
    out = tmp_path / "out"
    first = sweep(files, out)
    assert len(counted) == 16 + 2
    counted.clear()
    again = sweep(files, out)
    assert again == first and counted == []
    more = replace(SWEEP, devices=("ecp5-12k",), lut=("2500", "3000"), bits=((3, 3),))
    found = sweep(files, out, more)
    assert counted == ["ecp5-12k None 3000"], "one new budget"
    assert [r.point.lut for r in found] == [None, None, 2500, 3000], "and no point of before"
    counted.clear()
    exact = replace(more, target=Target(requant="exact"))
    assert len(sweep(files, out, exact)) == len(counted) == 4


def test_what_is_torn_is_computed_again(files: Files, tmp_path: Path, counted: list[str]) -> None:
    first = sweep(files, tmp_path / "out")
    torn, other = sorted((tmp_path / "out" / "points").iterdir())[:2]
    torn.write_text(torn.read_text()[:40])
    other.write_text("{}")
    counted.clear()
    assert sweep(files, tmp_path / "out") == first
    assert len(counted) == 2


def test_after_an_interrupt_the_rest_is_computed(
    files: Files, tmp_path: Path, counted: list[str]
) -> None:
    def stop(result: Result) -> None:
        if len(counted) == 2 + 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(files, tmp_path / "out", on_result=stop)
    assert len(list((tmp_path / "out" / "points").iterdir())) == 5
    sweep(files, tmp_path / "out")
    assert len(counted) == 2 + 16


def double(x: int, y: int) -> int:
    if y > 100:
        raise KeyboardInterrupt
    return 2 * x + y


def test_tasks_here_and_on_workers() -> None:
    tasks = [Task(f"t{k}", double, ("many", k)) for k in range(5)]
    wanted = {f"t{k}": 2000 + k for k in range(5)}
    assert dict(Workers().run(tasks, {"many": 1000})) == wanted
    assert list(Workers().run([])) == []


@pytest.mark.long
def test_a_cluster_finds_the_same(files: Files, tmp_path: Path) -> None:
    here = sweep(files, tmp_path / "here")
    there = sweep(files, tmp_path / "there", workers=Workers(2))
    assert here == there
    assert {p.name for p in (tmp_path / "here" / "points").iterdir()} == {
        p.name for p in (tmp_path / "there" / "points").iterdir()
    }


# ---- which points are the best ---------------------------------------------------------------


def result(network: str, lut: float, fps: float, top1: float, **more: Any) -> Result:
    chip = more.pop("device", "a")
    outcome = Outcome(lut=lut, fps=fps, **{"fits": True, **more})
    return Result(Point(network, chip, fps, None), outcome, {"top1": top1} if top1 else {})


def test_the_front() -> None:
    small, good = result("s", 100, 10, 0.5), result("g", 200, 10, 0.9)
    worse, fast = result("w", 300, 10, 0.9), result("f", 300, 20, 0.4)
    large = result("l", 50, 99, 0.99, fits=False)
    other = result("o", 900, 1, 0.1, device="b")
    every = [small, good, worse, fast, large, other]
    assert optimal(every) == {r.point for r in (small, good, fast, other)}
    same = result("again", 100, 10, 0.5)
    assert same.point not in optimal([*every, same])
    blind = [replace(r, accuracy={}) for r in every]
    assert metric(blind) is None
    assert optimal(blind) == {r.point for r in (small, fast, other)}


# ---- the command -----------------------------------------------------------------------------


def run(*arguments: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["explore", *map(str, arguments)])
    assert not caught.value.code


def test_the_command(files: Files, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    options = ["--calibration", files / "images.npz", "--bits", "4,2/3", "--fps", "1000,90000000"]
    run(
        files / "model.pt2",
        "-o",
        out,
        *options,
        "--target",
        "ecp5-12k",
        "--test",
        files / "images.npz",
    )
    text = capsys.readouterr().out
    assert "w4a4" in text and "w2a3" in text and "top-1" in text and "*" in text
    assert "the networks to compile are in" in text
    assert {p.name[:5] for p in (out / "networks").glob("*.qc")} == {"w4a4-", "w2a3-"}
    assert "note: w4a4, w2a3 on ecp5-12k, 90,000,000 frames/s: " in text
    with (out / "points.csv").open() as file:
        rows = list(csv.DictReader(file))
    records = json.loads((out / "points.json").read_text())
    assert len(rows) == len(records) == 4
    assert {r["pareto"] for r in records} == {True, False}
    assert [r["fits"] for r in records] == [True, False] * 2
    assert (out / "pareto.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "pareto.html").read_text()
    assert "<html>" in page and "plotly" in page and 'src="http' not in page
    assert "w2a3" in page


def test_an_interrupt_says_how_to_go_on(
    files: Files, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(graph: Any, target: Target) -> Outcome:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.points, "evaluate", stop)
    with pytest.raises(SystemExit) as caught:
        main(["explore", str(files / "net.qc"), "-o", str(tmp_path / "out")])
    assert caught.value.code == INTERRUPTED
    assert "interrupted: 0 points are in" in capsys.readouterr().err


REFUSED: dict[str, tuple[list[str], str]] = {
    "no calibration": (["model.pt2"], "a float network needs inputs"),
    "two floats": (["model.pt2", "unpadded.pt2"], "one float network"),
    "one twice": (["net.qc", "net.qc"], "two of the networks have one name: net, net"),
    "no network": (["nothing.qc"], "nothing.qc"),
    "bits": (["model.pt2", "--bits", "4,9"], "'9' is no width"),
    "codes": (["model.pt2", "--bits", "4/x"], "'4/x' is no width"),
    "no bits": (["model.pt2", "--bits", ","], "--bits: is empty"),
    "bits of codes": (["net.qc", "--bits", "4"], "--bits: is for a float network"),
    "method of codes": (["net.qc", "--method", "mse"], "--method: is for a float network"),
    "calibration of codes": (
        ["net.qc", "--calibration", "i.npz"],
        "calibration inputs are for a float network",
    ),
    "no inputs": (["model.pt2", "--calibration", "none.npz"], "none.npz"),
    "no test set": (["net.qc", "--test", "none.npz"], "none.npz"),
    "no cost model": (["net.qc", "--target", "gw2a-18"], "no cost model for family 'gowin'"),
    "device": (["net.qc", "--target", "ecp5-85k,z80"], "'z80' is not a known device"),
    "rates": (["net.qc", "--fps", "10,fast"], "'10,fast' is no list of numbers"),
    "a negative rate": (["net.qc", "--fps", "-1"], "fps is -1.0"),
    "budget": (["net.qc", "--lut", "half"], "'half' is no LUT budget"),
    "an empty budget": (["net.qc", "--lut", "0%"], "'0%' is no LUT budget"),
    "workers": (["net.qc", "--workers", "0"], "0 workers cannot do anything"),
    "engine": (["net.qc", "--engine", "best"], "engine 'best' is unknown"),
    "method": (["model.pt2", "--method", "magic"], "magic"),
    "scheduler": (["net.qc", "--scheduler", "tcp://127.0.0.1:9"], "no dask scheduler answers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(
    case: str, files: Files, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qcompiler.flows.workers.CONNECT_SECONDS", 1)
    arguments, words = REFUSED[case]
    given = [files / a if a.endswith((".pt2", ".qc")) else a for a in arguments]
    error = refused(["explore", *given, "-o", tmp_path / "out"], capsys)
    assert words in error
    assert contents(tmp_path) == {}


def test_a_graph_that_is_not_quantized(files: Files, tmp_path: Path, capsys: Capture) -> None:
    compile_network(files / "net.qc", Target(fps=1000), out=tmp_path / "build")
    error = refused(["explore", tmp_path / "build/integer", "-o", tmp_path / "out"], capsys)
    assert "integer: a quantized nn graph was expected, this is integer" in error
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(files: Files, capsys: Capture) -> None:
    error = refused(["explore", files / "net.qc", "-o", "/proc/sweep"], capsys)
    assert "/proc/sweep: cannot be written" in error


def test_nothing_that_can_be_built(files: Files, tmp_path: Path, capsys: Capture) -> None:
    error = refused(["explore", files / "net.qc", "--fps", "90e6", "-o", tmp_path / "out"], capsys)
    assert "out: none of the 1 points can be built" in error
    assert (tmp_path / "out/points.csv").is_file(), "with the reasons"


def test_another_device_of_the_same_name_is_another_point(files: Files, tmp_path: Path) -> None:
    table = tmp_path / "own.toml"
    found = []
    for luts in (9000, 300, 9000):
        table.write_text(
            f'[devices.d]\nfamily = "ecp5"\nluts = {luts}\nffs = 9000\nbrams = 20\ndsps = 9\n'
        )
        sweep_of_one = Sweep(devices=(f"{table}:d",), fps=(500.0,))
        (result,) = explore([files / "net.qc"], sweep_of_one, tmp_path / "out")
        found.append(result.outcome.fits)
    assert found == [True, False, True]


def test_another_number_of_test_images_is_measured_anew(files: Files, tmp_path: Path) -> None:
    found = []
    for count in (1, 24):
        few = replace(SWEEP, devices=("ecp5-12k",), fps=(500.0,), lut=(), test_images=count)
        (result,) = explore([files / "net.qc"], few, tmp_path / "out", test=files / "images.npz")
        found.append(result.accuracy["top1"])
    assert found[0] in (0.0, 1.0) and found[1] not in (0.0, 1.0)


def test_a_test_set_without_labels(files: Files, tmp_path: Path, capsys: Capture) -> None:
    images = np.zeros((4, 2, 6, 6), np.float32)
    for name, arrays, words in (
        ("none", {"images": images}, "holds no array called labels"),
        ("few", {"images": images, "labels": np.arange(3)}, "one integer for each of the 4"),
        ("real", {"images": images, "labels": np.zeros(4)}, "one integer for each of the 4"),
    ):
        np.savez(tmp_path / f"{name}.npz", **arrays)
        options = ["--test", tmp_path / f"{name}.npz", "-o", tmp_path / "out"]
        assert words in refused(["explore", files / "net.qc", *options], capsys)
        assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_left_alone(
    files: Files, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "mine.txt").write_text("text")
    error = refused(["explore", files / "net.qc", "-o", tmp_path], capsys)
    assert "holds something else and is left alone" in error
    assert set(contents(tmp_path)) == {"mine.txt"}


def test_a_missing_library_says_how_to_get_it() -> None:
    with pytest.raises(ToolMissingError, match=r"qcompiler\[explore\]"):
        need("no_such_library", "1.0")
