"""The demo, from the command line to its last line."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcompiler.cli import main
from tests.verbs.conftest import Capture


@pytest.mark.sim
def test_the_demo_runs_and_prints(tmp_path: Path, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", "-o", str(tmp_path / "demo"), "--images", "2"])
    assert not ended.value.code
    text = capsys.readouterr().out
    assert "bit-exact: 4 frames (2 held-out images" in text
    assert "4,608 cycles an image in simulation" in text and "slowest module: conv1" in text
    for layer in ("conv1", "block_conv2", "fc"):
        assert layer in text.partition("by layer")[2].partition("total")[0]
    assert (tmp_path / "demo/build/manifest.json").is_file()
