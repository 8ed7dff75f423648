"""A run of several processes, each of which writes down what it ended with.

Usage: torchrun ... -m tests.train.profit_ranks FOLDER. Run by test_profit.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch

from qcompiler.train import loop
from qcompiler.verbs.train import train
from tests.train.test_profit import asked


def main(folder: Path) -> None:
    end = loop.Trainer._end_epoch

    def noted(self: Any) -> None:
        end(self)
        state = {"model": self.run.model.state_dict(), "average": self.average.state()}
        torch.save(state, folder / f"{os.environ['RANK']}.pt")

    loop.Trainer._end_epoch = noted  # type: ignore[method-assign]
    train(asked(folder, validation=0.1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
