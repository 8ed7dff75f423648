"""Runs that die: a child process for each moment of KILLS, in a folder of its name.

Usage: python -m tests.train.killed FOLDER. Run by test_resume.py; forks before torch computes much,
so that the imports are paid once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from qcompiler.frontend.torch_export import import_module
from qcompiler.progress import QUIET, Progress
from qcompiler.train import checkpoint, log
from qcompiler.verbs.train import train
from tests.train.nets import At, Tiny, settings

EVERY = "4"  # steps between checkpoints; an epoch has 9


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def nth(function: Callable[..., Any], n: int, act: Callable[[], None]) -> Callable[..., Any]:
    """``function`` that does ``act`` before its n-th call."""
    calls = 0

    def counted(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == n:
            act()
        return function(*given, **named)

    return counted


def in_the_first_epoch() -> Progress:
    return At(7, die)


def in_the_second_epoch() -> Progress:
    return At(10 + 7, die)  # 9 steps and one of measuring before


def while_measuring() -> Progress:
    return At(10, die)


def half_written_checkpoint() -> Progress:
    checkpoint.os.fsync = nth(os.fsync, 5, die)
    return QUIET


def before_the_checkpoint_is_replaced() -> Progress:
    checkpoint.os.replace = nth(os.replace, 3, die)
    return QUIET


def between_two_logs() -> Progress:
    log.json.dumps = nth(log.json.dumps, 1, die)
    return QUIET


KILLS = (
    in_the_first_epoch,
    in_the_second_epoch,
    while_measuring,
    half_written_checkpoint,
    before_the_checkpoint_is_replaced,
    between_two_logs,
)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    import_module(Tiny().eval(), (torch.zeros(2, 3, 8, 8),))  # its first time takes seconds
    for kill in KILLS:
        (folder / kill.__name__).mkdir()
        config = settings(folder / kill.__name__, checkpoint_every=EVERY)
        if (child := os.fork()) == 0:
            train(config, progress=kill())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, kill.__name__


if __name__ == "__main__":
    main(Path(sys.argv[1]))
