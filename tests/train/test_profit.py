"""PROFIT in the trainer: stops in the middle of its stages, processes, the mean, validation."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.quant.profit import PROFIT, ProfitConfig
from qcompiler.train.average import WeightAverage
from qcompiler.train.batches import Batches
from qcompiler.train.checkpoint import read_checkpoint
from qcompiler.train.config import TrainConfig
from qcompiler.train.dataset import load_data
from qcompiler.train.interrupt import Interrupted
from qcompiler.train.log import JSONL
from qcompiler.train.methods import make_method
from qcompiler.train.network import make_model
from qcompiler.train.optimizer import begins_stage, rate
from qcompiler.train.pixels import pixels, resolve
from qcompiler.train.plain import Plain
from qcompiler.verbs.train import train
from tests.places import contents
from tests.train.nets import CLASSES, At, settings

ROOT = Path(__file__).parents[2]
SHORT = {
    "float_stage": "no", "bn_stages": "no", "staircase": "no", "sample_epochs": "25",
}  # fmt: skip
ASKED = {"method": "profit", "bits": 4, "activations": 4, "epochs": 3, "lr": 0.05}


class Blocks(nn.Module):
    """8x8 colour images through a depthwise and two 1x1 layers to 3 logits."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU6(),
            nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False), nn.BatchNorm2d(6), nn.ReLU6(),
            nn.Conv2d(6, 6, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU6(),
        )  # fmt: skip
        self.drop, self.fc = nn.Dropout(0.1), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.drop(self.features(x).mean((2, 3))))
        return logits


def asked(folder: Path, **changed: Any) -> TrainConfig:
    usual = SHORT if changed.get("method", "profit") == "profit" else {}
    options = {**usual, **changed.pop("options", {})}
    given = {**ASKED, "model": "tests.train.test_profit:Blocks", "options": options, **changed}
    return settings(folder, **given)


def stopped(config: TrainConfig, step: int) -> None:
    with pytest.raises(Interrupted):
        train(config, progress=At(step, lambda: signal.raise_signal(signal.SIGINT)))


