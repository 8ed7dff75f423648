"""What the tests of refused commands share: where they run, and what a refusal looks like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcompiler.cli import main
from tests.conftest import Files
from tests.places import contents

Capture = pytest.CaptureFixture[str]

IMAGES = np.random.default_rng(4).normal(0, 1, (9, 2, 6, 6)).astype(np.float32)


def with_nan() -> Any:
    spoiled = IMAGES.copy()
    spoiled[3, 1, 2, 2] = np.nan
    return spoiled


@pytest.fixture
def place(tmp_path: Path, files: Files) -> Iterator[Path]:
    """An empty folder that must be empty again, beside a session's files that must not change."""
    before = contents(files.folder)
    yield tmp_path
    assert contents(files.folder) == before, "a refused command changed its inputs"


def refused(arguments: list[str | Path], capsys: Capture) -> str:
    """Run a command that must be refused; its one block of standard error."""
    with pytest.raises(SystemExit) as caught:
        main([str(a) for a in arguments])
    output = capsys.readouterr()
    assert caught.value.code == 2
    assert output.err.startswith("qcompiler: error: ")
    assert "Traceback" not in output.err + output.out
    assert output.err.count("qcompiler: error") == 1
    return output.err
