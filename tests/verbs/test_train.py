"""`train` from images to a network that compiles, on the command line and from Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcompiler import api
from qcompiler.cli import main
from qcompiler.frontend.torch_export import load_pt2
from qcompiler.ir.store import read_graph
from qcompiler.reference.integer import IntegerReference
from qcompiler.report.train_tables import accuracy_lines, scheme_table
from qcompiler.train import finish, result
from qcompiler.train.config import TrainConfig
from qcompiler.train.log import CSV
from qcompiler.verbs.train import Trained, train
from tests.places import contents
from tests.train.nets import Tiny, Traced, pictures, settings

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    pixels, labels = pictures(160)
    np.savez(tmp_path / "images.npz", images=pixels, labels=labels, classes=["r", "g", "b"])
    return tmp_path / "images.npz"


def run(arguments: list[Any], capsys: Capture) -> str:
    """Run a command that must succeed; its standard output."""
    with pytest.raises(SystemExit) as caught:
        main([str(a) for a in arguments])
    output = capsys.readouterr()
    assert not caught.value.code, output.err
    assert output.err == ""
    return output.out


def command(images: Path, folder: Path, *more: str) -> list[Any]:
    given = ["train", "--data", images, "--checkpoint-dir", folder, "--batch-size", "16"]
    return [*given, "--model", "tests.train.nets:Tiny", "--epochs", "3", *more]


def test_train_and_compile(images: Path, tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "runs" / "x"
    arguments = command(images, folder, "--method", "lsq", "--bits", "4", "--activations", "4")
    text = run(arguments, capsys)
    lines = text.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == [f"epoch {k}/3" for k in (1, 2, 3)]
    rows = [[cell.strip() for cell in line.split("│")] for line in lines]
    assert ["conv", "108", "3", "3", "4", "0 1 2"] in rows
    assert any(row[:2] == ["average", "120"] for row in rows)
    assert "integer network: " in text and " of 16 test images" in text
    assert f"wrote {folder}/net.qc (next: qcompiler compile {folder}/net.qc -o " in text
    found = json.loads((folder / "result.json").read_text())
    assert found["test_images"] == 16 and found["epochs"] == 3 and found["bits"] == 3.0
    assert [layer["layer"] for layer in found["layers"]] == ["conv", "fc"]
    assert found["hard_accuracy"] > 0.8
    assert len((folder / CSV).read_text().splitlines()) == 4
    compiled = run(["compile", folder / "net.qc", "-o", folder / "build", "--fps", "1000"], capsys)
    assert "Folding" in compiled and (folder / "build" / "manifest.json").is_file()
    before = contents(folder)
    again = run(arguments, capsys)
    assert again.splitlines() == lines[3:], "the result alone, without training"
    assert contents(folder) == before


def test_float_quantizes_afterwards_and_its_weights_start_another(
    images: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "float"
    text = run(command(images, folder, "--method", "float"), capsys)
    assert "it is not quantized yet" in text and "Layers" not in text
    next_command = text.split("next: qcompiler ")[1].strip().rstrip(")")
    assert "same top-1 on" in run([*next_command.split(), "--weights", "4"], capsys)
    assert load_pt2(folder / "model.pt2").dialect == "nn"
    more = ["--method", "lsq", "--bits", "4", "--weights", str(folder / "weights.pt")]
    text = run(command(images, tmp_path / "lsq", *more, "--lr", "0.01"), capsys)
    assert float(text.split("loss ")[1].split(",")[0]) < 0.7, "it starts where float ended"


def test_the_python_interface(tmp_path: Path) -> None:
    config = settings(tmp_path)
    made = api.train(config, method=Traced())
    assert isinstance(made, api.Trained) and made.network == config.checkpoint_dir / "net.qc"
    assert made.hard_accuracy == pytest.approx(integer_top1(config, made), abs=1e-9)
    assert (made.bits, made.gap, made.method) == (3.0, 0.25, "traced")
    assert [row.layer for row in made.layers] == ["conv", "fc"]
    assert train(config, method=Traced()) == made
    assert scheme_table(made).row_count == 3
    assert "3.00 bits a weight on average" in accuracy_lines(made)[1]


def integer_top1(config: TrainConfig, made: Trained) -> float:
    """Of the graph on disk, over the held-out images, computed here."""
    graph = api.compile(made.network, api.Target(fps=1000)).integer
    pixels, labels = pictures(160)
    values = pixels[:144].reshape(-1, 3) / 255
    held = ((pixels[144:] / 255 - values.mean(0)) / values.std(0)).transpose(0, 3, 1, 2)
    reference = IntegerReference(graph)
    logits = reference.decode(reference(reference.encode(held.astype(np.float32))))
    return float((logits.argmax(1) == labels[144:]).mean())


def test_a_result_that_was_lost_is_made_again(tmp_path: Path) -> None:
    config = settings(tmp_path)
    made = train(config, method=Traced())
    for lost in ("result.json", "net.qc/graph.json"):
        path = config.checkpoint_dir / lost
        path.unlink()
        if lost != "result.json":
            (path.parent / "arrays.npz").unlink()
            path.parent.rmdir()
        assert train(config, method=Traced()) == made
        assert read_graph(made.network).dialect == "nn"
    (config.checkpoint_dir / "result.json").write_text("{")
    assert result.read_result(config.checkpoint_dir) is None
    assert train(config, method=Traced()) == made


def test_test_images_of_their_own_and_features(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    labels = np.arange(90) % 3
    features = draws.normal(size=(90, 6)).astype(np.float64) + 3 * np.eye(6)[labels]
    np.savez(tmp_path / "train.npz", images=features[:60], labels=labels[:60].astype(np.uint8))
    np.savez(tmp_path / "test.npz", images=features[60:], labels=labels[60:])
    config = settings(
        tmp_path,
        data=tmp_path / "train.npz",
        test=tmp_path / "test.npz",
        model="tests.train.nets:Features",
        method="lsq",
        bits=6,
        epochs=8,
    )
    made = train(config)
    assert made.test_images == 30 and made.soft_accuracy > 0.8
    assert made.hard_accuracy is not None and made.hard_accuracy > 0.8


def test_float_has_no_integers() -> None:
    with pytest.raises(api.QCompilerError, match="no integers yet") as caught:
        finish.Plain().finalize(Tiny(), np.zeros((2, 3, 8, 8), np.float32))
    assert "qcompiler quantize" in str(caught.value)
