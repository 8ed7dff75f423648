"""A run that is killed or stopped at any moment ends as if it had not been, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from qcompiler.errors import QCompilerError
from qcompiler.train.checkpoint import NAME, read_checkpoint
from qcompiler.train.interrupt import Interrupted
from qcompiler.train.log import CSV, JSONL
from qcompiler.verbs.train import TrainConfig, train
from tests.places import contents
from tests.train.killed import EVERY, KILLS
from tests.train.nets import At, Traced, settings

ROOT = Path(__file__).parents[2]
MOMENTS = {"first step": 1, "mid-epoch": 4, "last step": 9, "measuring": 10, "second epoch": 14}


def ended(config: TrainConfig) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The weights that a run ended with, and its log without times."""
    found = read_checkpoint(config.checkpoint_dir)
    lines = (config.checkpoint_dir / JSONL).read_text().splitlines()
    rows = [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]
    table = (config.checkpoint_dir / CSV).read_text().splitlines()
    assert len(table) == 1 + len(rows) == 1 + config.epochs
    return found.model, rows


def assert_same_end(config: TrainConfig, other: TrainConfig) -> None:
    weights, rows = ended(config)
    expected, logged = ended(other)
    assert weights.keys() == expected.keys()
    for name in expected:
        assert torch.equal(weights[name], expected[name]), name
    assert rows == logged


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """A run without a stop."""
    config = settings(tmp_path_factory.mktemp("whole"), checkpoint_every=EVERY)
    train(config)
    return config


# ---- kills ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the runs of ``killed.KILLS`` left."""
    folder = tmp_path_factory.mktemp("killed")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.train.killed", str(folder)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.mark.parametrize("kill", [kill.__name__ for kill in KILLS])
def test_killed_and_resumed(kill: str, killed: Path, whole: TrainConfig) -> None:
    config = settings(killed / kill, checkpoint_every=EVERY)
    found = read_checkpoint(config.checkpoint_dir)
    assert not found.done and not (config.checkpoint_dir / "result.json").exists()
    train(config)
    assert_same_end(config, whole)
    assert not list(config.checkpoint_dir.glob(".*")), "no temporary file is left"


# ---- signals --------------------------------------------------------------------------------

METHODS: dict[str, dict[str, Any]] = {
    "float": {},
    "csq": {"budget": 3.0, "activations": 4},
    "lsq": {"bits": 4, "activations": 4},
    "bsq": {},
}


def interrupted(config: TrainConfig, step: int, number: int = signal.SIGINT) -> str:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted) as caught:
        train(config, progress=At(step, lambda: signal.raise_signal(number)))
    assert signal.getsignal(signal.SIGINT) == before
    return str(caught.value)


