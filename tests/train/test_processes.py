"""Two processes of torchrun train as one does; devices that are not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from qcompiler.errors import QCompilerError
from qcompiler.train.checkpoint import read_checkpoint
from qcompiler.train.log import CSV
from qcompiler.train.processes import check_shares, pick_device
from qcompiler.verbs.train import train
from tests.train.nets import settings

ROOT = Path(__file__).parents[2]
NORMLESS = "tests.train.nets:Normless"  # each process has its own batch statistics


@pytest.mark.parametrize("method", ["float", "csq"])
def test_two_processes_agree_with_one(method: str, tmp_path: Path) -> None:
    asked = {"model": NORMLESS, "epochs": 1, "method": method}
    if method == "csq":  # through the end of the search, which both must settle alike
        asked["budget"] = 3.0
    alone = settings(tmp_path, **asked)
    result = train(alone)
    together = settings(tmp_path, **asked, checkpoint_dir=tmp_path / "two")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "qcompiler", "train", "--method", method]
    command += ["--budget", "3.0"] if method == "csq" else []
    command += ["--data", str(alone.data), "--checkpoint-dir", str(together.checkpoint_dir)]
    command += ["--model", NORMLESS, "--epochs", "1", "--batch-size", "16", "--threads", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count(" network: ") == 1 and run.stdout.count("epoch 1/1: ") == 1
    one, two = (read_checkpoint(config.checkpoint_dir) for config in (alone, together))
    for name, value in one.model.items():
        assert torch.allclose(two.model[name], value, atol=1e-5), name
    for k, state in one.optimizer["state"].items():  # gradients of all steps, added up
        found = two.optimizer["state"][k]["momentum_buffer"]
        assert torch.allclose(found, state["momentum_buffer"], atol=1e-5)
    assert two.accuracy == result.soft_accuracy
    logs = [(config.checkpoint_dir / CSV).read_text().splitlines() for config in (alone, together)]
    rows = [[float(v) for v in log[1].split(",")[:-1]] for log in logs]
    assert rows[0] == pytest.approx(rows[1], abs=1e-4) and len(logs[1]) == 2


def test_a_batch_must_share_out() -> None:
    check_shares(12, 3)
    with pytest.raises(QCompilerError, match="batch_size: 10 images do not share out to 3 proc"):
        check_shares(10, 3)


def test_torchrun_with_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert train(settings(tmp_path, epochs=1)).soft_accuracy > 0.5


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_devices_that_are_not_there() -> None:
    assert pick_device("auto") == pick_device("cpu") == torch.device("cpu")
    for name in ("cuda", "cuda:1"):
        with pytest.raises(QCompilerError, match=f"device {name} is not available: torch .* no"):
            pick_device(name)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_on_a_gpu(tmp_path: Path) -> None:
    assert pick_device("auto", 0) == torch.device("cuda", 0)
    with pytest.raises(QCompilerError, match="device cuda:99 is not available"):
        pick_device("cuda:99")
    result = train(settings(tmp_path, device="cuda", method="lsq", bits=4))
    assert result.hard_accuracy is not None and result.hard_accuracy > 0.5