def same(one: Any, two: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[k], two[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)


def rows(config: TrainConfig) -> list[dict[str, Any]]:
    lines = (config.checkpoint_dir / JSONL).read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """A run without a stop, with a running mean of its weights."""
    config = asked(tmp_path_factory.mktemp("whole"), validation=0.1)
    train(config)
    return config


def test_stopped_while_sampling_and_while_freezing(whole: TrainConfig, tmp_path: Path) -> None:
    method = make_method(whole)
    assert isinstance(method, PROFIT)
    config = asked(tmp_path, validation=0.1)
    inside, epoch = [], 0
    for at in (3, 7, 10, 18, 22):  # of 24 steps, 8 an epoch, each of which is measured once
        stopped(config, (at // 8 - epoch) * 9 + at % 8)  # counted from the epoch's begin
        here = read_checkpoint(config.checkpoint_dir).position
        assert (here.epoch, here.step) == divmod(at, 8)
        epoch = here.epoch
        before, after = (method.phase(k / 24) for k in (at - 1, at))
        assert before == after
        inside.append(method.schedule.phases[after])
    assert [p.samples for p in inside] == [False, True, True, False, False]
    assert [p.frozen for p in inside] == [0, 0, 0, 1, 2]
    train(config)
    one, two = (read_checkpoint(c.checkpoint_dir) for c in (whole, config))
    for part in ("model", "optimizer", "average", "accuracy"):
        assert same(getattr(one, part), getattr(two, part)), part
    assert rows(whole) == rows(config)
    assert one.average["values"] and not same(
        one.average["values"]["fc.bias"], one.model["fc.bias"]
    )


def test_the_ranking_is_in_the_log(whole: TrainConfig) -> None:
    last = rows(whole)[-1]
    assert last["bits"] == last["activations"] == 4 and last["frozen"] == 2
    found = last["layers"]
    assert sorted(found) == ["features.0", "features.3", "features.6"]
    assert found["features.3"]["depthwise"] == 1
    assert sorted(row["rank"] for row in found.values()) == [1, 2, 3]
    assert all(row["third"] == row["rank"] and row["aiwq"] > 0 for row in found.values())


def test_momentum_and_rate_start_anew_with_a_stage(whole: TrainConfig) -> None:
    method = make_method(whole)
    assert isinstance(method, PROFIT)
    begun = [k for k in range(27) if begins_stage(method, k, 27)]
    assert begun == [5, 13, 18, 23] and not begins_stage(object(), 5, 27)
    rates = [rate(whole, k, 9, method) for k in range(27)]
    assert rates == [0.05 * method.rate(k / 27) for k in range(27)]
    for k in begun[2:]:  # the cosine of one stage, the warm-up of the next
        assert rates[k - 1] < 0.5 * max(rates) and rates[k] < rates[k + 1]


class Stages(Plain):
    """At rate 0, so that momentum is a sum of the steps' gradients at the same weights."""

    def __init__(self, begins: int) -> None:
        object.__setattr__(self, "begins", begins)

    def plan(self, steps: int) -> None:
        assert steps == 9

    def phase(self, done: float) -> int:
        return int(done * 9 >= self.begins)  # type: ignore[attr-defined]

    def rate(self, done: float) -> float:
        return 0.0


def test_a_stage_begins_without_momentum(tmp_path: Path) -> None:
    """Resumed or not, one step after its begin there is that step's gradient alone."""
    found = {}
    for begins, stops in {5: (6,), 4: (4, 5, 6), 9: (6,)}.items():
        config = settings(tmp_path, checkpoint_dir=tmp_path / str(begins), epochs=1,
                          model="tests.train.nets:Normless", weight_decay=0.0)  # fmt: skip
        for at in stops:
            with pytest.raises(Interrupted):
                train(
                    config,
                    method=Stages(begins),
                    progress=At(at, lambda: signal.raise_signal(signal.SIGINT)),
                )
        state = read_checkpoint(config.checkpoint_dir).optimizer["state"]
        found[begins] = state[0]["momentum_buffer"]
    draws = settings(tmp_path, epochs=1, model="tests.train.nets:Normless")
    data = load_data(draws)
    resolved = resolve(draws, data.train)
    batches = Batches(data.train, pixels(resolved), 16, 0, "crop-flip", 0, 1)
    model = make_model(draws.model, 0)
    gradients = []
    for step in range(6):
        images, labels = batches(0, step)
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        gradients.append(torch.autograd.grad(loss, model.get_parameter("conv.weight"))[0])
    for begins, held in found.items():
        begun = 0 if begins == 9 else begins
        expected = sum(0.9 ** (5 - k) * gradients[k] for k in range(begun, 6))
        torch.testing.assert_close(held, expected, rtol=1e-4, atol=1e-6)


# ---- the mean of the weights -----------------------------------------------------------------


class Means(PROFIT):
    def __init__(self, share: float, new: float) -> None:
        super().__init__(ProfitConfig(bits=4))
        self.share, self.new = share, new

    def averaging(self, done: float) -> tuple[float, int]:
        return self.share, int(done >= self.new)


def test_the_mean_is_plain_at_first_and_starts_anew() -> None:
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    average = WeightAverage(Means(0.25, 0.6), net, 10)
    seen = []
    for step, value in enumerate([4.0, 2.0, 6.0, 0.0, 8.0, 5.0, 1.0, 3.0]):
        with torch.no_grad():
            net[0].weight.fill_(value)
            net[1].running_mean.fill_(2 * value)
        average.update(net, step)
        seen.append(float(average.values["0.weight"]))
        assert float(average.values["1.running_mean"]) == pytest.approx(2 * seen[-1])
    expected = [4, 3, 4, 3, 0.75 * 3 + 2, 0.75 * 4.25 + 1.25, 1, 2]
    assert seen == pytest.approx(expected)
    average.exchange(net)
    assert float(net[0].weight.detach()) == pytest.approx(2)
    assert float(average.values["0.weight"]) == 3
    other = WeightAverage(Means(0.25, 0.6), net, 10)
    other.restore(average.state())
    assert other.steps == 2 and same(other.values, average.values)


@pytest.mark.parametrize("better", [True, False])
def test_validation_chooses(better: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean is kept where it is better on the images kept out, whatever the test images say."""
    config = asked(tmp_path, validation=0.1)
    data = load_data(config)
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (130, 14, 16)
    calls: list[int] = []

    def measured(model: nn.Module, part: Any, *others: Any) -> float:
        calls.append(len(part))
        if len(part) == 14:
            return 0.5 if calls.count(14) == 1 else 0.75 if better else 0.5
        return 0.9 - len(calls) / 100

    monkeypatch.setattr("qcompiler.train.loop.soft_accuracy", measured)
    result = train(config)
    assert calls == [16, 16, 16, 14, 14] + [16] * better
    assert (result.kept, result.validation_accuracy) == (
        ("mean", 0.75) if better else ("trained", 0.5)
    )
    assert result.soft_accuracy == pytest.approx(0.84 if better else 0.87)
    assert train(config) == result  # read again


def test_without_validation_nothing_is_chosen(tmp_path: Path) -> None:
    config = asked(tmp_path)
    result = train(config)
    assert result.kept == "trained" and result.validation_accuracy is None
    assert read_checkpoint(config.checkpoint_dir).average == {}
    without = asked(tmp_path, checkpoint_dir=tmp_path / "b", validation=0.1, options={"ema": "0"})
    assert train(without).kept == "trained"
    assert read_checkpoint(without.checkpoint_dir).average == {}


def test_a_run_of_a_version_without_validation_goes_on(tmp_path: Path) -> None:
    config = asked(tmp_path)
    stopped(config, 3)
    path = config.checkpoint_dir / "checkpoint.pt"
    document = torch.load(path, weights_only=True)
    del document["asked"]["validation"], document["average"]
    torch.save(document, path)
    with pytest.raises(QCompilerError, match=r"validation 0\.0, now 0\.1"):
        train(asked(tmp_path, validation=0.1))
    train(config)


# ---- a teacher, bad settings, processes -------------------------------------------------------


@pytest.mark.parametrize(("method", "plain"), [("profit", {"freeze": "no"}), ("lsq", {})])
def test_a_teacher_changes_the_weights(method: str, plain: dict[str, str], tmp_path: Path) -> None:
    torch.manual_seed(3)
    torch.save(Blocks().state_dict(), tmp_path / "teacher.pt")
    taught = {"teacher": "tests.train.test_profit:Blocks",
              "teacher_weights": str(tmp_path / "teacher.pt")}  # fmt: skip
    given: dict[str, Any] = {"method": method, "epochs": 1}
    config = asked(tmp_path, **given, options={**taught, **plain})
    alone = asked(tmp_path, **given, checkpoint_dir=tmp_path / "b", options=plain)
    train(config)
    train(alone)
    weights = [read_checkpoint(c.checkpoint_dir).model["fc.bias"] for c in (config, alone)]
    assert not torch.equal(*weights)
    assert rows(config)[0]["penalty"] > 0.5 and rows(alone)[0]["penalty"] == 0
    with pytest.raises(QCompilerError, match=r"nowhere\.pt"):
        make_method(asked(tmp_path, **given, options={**taught, "teacher_weights": "nowhere.pt"}))


def test_a_training_too_short_is_refused(tmp_path: Path) -> None:
    config = asked(tmp_path, epochs=1, options={"sample_epochs": "1"})
    with pytest.raises(QCompilerError, match=r"9 steps of training leave \d to measure"):
        train(config)
    assert not config.checkpoint_dir.exists()


def test_restart_with_a_plan_that_fails_keeps_the_old_run(tmp_path: Path) -> None:
    old = asked(tmp_path, epochs=1, options={"freeze": "no"})
    train(old)
    before = contents(old.checkpoint_dir)
    with pytest.raises(QCompilerError, match="to measure"):
        train(asked(tmp_path, epochs=1, options={"sample_epochs": "1"}), restart=True)
    assert contents(old.checkpoint_dir) == before


def four_classes() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 4))


def test_a_teacher_of_other_classes_is_refused(tmp_path: Path) -> None:
    torch.save(four_classes().state_dict(), tmp_path / "teacher.pt")
    taught = {"teacher": "tests.train.test_profit:four_classes",
              "teacher_weights": str(tmp_path / "teacher.pt")}  # fmt: skip
    config = asked(tmp_path, options=taught)
    with pytest.raises(QCompilerError, match="teacher: gives 4 logits, the data has 3 classes"):
        train(config)
    assert not config.checkpoint_dir.exists()


def test_processes_agree(tmp_path: Path) -> None:
    """AIWQ, the mean and everything else are the same in both, to the bit."""
    config = asked(tmp_path, validation=0.1)
    script = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    script += ["--nproc-per-node", "2", "-m", "tests.train.profit_ranks", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    one, two = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert same(one, two)
    totals = [v for k, v in one["model"].items() if k.endswith("stability.total")]
    assert len(totals) == 3 and all(float(t) > 0 for t in totals)
    assert np.isfinite(rows(config)[-1]["train_loss"])
