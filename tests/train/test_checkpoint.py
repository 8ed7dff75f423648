"""Checkpoints and logs: whole or not there, damaged ones refused, nothing twice."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from qcompiler.errors import QCompilerError
from qcompiler.train import checkpoint as module
from qcompiler.train.checkpoint import (
    NAME,
    Checkpoint,
    Position,
    Sums,
    read_checkpoint,
    write_checkpoint,
)
from qcompiler.train.log import CSV, JSONL, Log, Row
from tests.places import contents

STATE = {"weight": torch.arange(1000.0), "count": torch.tensor(3)}
MADE = Checkpoint(
    asked={"epochs": 3, "options": {"a": "1"}},
    config={"mean": [0.5]},
    digest="abc",
    position=Position(1, 7, Sums(0.1, 0.2, 3.0, 4, 0.5)),
    log={CSV: 12},
    accuracy=0.75,
    model=STATE,
    optimizer={"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]},
)


def test_round_trip(tmp_path: Path) -> None:
    write_checkpoint(MADE, tmp_path)
    found = read_checkpoint(tmp_path)
    assert found.position == MADE.position and found.asked == MADE.asked
    assert found.accuracy == 0.75 and found.log == {CSV: 12} and found.digest == "abc"
    assert torch.equal(found.model["weight"], STATE["weight"])
    assert torch.equal(found.optimizer["state"][0]["momentum_buffer"], torch.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == [NAME]
    assert not found.done and replace(found, position=Position(3)).done


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    at = bytes(content).find(torch.arange(1000.0).numpy().tobytes())
    content[at + 2000] ^= 1  # inside the weights: torch itself would not notice
    path.write_bytes(content)


def other_format(path: Path) -> None:
    torch.save({"format": 99}, path)


def less(path: Path) -> None:
    document = torch.load(path, weights_only=True)
    del document["optimizer"]
    torch.save(document, path)


DAMAGES = {
    "cut off": (cut_off, "cannot be read"),
    "one bit": (one_bit, "has another checksum"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read"),
    "text": (lambda path: path.write_text("hello"), "cannot be read"),
    "other format": (other_format, "its format is 99, this version reads 1"),
    "no dict": (lambda path: torch.save([1], path), "cannot be read"),
    "lacks the optimizer": (less, "cannot be read: 'optimizer'"),
    "code": (lambda path: torch.save({"format": 1, "x": os.system}, path), "cannot be read"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damaged(case: str, tmp_path: Path) -> None:
    damage, words = DAMAGES[case]
    write_checkpoint(MADE, tmp_path)
    damage(tmp_path / NAME)
    before = contents(tmp_path)
    with pytest.raises(QCompilerError) as caught:
        read_checkpoint(tmp_path)
    assert words in str(caught.value) and str(tmp_path / NAME) in str(caught.value)
    assert "--restart" in str(caught.value)
    assert contents(tmp_path) == before


def test_a_full_disk_keeps_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(MADE, tmp_path)
    before = contents(tmp_path)[NAME]

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(QCompilerError, match=r"cannot be written: No space left on device"):
        write_checkpoint(replace(MADE, digest="new"), tmp_path)
    assert contents(tmp_path)[NAME] == before


def test_a_missing_folder_is_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(QCompilerError, match="cannot be written: No such file"):
        write_checkpoint(MADE, tmp_path / "gone")


# ---- logs ---------------------------------------------------------------------------------


def row(epoch: int) -> Row:
    return Row(epoch, 0.1, 2.0, 0.25, 0.5, 0.0, 1.5, {"bits": 3.5})


def rows(folder: Path) -> list[dict[str, Any]]:
    with (folder / CSV).open() as file:
        return list(csv.DictReader(file))


def test_a_log_forgets_what_came_after_its_position(tmp_path: Path) -> None:
    log = Log(tmp_path, {})
    assert log.position() == {}
    log.add(row(1), {})
    position = log.position()
    log.add(row(2), {"fc": {"bits": 3.0}})
    (tmp_path / CSV).open("a").write("3,0.1,half a li")
    again = Log(tmp_path, position)
    assert again.position() == position
    again.add(row(2), {"fc": {"bits": 4.0}})
    assert [r["epoch"] for r in rows(tmp_path)] == ["1", "2"]
    assert list(rows(tmp_path)[0]) == [
        *("epoch", "lr", "train_loss", "train_accuracy", "test_accuracy", "penalty"),
        *("bits", "seconds"),
    ]
    lines = [json.loads(line) for line in (tmp_path / JSONL).read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert "layers" not in lines[0] and lines[1]["layers"] == {"fc": {"bits": 4.0}}


def test_a_log_that_was_taken_away_starts_anew(tmp_path: Path) -> None:
    log = Log(tmp_path, {CSV: 500, JSONL: 500})
    log.add(row(4), {})
    assert [r["epoch"] for r in rows(tmp_path)] == ["4"]


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    log = Log(tmp_path, {})
    (tmp_path / CSV).mkdir()
    with pytest.raises(QCompilerError, match=r"log.csv: cannot be written: Is a directory"):
        log.add(row(1), {})
