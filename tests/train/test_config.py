"""Settings of a run: what is refused, and methods' settings from text."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qcompiler.errors import QCompilerError
from qcompiler.train.config import TrainConfig, every
from qcompiler.train.methods import METHODS, make_method
from qcompiler.train.options import parse_options, settings


def config(**given: Any) -> TrainConfig:
    return TrainConfig(Path("data.npz"), Path("run"), **given)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"epochs": 0}, "epochs: 0 is not a whole number from 1"),
    ({"epochs": 1.5}, "epochs: 1.5 is not a whole number"),
    ({"batch_size": 0}, "batch_size: 0 is not a whole number from 1"),
    ({"seed": -1}, "seed: -1 is not a whole number from 0"),
    ({"threads": 0}, "threads: 0 is not a whole number from 1"),
    ({"lr": 0.0}, "lr: 0 is not above 0 and finite"),
    ({"lr": math.inf}, "lr: inf is not above 0 and finite"),
    ({"lr": math.nan}, "lr: nan is not above 0"),
    ({"momentum": 1.0}, "momentum: 1 is not at least 0 and below 1"),
    ({"weight_decay": -0.1}, "weight_decay: -0.1 is not at least 0"),
    ({"warmup": 30.0}, "warmup: 30 is not at least 0 and below 30"),
    ({"label_smoothing": 1.0}, "label_smoothing: 1 is not"),
    ({"holdout": 0.0}, "holdout: 0 is not above 0 and below 1"),
    ({"holdout": 1.0}, "holdout: 1 is not above 0 and below 1"),
    ({"bits": 9}, "bits: 9 is not a width from 1 to 8 bits, nor 0 or 32"),
    ({"activations": 16}, "activations: 16 is not a width"),
    ({"budget": 0.0}, "budget: an average of 0 bits is outside (0, 8]"),
    ({"augment": "mixup"}, "augment 'mixup' is unknown\n  hint: choose one of none, flip, crop"),
    ({"normalize": "mnist"}, "normalize 'mnist' is unknown"),
    ({"mean": (0.5,)}, "mean: mean and std go together"),
    ({"mean": (0.5,), "std": (0.5, 0.5)}, "mean: 1 numbers, and 2 in std"),
    ({"mean": (math.nan,), "std": (0.5,)}, "are not all finite"),
    ({"mean": (0.5,), "std": (0.0,)}, "are not all positive"),
    ({"device": "gpu"}, "device 'gpu' is unknown\n  hint: choose auto, cpu, cuda"),
    ({"checkpoint_every": "0"}, "checkpoint_every: '0' is neither a time nor a number of steps"),
    ({"checkpoint_every": "5 minutes"}, "hint: write 60s, 5m or 1h"),
]


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_what_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(QCompilerError) as caught:
        config(**given)
    assert words in str(caught.value)


def test_json_holds_every_field() -> None:
    given = config(mean=(0.5,), std=(0.25,), options={"b": "1", "a": "2"})
    found = json.loads(json.dumps(given.json()))
    assert found["mean"] == [0.5] and found["data"] == "data.npz"
    assert list(found["options"]) == ["a", "b"]
    assert set(found) == set(given.__dataclass_fields__)


def test_every() -> None:
    assert every("90s") == (90, 0)
    assert every("1.5h") == (5400, 0)
    assert every("500") == (math.inf, 500)


# ---- settings of methods ------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    budget: float = 3.0
    planes: int = 8
    fast: bool = False
    ends: tuple[float, float] = (1.0, 200.0)
    limit: float | None = 1.0
    kind: str = "size"


def parsed(*texts: str) -> Settings:
    return settings(Settings, "some", parse_options(list(texts)), budget=2.0)


def test_settings_are_parsed_as_their_fields_declare() -> None:
    found = parsed("planes=6", "fast=true", "ends=2,50", "limit=none", "kind=cycles")
    assert found == Settings(2.0, 6, True, (2.0, 50.0), None, "cycles")
    assert parsed("limit=0.5").limit == 0.5
    assert parsed() == Settings(2.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("planes", "--set: 'planes' is no setting\n  hint: write --set NAME=VALUE"),
        ("=3", "'=3' is no setting"),
        ("planes=many", "--set: planes='many' is no whole number"),
        ("planes=2.5", "planes='2.5' is no whole number"),
        ("fast=maybe", "fast='maybe' is no true or false"),
        ("ends=1", "ends='1' is no list of numbers such as 1,200"),
        ("plains=3", "some has no setting 'plains'\n  hint: its settings are planes, fast, ends"),
        ("budget=3", "some has no setting 'budget'; it has an option of its own: --budget"),
    ],
)
def test_settings_that_are_refused(text: str, words: str) -> None:
    with pytest.raises(QCompilerError) as caught:
        parsed(text)
    assert words in str(caught.value)


def test_a_setting_given_twice() -> None:
    with pytest.raises(QCompilerError, match="planes is given twice"):
        parsed("planes=3", "planes=4")


# ---- the table ----------------------------------------------------------------------------

GIVEN: dict[str, dict[str, Any]] = {
    "float": {},
    "csq": {"budget": 3.0, "options": {"planes": "7"}},
    "lsq": {"bits": 4, "activations": 4},
    "bsq": {"options": {"strength": "0.1"}},
    "profit": {"bits": 4, "activations": 4, "options": {"w_bits": "8,4", "freeze": "no"}},
}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_of_the_table(name: str) -> None:
    assert make_method(config(method=name, **GIVEN[name])).name == name


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "best"}, "method 'best' is unknown\n  hint: choose one of float, csq, lsq"),
        ({"method": "float", "budget": 3.0}, "float takes no --budget"),
        ({"method": "float", "options": {"a": "1"}}, "float has no setting 'a'"),
        ({"method": "csq"}, "csq needs a budget"),
        ({"method": "csq", "budget": 3.0, "bits": 3}, "csq takes no --bits"),
        ({"method": "csq", "budget": 3.0, "options": {"x": "1"}}, "csq has no setting 'x'"),
        ({"method": "lsq"}, "lsq needs a weight width"),
        ({"method": "lsq", "bits": 3, "budget": 3.0}, "lsq takes no --budget"),
        ({"method": "bsq", "budget": 3.0}, "bsq takes no --budget"),
        ({"method": "profit"}, "profit needs a weight width"),
        ({"method": "profit", "bits": 4, "budget": 3.0}, "profit takes no --budget"),
        ({"method": "profit", "bits": 4, "warmup": 1.0}, "profit takes no --warmup"),
        ({"method": "profit", "bits": 4, "options": {"freezing": "1"}}, "no setting 'freezing'"),
        (
            {"method": "profit", "bits": 4, "options": {"teacher": "a:b"}},
            "teacher: teacher and teacher_weights go together",
        ),
        (
            {"method": "profit", "bits": 4, "options": {"ema": "0.01"}},
            "ema: no mean of the weights",
        ),
        (
            {"method": "profit", "bits": 4, "options": {"w_bits": "8;4"}},
            "--set: w_bits='8;4' is no list of numbers such as 8,5,4",
        ),
        ({"method": "profit", "bits": 4, "options": {"distill": "x"}}, "distill='x' is no number"),
        ({"method": "float", "validation": 0.1}, "float takes no --validation"),
        ({"method": "csq", "budget": 3.0, "validation": 0.1}, "csq takes no --validation"),
        ({"method": "lsq", "bits": 4, "validation": 0.1}, "lsq takes no --validation"),
        ({"method": "bsq", "validation": 0.1}, "bsq takes no --validation"),
        ({"method": "float", "validation": 0.6}, "validation: 0.6 is no share from 0 to 0.5"),
    ],
)
def test_methods_that_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(QCompilerError) as caught:
        make_method(config(**given))
    assert words in str(caught.value)