@pytest.mark.parametrize("moment", MOMENTS)
def test_stopped_and_resumed(moment: str, whole: TrainConfig, tmp_path: Path) -> None:
    config = settings(tmp_path, checkpoint_every="1h")
    step = MOMENTS[moment]
    said = interrupted(config, step)
    assert f"run the same command again to go on from {config.checkpoint_dir}" in said
    found = read_checkpoint(config.checkpoint_dir).position
    assert (found.epoch, found.step) == (step // 11, step % 10 if step < 9 else (9, 4)[step > 10])
    assert f"epoch {found.epoch + 1}, step {found.step} of 9, " in said
    train(config)
    assert_same_end(config, settings(whole.data.parent, checkpoint_every=EVERY))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_resumes(method: str, tmp_path: Path) -> None:
    given = {"method": method, "epochs": 3, **METHODS[method]}
    one = settings(tmp_path, checkpoint_dir=tmp_path / "one", **given)
    two = settings(tmp_path, checkpoint_dir=tmp_path / "two", **given)
    result = train(one)
    for step in (5, 12, 15):  # counted anew after each stop: epochs 1, 2 and 3
        interrupted(two, step)
    again = train(two)
    assert_same_end(two, one)
    assert again.soft_accuracy == result.soft_accuracy and again.layers == result.layers
    one_graph, two_graph = (c.checkpoint_dir / "net.qc" for c in (one, two))
    if method != "float":
        assert contents(one_graph) == contents(two_graph)


def test_termination_stops_like_ctrl_c(tmp_path: Path) -> None:
    config = settings(tmp_path)
    interrupted(config, 3, signal.SIGTERM)
    assert read_checkpoint(config.checkpoint_dir).position.step == 3


def test_stopped_while_the_integers_are_made(tmp_path: Path) -> None:
    config = settings(tmp_path)
    method, steps = Traced(), 20  # 2 epochs of 9 steps, measured in one each; then the integers
    with pytest.raises(Interrupted, match="all epochs are trained; run the same command again"):
        train(config, method=method, progress=At(steps + 1, lambda: signal.raise_signal(2)))
    assert read_checkpoint(config.checkpoint_dir).done
    calls = len(method.calls)  # type: ignore[attr-defined]
    assert train(config, method=method).hard_accuracy is not None
    assert len(method.calls) == calls, "nothing was trained again"  # type: ignore[attr-defined]


def test_ctrl_c_on_the_command_line(tmp_path: Path) -> None:
    config = settings(tmp_path)
    command = [sys.executable, "-m", "qcompiler", "train", "--data", config.data]
    command += ["--checkpoint-dir", config.checkpoint_dir, "--model", config.model]
    command += ["--method", "float", "--batch-size", "16", "--epochs", "100000"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*map(str, command)], env=environment, stdout=pipe, stderr=pipe, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline().startswith("epoch 1/100000: loss ")
        run.send_signal(signal.SIGINT)
        _, error = run.communicate(timeout=60)
    assert run.returncode == 130
    assert error.startswith("qcompiler: interrupted: epoch ") and error.count("\n") == 1
    assert f"go on from {config.checkpoint_dir}" in error
    assert (config.checkpoint_dir / NAME).is_file()


# ---- whose run it is --------------------------------------------------------------------------


def test_another_configuration_is_refused_and_restart_takes_it(tmp_path: Path) -> None:
    train(settings(tmp_path))
    folder = tmp_path / "run"
    before = contents(folder)
    with pytest.raises(QCompilerError) as caught:
        train(settings(tmp_path, lr=0.2, seed=3, epochs=1))
    said = str(caught.value)
    assert f"{folder}: holds a run with another configuration: " in said
    assert "epochs 2, now 1; lr 0.1, now 0.2; seed 0, now 3" in said
    assert "another --checkpoint-dir" in said and "--restart" in said
    assert contents(folder) == before
    train(settings(tmp_path, lr=0.2, seed=3, epochs=1), restart=True)
    assert len((folder / CSV).read_text().splitlines()) == 2
    assert read_checkpoint(folder).asked["lr"] == 0.2


def test_other_images_are_another_run(tmp_path: Path) -> None:
    config = settings(tmp_path)
    interrupted(config, 3)
    moved = settings(tmp_path, data=config.data.rename(tmp_path / "moved.npz"), threads=None)
    interrupted(moved, 3)  # the same images elsewhere
    with pytest.raises(QCompilerError, match="the images, the labels or their split differ"):
        train(settings(tmp_path, data=moved.data, test=moved.data))


def test_a_damaged_checkpoint_is_refused_kept_and_replaced_on_wish(tmp_path: Path) -> None:
    config = settings(tmp_path)
    interrupted(config, 3)
    path = config.checkpoint_dir / NAME
    path.write_bytes(path.read_bytes()[:500])
    before = contents(config.checkpoint_dir)
    with pytest.raises(QCompilerError, match=f"{NAME}: this checkpoint cannot be read"):
        train(config)
    assert contents(config.checkpoint_dir) == before
    train(config, restart=True)
    assert read_checkpoint(config.checkpoint_dir).done


def test_a_changed_model_is_refused(tmp_path: Path) -> None:
    config = settings(tmp_path, method="lsq", bits=4)
    interrupted(config, 3)
    path = config.checkpoint_dir / NAME
    document = torch.load(path, weights_only=True)
    document["model"]["fc.bias"] = torch.zeros(7)
    torch.save(document, path)
    with pytest.raises(QCompilerError, match=r"does not fit the model or the method as they are"):
        train(config)
