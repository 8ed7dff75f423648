"""The loop: schedule, what methods are told, the accuracy it reports, and a loss that explodes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.train import checkpoint as checkpoint_module
from qcompiler.train.batches import Batches
from qcompiler.train.checkpoint import NAME, read_checkpoint
from qcompiler.train.config import TrainConfig
from qcompiler.train.dataset import load_data
from qcompiler.train.log import Row
from qcompiler.train.optimizer import make_optimizer, rate, set_rate
from qcompiler.train.pixels import pixels, resolve
from qcompiler.train.plain import Plain
from qcompiler.verbs.train import train
from tests.places import contents
from tests.train.nets import Features, Normless, Tiny, Traced, settings


def test_schedule_rises_and_falls() -> None:
    config = TrainConfig(Path("d"), Path("r"), epochs=10, lr=0.4, warmup=2)
    rates = [rate(config, step, 5) for step in range(50)]
    assert np.allclose(rates[:10], 0.04 * np.arange(1, 11))
    assert rates[10] == 0.4 and rates[30] == pytest.approx(0.2)
    assert all(a > b for a, b in pairwise(rates[10:])) and 0 < rates[-1] < 1e-3
    short = TrainConfig(Path("d"), Path("r"), epochs=1, lr=0.4)
    assert rate(short, 0, 10) == pytest.approx(0.08) and rate(short, 5, 10) == 0.4


class Scaled(Plain):
    def parameter_groups(self, model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        return [
            {"params": model.parameters(), "weight_decay": 0.0, "lr_scale": 0.1},
            {"params": []},
        ]


def test_groups_scale_the_rate() -> None:
    config = TrainConfig(Path("d"), Path("r"))
    optimizer = make_optimizer(Scaled(), Features(), config)
    set_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.05]
    plain = make_optimizer(Plain(), Features(), config).param_groups
    assert [group["weight_decay"] for group in plain] == [5e-4, 0.0]
    assert [group["lr_scale"] for group in plain] == [1.0, 1.0]
    frozen = Features().requires_grad_(False)
    with pytest.raises(QCompilerError, match="model: has no parameter to train"):
        make_optimizer(Plain(), frozen, config)


def test_a_method_is_told_what_is_done(tmp_path: Path) -> None:
    method, rows = Traced(), list[Row]()
    result = train(settings(tmp_path), method=method, on_epoch=rows.append)
    steps = [("step", k / 18) for k in range(18)]
    expected = [*steps[:9], ("epoch", 0.5), *steps[9:], ("epoch", 1.0)]
    assert method.calls == expected  # type: ignore[attr-defined]
    assert [row.epoch for row in rows] == [1, 2] and rows[1].penalty > 0
    assert rows[1].method == {"bits": 4.0}
    assert result.soft_accuracy == rows[1].test_accuracy == 1.0
    assert read_checkpoint(tmp_path / "run").asked["method"] == "traced"


def test_the_steps_are_those_of_sgd(tmp_path: Path) -> None:
    """The same weights as a loop written out by hand."""
    config = settings(tmp_path, epochs=1, model="tests.train.nets:Normless", label_smoothing=0.1)
    train(config)
    data = load_data(config)
    resolved = resolve(config, data.train)
    assert resolved.augment == "crop-flip"
    batches = Batches(data.train, pixels(resolved), 16, 0, "crop-flip", 0, 1)
    start = settings(tmp_path, checkpoint_dir=tmp_path / "start", model=config.model, lr=1e-30)
    train(start)
    model = Normless()
    model.load_state_dict(read_checkpoint(start.checkpoint_dir).model)
    groups = Plain().parameter_groups(model, 5e-4)
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    for step in range(9):
        for group in optimizer.param_groups:
            group["lr"] = rate(config, step, 9)
        images, labels = batches(0, step)
        loss = F.cross_entropy(model(images), labels, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = read_checkpoint(config.checkpoint_dir).model
    for name, value in model.state_dict().items():
        assert torch.allclose(found[name], value, atol=1e-6), name


def test_the_seed_decides_and_the_callers_state_does_not(tmp_path: Path) -> None:
    weights = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.manual_seed(len(weights))
        state, threads = torch.get_rng_state(), torch.get_num_threads()
        config = settings(tmp_path, checkpoint_dir=tmp_path / name, seed=seed)
        train(config)
        assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads
        weights.append(read_checkpoint(config.checkpoint_dir).model["fc.weight"])
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


# ---- what goes wrong on the way -------------------------------------------------------------


class Exploding(Tiny):
    """Gives NaN in its 12th step."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += self.training
        logits = super().forward(x)
        return logits * torch.nan if self.steps == 12 else logits


class Overflowing(Plain):
    """Makes a weight infinite in the second epoch, which no loss shows before a checkpoint."""

    @torch.no_grad()
    def end_epoch(self, model: nn.Module, done: float) -> None:
        if done == 1:
            next(model.parameters()).fill_(torch.inf)


def test_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    config = settings(tmp_path, model="tests.train.test_loop:Exploding")
    with pytest.raises(QCompilerError) as caught:
        train(config)
    said = str(caught.value)
    assert "training: the loss is nan, the penalty 0 after step 2 of 9 in epoch 2" in said
    assert "take a lower --lr than 0.1" in said and str(config.checkpoint_dir) in said
    found = read_checkpoint(config.checkpoint_dir)
    assert found.position.epoch == 1
    assert all(torch.isfinite(value).all() for value in found.model.values())


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    with pytest.raises(QCompilerError, match="a parameter is NaN or infinite after epoch 2"):
        train(settings(tmp_path), method=Overflowing())
    found = read_checkpoint(tmp_path / "run")
    assert all(torch.isfinite(value).all() for value in found.model.values())


def test_a_disk_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(tmp_path, checkpoint_every="4")
    calls, fsync = 0, checkpoint_module.os.fsync

    def full(file: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise OSError(28, "No space left on device")
        fsync(file)

    monkeypatch.setattr(checkpoint_module.os, "fsync", full)
    with pytest.raises(QCompilerError, match=f"{NAME}: cannot be written: No space left"):
        train(config)
    monkeypatch.undo()
    before = contents(config.checkpoint_dir)
    assert read_checkpoint(config.checkpoint_dir).position.step == 4
    assert train(config).soft_accuracy > 0.9 and contents(config.checkpoint_dir) != before
