"""What the importer refuses, and the words in which it says so."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.errors import QCompilerError, UnsupportedError
from qcompiler.frontend.torch_export import import_module, import_program, load_pt2


class Calls(nn.Module):
    top: Tensor

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.function = function
        self.register_buffer("top", torch.tensor(2.0))
        self.bias = nn.Parameter(torch.ones(4, 8, 8))

    def forward(self, x: Tensor) -> object:
        takes_module = getattr(self.function, "__name__", "") in (
            "with_module",
            "with_factor",
            "with_bounds",
        )
        return self.function(x, self) if takes_module else self.function(x)


def with_module(x: Tensor, module: Calls) -> Tensor:
    return x + module.bias


def with_factor(x: Tensor, module: Calls) -> Tensor:
    return x * module.bias


def with_bounds(x: Tensor, module: Calls) -> Tensor:
    return x * torch.clamp(F.relu6(x + 3), min=module.top) / 6


def aliased(x: Tensor) -> Tensor:
    y = x.relu()
    z = y.detach()
    return F.relu6(y.add_(3)).div_(6) + z


def changed_amid(x: Tensor) -> Tensor:
    y = x + x
    t = y + 3
    y.relu_()
    return F.relu6(t) / 6


def changed_factor(x: Tensor) -> Tensor:
    y = x.relu()
    return y * F.relu6(y.add_(3)) / 6


def refusal(module: nn.Module, *shape: int, eval: bool = True) -> QCompilerError:
    with pytest.raises(QCompilerError) as caught:
        import_module(module.eval() if eval else module, (torch.randn(2, *(shape or (4, 8, 8))),))
    return caught.value


REFUSED: dict[str, tuple[Callable[..., object], str]] = {
    "softmax": (lambda x: F.softmax(x, 1), "aten.softmax.int is not supported"),
    "sigmoid": (torch.sigmoid, "aten.sigmoid.default is not supported"),
    "times a number": (lambda x: x * 2, "multiplies by the number 2"),
    "times a parameter": (with_factor, "multiplies by the constant 'bias'"),
    "times a tensor": (lambda x: x * x.relu(), "multiplies tensors of shapes (4, 8, 8) and (4, 8"),
    "h-swish, rounded": (
        lambda x: torch.div(x * F.relu6(x + 3), 6, rounding_mode="floor"),
        "aten.div.Tensor_mode is not supported",
    ),
    "h-swish, clipped at a tensor": (with_bounds, "aten.clamp.Tensor is not supported"),
    "h-sigmoid in place, read under another name": (aliased, "ends hardsigmoid in parts"),
    "h-sigmoid of what changes amid it": (changed_amid, "ends hardsigmoid in parts"),
    "h-swish of what it changes": (changed_factor, "aten.add_.Tensor"),
    "split": (lambda x: x.split(2, 1)[0], "aten.split.Tensor is not supported"),
    "permute": (lambda x: x.permute(0, 1, 3, 2), "aten.permute.default is not supported"),
    "slice of channels": (lambda x: x[:, 1:], "slices channels or features (1 to 4 of 4)"),
    "slice of the batch": (lambda x: x[:1].relu() + x, "slices the batch"),
    "empty slice": (lambda x: x[:, :, 5:5], "leaves nothing"),
    "divisor": (lambda x: F.avg_pool2d(x, 2, divisor_override=3), "divisor_override=3"),
    "uncounted padding": (
        lambda x: F.avg_pool2d(x, 3, padding=1, count_include_pad=False),
        "has padding and count_include_pad=False",
    ),
    "ceil mode": (
        lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True),
        "ceil_mode=True, which changes its result from (3, 3) to (4, 4)",
    ),
    "indices": (
        lambda x: F.max_pool2d(x, 2, return_indices=True)[1].float(),
        "takes result 1 of aten.max_pool2d_with_indices.default",
    ),
    "adaptive": (lambda x: F.adaptive_avg_pool2d(x, 3), "pools 8x8 to 3x3"),
    "negative pad": (lambda x: F.pad(x, (-1, 0)), "negative amounts [-1, 0]"),
    "pad with infinity": (lambda x: F.pad(x, (1, 0), value=float("inf")), "pads with inf"),
    "h-swish whose parts are read as well": (
        lambda x: (y := F.relu6(x + 3)) * x / 6 + y,
        "adds the number 3",
    ),
    "half of a swish": (lambda x: x * F.relu6(x + 2) / 6, "adds the number 2"),
    "reflect": (lambda x: F.pad(x, (1, 1, 1, 1), "reflect"), "mode='reflect'"),
    "mean of channels": (lambda x: x.mean(1, keepdim=True), "averages over axes [1]"),
    "mean of rows": (lambda x: x.mean(2), "averages over axes [2]"),
    "alpha": (lambda x: torch.add(x, x, alpha=2), "alpha=2"),
    "add a number": (lambda x: x + 1.5, "adds the number 1.5"),
    "add a parameter": (with_module, "adds the constant 'bias'"),
    "broadcast": (lambda x: x + x.mean((2, 3), keepdim=True), "cannot add shapes"),
    "cat of rows": (lambda x: torch.cat([x, x], 2), "joins along axis 2"),
    "clamp below zero": (lambda x: x.clamp(-1, 1), "clips to [-1.0, 1.0]"),
    "clamp from above": (lambda x: x.clamp(max=1), "clips to [None, 1.0]"),
    "reshape of channels": (
        lambda x: F.relu(x.view(2, 2, 2, 8, 8)),
        "takes a tensor reshaped to (2, 2, 8, 8) per sample",
    ),
    "reshape of the batch": (lambda x: x.view(4, 2, 8, 8), "no batch of 2 first"),
    "dtype": (lambda x: x.half(), "converts torch.float32 to torch.float16"),
    "in place on a view": (
        lambda x: ((y := x.relu())[:, :, 1:].relu_(), y)[1],
        "changes a tensor in place that relu still reads as another view",
    ),
    "conv1d": (lambda x: F.conv1d(x.flatten(2), x.new_ones(2, 4, 1)), "aten.conv1d.default"),
    "noise": (lambda x: x + torch.randn_like(x), "aten.randn_like.default is not supported"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_call(case: str) -> None:
    function, text = REFUSED[case]
    error = refusal(Calls(function))
    assert isinstance(error, UnsupportedError)
    assert text in str(error)
    assert "test_refusals.py:" in str(error)


def test_an_unsupported_operator_is_placed_and_alternatives_listed() -> None:
    error = refusal(nn.Sequential(nn.Conv2d(4, 4, 1), nn.Softmax(1)))
    assert error.what == "aten.softmax.int is not supported"
    assert error.where == "1 (Softmax)"
    assert error.hint.startswith("supported operators: ")
    assert {"conv2d", "linear", "max_pool2d", "slice"} <= set(error.hint[21:].split(", "))


def test_all_unsupported_operators_are_reported_at_once() -> None:
    error = refusal(Calls(lambda x: torch.tanh(torch.sigmoid(x)) + F.log_softmax(x, 1)))
    lines = str(error).splitlines()
    assert lines[0] == "3 calls in this model cannot be compiled:"
    assert [line.split(": ", 1)[1].split(" ")[0] for line in lines[1:4]] == [
        "aten.sigmoid.default",
        "aten.tanh.default",
        "aten.log_softmax.int",
    ]
    assert str(error).count("supported operators: ") == 1


def test_training_mode_is_refused_alone() -> None:
    error = refusal(nn.Sequential(nn.BatchNorm2d(4), nn.Dropout(0.5)).train(), eval=False)
    assert "the model was exported in training mode" in error.what
    assert "aten.batch_norm.default at 0 (BatchNorm2d); aten.dropout.default at 1" in error.what
    assert error.hint.startswith("call model.eval() first")


def test_decomposed_training_mode() -> None:
    module = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)).train()
    program = torch.export.export(module, (torch.zeros(2, 4, 4, 4),)).run_decompositions()
    with pytest.raises(UnsupportedError, match=r"call model.eval\(\) first"):
        import_program(program)


def test_batch_norm_without_statistics() -> None:
    error = refusal(nn.Sequential(nn.BatchNorm2d(4, track_running_stats=False)))
    assert "has no running statistics" in str(error)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(bad: float) -> None:
    module = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    with torch.no_grad():
        module[0].weight[1, 2] = bad  # type: ignore[index, operator]
        module[1].running_mean[0] = bad  # type: ignore[index, operator]
    error = refusal(module)
    assert "NaN or infinite values in 0.weight (1 of 16), 1.running_mean (1 of 4)" in error.what


def test_negative_variance() -> None:
    module = nn.Sequential(nn.BatchNorm2d(4))
    module[0].running_var.fill_(-1)  # type: ignore[operator, union-attr]
    assert "running variance that is zero or negative" in str(refusal(module))


@pytest.mark.parametrize("shape", [(4, 8), (4, 8, 8, 8), ()])
def test_input_of_another_rank(shape: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedError, match=r"the input x has shape .*") as caught:
        import_module(Calls(F.relu), (torch.zeros(2, *shape) if shape else torch.zeros(2),))
    assert "(N, C, H, W) or (N, F)" in caught.value.hint


def test_integer_input() -> None:
    with pytest.raises(UnsupportedError, match=r"the input x is torch\.int64"):
        import_module(Calls(lambda x: x.float()), (torch.zeros(2, 3, dtype=torch.int64),))


class Two(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


def test_two_inputs() -> None:
    with pytest.raises(UnsupportedError, match="the model takes 2 inputs: x, y"):
        import_module(Two(), (torch.zeros(2, 3), torch.zeros(2, 3)))


def test_two_results() -> None:
    error = refusal(Calls(lambda x: (x.relu(), x + x)))
    assert error.what == "the model returns 2 values: relu, add"
    assert error.hint == "a model must return exactly one tensor"


def test_dynamic_rows() -> None:
    shapes = ({2: torch.export.Dim("rows", min=4)},)
    conv = nn.Conv2d(4, 4, 1)
    program = torch.export.export(conv, (torch.zeros(2, 4, 8, 8),), dynamic_shapes=shapes)
    with pytest.raises(UnsupportedError, match="where only N may be dynamic"):
        import_program(program)


def test_a_model_that_torch_cannot_export() -> None:
    error = refusal(Calls(lambda x: x if x.sum() > 0 else -x))
    assert error.what.startswith("torch.export cannot trace the model: ")
    assert error.where == "Calls"


def test_an_example_of_the_wrong_shape() -> None:
    error = refusal(nn.Linear(3, 2), 4)
    assert "torch.export cannot trace the model" in error.what


# ---- files ------------------------------------------------------------------


def load_error(path: Path) -> QCompilerError:
    with pytest.raises(QCompilerError) as caught:
        load_pt2(path)
    assert caught.value.where == str(path)
    return caught.value


def test_missing_file(tmp_path: Path) -> None:
    assert load_error(tmp_path / "no.pt2").what == "there is no such file"


def test_folder(tmp_path: Path) -> None:
    assert load_error(tmp_path).what == "this is no file"


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "e.pt2").touch()
    assert load_error(tmp_path / "e.pt2").what == "the file is empty"


def test_text_file(tmp_path: Path) -> None:
    (tmp_path / "t.pt2").write_text("hello")
    error = load_error(tmp_path / "t.pt2")
    assert error.what == "the file is no zip archive, not by torch.export.save"
    assert "torch.export.save(torch.export.export(model.eval()" in error.hint


def test_plain_pickle(tmp_path: Path) -> None:
    (tmp_path / "p.pt2").write_bytes(pickle.dumps({"a": 1}))
    assert "was written by torch.save or pickle" in load_error(tmp_path / "p.pt2").what


def test_other_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.pt2", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert load_error(tmp_path / "z.pt2").what == "the zip archive is no pt2 file"


def test_state_dict(tmp_path: Path) -> None:
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / "s.pt")
    error = load_error(tmp_path / "s.pt")
    assert error.what.startswith("this is a state dict")
    assert "torch.export.save(" in error.hint


def test_pickled_module(tmp_path: Path) -> None:
    torch.save(Two(), tmp_path / "own.pt")
    torch.save(nn.Sequential(nn.Linear(3, 2)), tmp_path / "torch.pt")
    assert "a pickled object" in load_error(tmp_path / "own.pt").what
    assert "test_refusals.Two" in load_error(tmp_path / "own.pt").what
    assert "torch.nn.modules.container.Sequential" in load_error(tmp_path / "torch.pt").what


def test_torchscript(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "j.pt", "w") as archive:
        archive.writestr("j/data.pkl", b"\x80\x02}.")
        archive.writestr("j/code/__torch__.py", "")
    assert "TorchScript" in load_error(tmp_path / "j.pt").what


def saved(path: Path) -> Path:
    torch.export.save(torch.export.export(nn.Linear(3, 2), (torch.zeros(1, 3),)), path)
    return path


def rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("the file's code ran",))


def test_foreign_pickles_are_not_loaded(tmp_path: Path) -> None:
    torch.save(Trap(), tmp_path / "trap.pt")
    trap = (tmp_path / "trap.pt").read_bytes()

    def inputs(name: str, content: bytes) -> bytes:
        return trap if name.endswith("sample_inputs/model.pt") else content

    def weights(name: str, content: bytes) -> bytes:
        if name.endswith("weights/weight_0"):
            return trap
        if not name.endswith("model_weights_config.json"):
            return content
        config = json.loads(content)
        for entry in config["config"].values():
            entry["use_pickle"] = True
        return json.dumps(config).encode()

    source = saved(tmp_path / "m.pt2")
    for change in (inputs, weights):
        error = load_error(rewritten(source, tmp_path / f"{change.__name__}.pt2", change))
        assert "holds more than tensors and is not loaded" in error.what


def test_truncated_archive(tmp_path: Path) -> None:
    whole = saved(tmp_path / "m.pt2").read_bytes()
    (tmp_path / "half.pt2").write_bytes(whole[: len(whole) // 2])
    assert load_error(tmp_path / "half.pt2").hint


def test_damaged_model(tmp_path: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        return b"{}" if name.endswith("models/model.json") else content

    path = rewritten(saved(tmp_path / "m.pt2"), tmp_path / "d.pt2", change)
    assert "cannot read this pt2 archive" in load_error(path).what


def test_a_region_without_gradients_is_named() -> None:
    def function(x: Tensor) -> Tensor:
        with torch.no_grad():
            return x.relu()

    program = torch.export.export(Calls(function), (torch.zeros(1, 2, 3, 3),))
    with pytest.raises(UnsupportedError, match="wrap_with_set_grad_enabled is not supported"):
        import_program(program)
    import_module(Calls(function), (torch.zeros(1, 2, 3, 3),))  # exports without gradients itself
