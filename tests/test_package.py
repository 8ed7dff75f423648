"""The wheel carries all that an installed qcompiler needs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(folder), str(ROOT)], check=True)
    return next(folder.glob("*.whl"))


def test_wheel_holds_templates_rtl_and_sim(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("templates", "rtl", "sim"):
        for path in (ROOT / folder).iterdir():
            if path.is_file():
                assert f"qcompiler/_data/{folder}/{path.name}" in names


def test_installed_package_finds_its_data(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(target)
    code = "from qcompiler import resources as r; print(r.RTL, (r.SIM / 'bench.py').is_file())"
    env = {**os.environ, "PYTHONPATH": str(target)}
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == [str(target / "qcompiler" / "_data" / "rtl"), "True"]


@pytest.mark.long
@pytest.mark.sim
def test_demo_from_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    pip = [str(tmp_path / "venv" / "bin" / "pip"), "install", "--quiet"]
    subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), str(wheel)], check=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    run = subprocess.run(
        [str(tmp_path / "venv" / "bin" / "qcompiler"), "demo"],
        cwd=empty,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert "bit-exact: 22 frames" in run.stdout
