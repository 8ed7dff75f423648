"""Weights to start from, and the layout of the images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from qcompiler.errors import QCompilerError
from qcompiler.models.weights import load_weights
from qcompiler.train.network import check_output, layout, make_model
from tests.train.nets import CLASSES, Features, Normless, Tiny

SAMPLES = torch.randn(4, 3, 8, 8)
TINY = "tests.train.nets:Tiny"


def test_initial_weights_come_from_the_seed_alone() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, two, other = make_model(TINY, 0), make_model(TINY, 0), make_model(TINY, 1)
    assert torch.equal(torch.get_rng_state(), state)
    kernels = [model.get_parameter("conv.weight") for model in (one, two, other)]
    assert torch.equal(kernels[0], kernels[1]) and not torch.equal(kernels[0], kernels[2])


def test_models_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here_alone.py").write_text("from tests.train.nets import Tiny as Net\n")
    monkeypatch.chdir(tmp_path)
    assert isinstance(make_model("here_alone:Net", 0), torch.nn.Module)


def test_weights_from_both_kinds_of_file(tmp_path: Path) -> None:
    source = Tiny()
    torch.save(source.state_dict(), tmp_path / "w.pt")
    arrays = {k: v.numpy() for k, v in source.state_dict().items() if "tracked" not in k}
    np.savez(tmp_path / "w.npz", **arrays)
    for name in ("w.pt", "w.npz"):
        model = Tiny()
        load_weights(model, tmp_path / name)
        assert torch.equal(model.fc.weight, source.fc.weight)


def weights_file(case: str, folder: Path) -> Path:
    path = folder / ("w.npz" if case == "npz" else "w.pt")
    if case == "npz":
        path.write_text("no npz")
    elif case == "text":
        path.write_text("no weights")
    elif case == "model":
        torch.save(Tiny(), path)
    elif case == "nested":
        torch.save({"epoch": 3, "state_dict": Tiny().state_dict()}, path)
    elif case == "other":
        torch.save(Features().state_dict(), path)
    elif case == "more":
        torch.save({**Tiny().state_dict(), "extra": torch.zeros(1)}, path)
    elif case == "shape":
        torch.save({**Tiny().state_dict(), "fc.bias": torch.zeros(9)}, path)
    elif case == "nan":
        torch.save({**Tiny().state_dict(), "fc.bias": torch.full((CLASSES,), torch.nan)}, path)
    return path


WEIGHTS = {
    "missing": "there is no such file\n  hint: save it with torch.save(model.state_dict(), path)",
    "npz": "is not an .npz or .npy file of plain arrays",
    "text": "is no readable state dict: ",
    "model": "is no readable state dict: ",
    "nested": "is no state dict of tensors alone; it holds epoch, state_dict",
    "other": "does not fit Tiny: ",
    "more": "does not fit Tiny: it has no extra",
    "shape": "does not fit Tiny: size mismatch for fc.bias",
    "nan": "fc.bias holds NaN or infinity",
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_that_are_refused(case: str, tmp_path: Path) -> None:
    path = weights_file(case, tmp_path)
    with pytest.raises(QCompilerError) as caught:
        load_weights(Tiny(), path)
    assert f"{path}: {WEIGHTS[case]}" in str(caught.value)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    state = Tiny().state_dict()
    torch.save({k: v for k, v in state.items() if k in ("fc.weight", "conv.bias")}, tmp_path / "w")
    with pytest.raises(QCompilerError, match=r"lacks conv.weight, norm.weight, norm.bias and 3 m"):
        load_weights(Tiny(), tmp_path / "w")


def test_layout_is_what_the_model_takes() -> None:
    assert layout(Tiny(), SAMPLES) is torch.channels_last
    assert layout(Normless(), SAMPLES) is torch.contiguous_format
    assert layout(Features(), torch.randn(4, 6)) is torch.contiguous_format


def test_outputs_must_be_the_classes() -> None:
    check_output(Tiny(), SAMPLES, CLASSES, True)
    with pytest.raises(QCompilerError, match="gives 3 logits, the data has 2 classes") as caught:
        check_output(Tiny(), SAMPLES, 2, False)
    assert "an array `classes` beside the labels" in str(caught.value)
    with pytest.raises(QCompilerError, match="gives 3 logits, the data has 4 classes") as caught:
        check_output(Tiny(), SAMPLES, 4, True)
    assert "an array `classes`" not in str(caught.value)
    with pytest.raises(QCompilerError, match=r"gives \(2, 3, 8, 8\); logits \(N, classes\)"):
        check_output(torch.nn.Identity(), SAMPLES, 3, True)
    with pytest.raises(QCompilerError, match=r"cannot take images of shape \(6,\)"):
        check_output(Tiny(), torch.randn(4, 6), CLASSES, True)
