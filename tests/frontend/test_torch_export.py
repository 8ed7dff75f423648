"""Every operator against torch in float64, node names, structure, and pt2 round trips."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.frontend.names import KEYWORDS, safe_name
from qcompiler.frontend.torch_export import import_module, import_program, load_pt2
from qcompiler.ir import nn as ops
from qcompiler.ir.graph import Graph
from qcompiler.models.mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small
from qcompiler.reference.nn import run_nn


class Calls(nn.Module):
    """A function of one tensor as a module; layers it needs are given by name."""

    def __init__(self, function: Callable[..., Tensor], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, **dict(self.named_children()))


def randomized(module: nn.Module) -> nn.Module:
    """Random batch-norm statistics, float64, eval mode."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.3, 2.0)
            if layer.affine:
                nn.init.normal_(layer.weight)
                nn.init.normal_(layer.bias)
    return module.double().eval()


def check(module: nn.Module, *shape: int, decompose: bool = False) -> Graph:
    """Import ``module``, compare the graph with torch at 1e-9, return the graph."""
    torch.manual_seed(0)
    module = randomized(module)
    x = torch.randn(3, *(shape or (4, 8, 10)), dtype=torch.float64) * 3
    with torch.no_grad():
        expected = module(x.clone())
        program = torch.export.export(module, (x.clone(),))
    if decompose:
        program = program.run_decompositions()
    graph = import_program(program)
    torch.testing.assert_close(run_nn(graph, x, dtype=torch.float64), expected, rtol=0, atol=1e-9)
    return graph


def kinds(graph: Graph) -> list[str]:
    return [type(graph.op(name)).__name__ for name in graph][1:-1]


LAYERS: dict[str, tuple[nn.Module, str]] = {
    "conv": (nn.Conv2d(4, 6, 3), "Conv"),
    "conv without bias": (nn.Conv2d(4, 6, (3, 2), bias=False), "Conv"),
    "conv stride padding dilation": (nn.Conv2d(4, 6, 3, (2, 1), (1, 2), (1, 2)), "Conv"),
    "conv groups": (nn.Conv2d(4, 8, 3, groups=2), "Conv"),
    "conv depthwise": (nn.Conv2d(4, 4, 3, groups=4), "Conv"),
    "conv same": (nn.Conv2d(4, 6, 3, padding="same"), "Conv"),
    "conv same, even kernel": (nn.Conv2d(4, 6, (4, 2), padding="same", dilation=(1, 3)), "Conv"),
    "conv valid": (nn.Conv2d(4, 6, 3, padding="valid"), "Conv"),
    "batch norm": (nn.BatchNorm2d(4), "BatchNorm"),
    "batch norm, not affine": (nn.BatchNorm2d(4, affine=False), "BatchNorm"),
    "batch norm, eps": (nn.BatchNorm2d(4, eps=1e-1), "BatchNorm"),
    "relu": (nn.ReLU(), "Relu"),
    "relu in place": (nn.ReLU(inplace=True), "Relu"),
    "relu6": (nn.ReLU6(), "Clip"),
    "hardtanh": (nn.Hardtanh(0.0, 2.5), "Clip"),
    "hardtanh in place": (nn.Hardtanh(0.5, 2.5, inplace=True), "Clip"),
    "h-swish": (nn.Hardswish(), "HardSwish"),
    "h-swish in place": (nn.Hardswish(inplace=True), "HardSwish"),
    "h-sigmoid": (nn.Hardsigmoid(), "HardSigmoid"),
    "h-sigmoid in place": (nn.Hardsigmoid(inplace=True), "HardSigmoid"),
    "max pool": (nn.MaxPool2d(2), "MaxPool"),
    "max pool stride padding": (nn.MaxPool2d(3, (2, 1), 1), "MaxPool"),
    "max pool dilation": (nn.MaxPool2d((2, 3), 1, dilation=2), "MaxPool"),
    "max pool ceil that changes nothing": (nn.MaxPool2d(2, ceil_mode=True), "MaxPool"),
    "avg pool": (nn.AvgPool2d(2), "AvgPool"),
    "avg pool padding": (nn.AvgPool2d(3, (2, 1), 1), "AvgPool"),
    "avg pool ceil that changes nothing": (nn.AvgPool2d(2, ceil_mode=True), "AvgPool"),
    "avg pool without padding": (nn.AvgPool2d(3, count_include_pad=False), "AvgPool"),
    "adaptive avg pool": (nn.AdaptiveAvgPool2d(1), "AvgPool"),
    "adaptive avg pool, divides": (nn.AdaptiveAvgPool2d((4, 2)), "AvgPool"),
    "zero pad": (nn.ZeroPad2d((1, 2, 3, 4)), "Pad"),
    "constant pad": (nn.ConstantPad2d((1, 2, 3, 4), -0.375), "Pad"),
    "flatten": (nn.Flatten(), "Flatten"),
}


@pytest.mark.parametrize("case", LAYERS)
def test_layer(case: str) -> None:
    layer, kind = LAYERS[case]
    assert kinds(check(nn.Sequential(layer))) == [kind]


@pytest.mark.parametrize("layer", [nn.Linear(7, 5), nn.Linear(7, 5, bias=False), nn.BatchNorm1d(7)])
def test_layer_on_features(layer: nn.Module) -> None:
    check(nn.Sequential(layer), 7)


FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], list[str]]] = {
    "relu6": (F.relu6, ["Clip"]),
    "clamp": (lambda x: x.clamp(0, 2), ["Clip"]),
    "clamp from zero": (lambda x: x.clamp(min=0), ["Relu"]),
    "clamp_min": (lambda x: torch.clamp_min(x, 0), ["Relu"]),
    "clamp in place": (lambda x: (x + x).clamp_(0, 2), ["Add", "Clip"]),
    "mean": (lambda x: x.mean((2, 3)), ["AvgPool", "Flatten"]),
    "mean, negative axes, kept": (lambda x: x.mean((-1, -2), keepdim=True), ["AvgPool"]),
    "mean of flat pixels": (lambda x: x.flatten(2).mean(-1), ["AvgPool", "Flatten"]),
    "add": (lambda x: x + x.relu(), ["Relu", "Add"]),
    "add twice the same": (lambda x: x + x, ["Add"]),
    "cat": (lambda x: torch.cat([x, x.relu(), x], 1), ["Relu", "Concat"]),
    "cat, negative axis": (lambda x: torch.cat([x, x], -3), ["Concat"]),
    "cat of features": (lambda x: torch.cat([x.flatten(1)] * 2, 1), ["Flatten", "Concat"]),
    "view": (lambda x: x.view(x.size(0), -1), ["Flatten"]),
    "reshape": (lambda x: x.reshape(-1, 320), ["Flatten"]),
    "view back": (
        lambda x: F.relu(F.adaptive_avg_pool2d(x, 1).flatten(1).view(-1, 4, 1, 1)),
        ["AvgPool", "Relu"],
    ),
    "squeeze": (
        lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1),
        ["AvgPool", "Flatten"],
    ),
    "pad channels": (lambda x: F.pad(x, (0, 0, 0, 0, 1, 2)), ["Pad"]),
    "pad with a value": (lambda x: F.pad(x, (1, 0, 2, 0), value=1.5), ["Pad"]),
    "channels times a gate": (lambda x: x * x.mean((2, 3), keepdim=True), ["AvgPool", "Mul"]),
    "a gate times channels": (lambda x: F.adaptive_avg_pool2d(x, 1) * x, ["AvgPool", "Mul"]),
    "times a gate in place": (
        lambda x: x.relu().mul_(x.mean((2, 3), True)),
        ["AvgPool", "Relu", "Mul"],
    ),
    "h-swish in its parts": (lambda x: x * F.relu6(x + 3) / 6, ["HardSwish"]),
    "h-swish in other parts": (lambda x: (x + 3).clamp(0, 6) * x / 6, ["HardSwish"]),
    "h-swish, tanh": (lambda x: x * F.hardtanh(x + 3, 0.0, 6.0) / 6, ["HardSwish"]),
    "h-sigmoid in its parts": (lambda x: F.relu6(x + 3) / 6, ["HardSigmoid"]),
    "h-sigmoid in place": (lambda x: (x + 3).clamp_min_(0).clamp_max_(6) / 6, ["HardSigmoid"]),
    "h-sigmoid, all in place": (
        lambda x: (x + x).add_(3.0).clamp_(0.0, 6.0).div_(6.0),
        ["Add", "HardSigmoid"],
    ),
    "h-sigmoid, divided in place": (lambda x: F.relu6(x + 3).div_(6.0), ["HardSigmoid"]),
    "h-swish, divided in place": (lambda x: (x * F.relu6(x + 3)).div_(6), ["HardSwish"]),
    "h-swish, all in place": (
        lambda x: (y := x.relu()).mul_(F.relu6(y + 3)).div_(6),
        ["Relu", "HardSwish"],
    ),
    "h-swish in place, then more": (
        lambda x: (y := x.relu()).mul_(F.relu6(y + 3)).div_(6).add_(x) + y,
        ["Relu", "HardSwish", "Add", "Add"],
    ),
    "pad one axis": (lambda x: F.pad(x, (1, 0)), ["Pad"]),
    "pad nothing": (lambda x: F.pad(x, (0, 0)).relu(), ["Relu"]),
    "slice": (lambda x: x[:, :, ::2, ::2], ["Slice"]),
    "slice bounds": (lambda x: x[:, :, 1:-2, 3:9:2], ["Slice"]),
    "slices merge": (lambda x: x[:, :, 1:8:2][..., 1:][:, :, 1:, ::3], ["Slice"]),
    "slice used twice": (
        lambda x: (y := x[:, :, 1:])[:, :, :3] + y[:, :, 4:],
        ["Slice", "Slice", "Add"],
    ),
    "slice read later under another name": (
        lambda x: (y := x[:, :, ::2]).detach()[:, :, 1:3] + y.detach()[:, :, :2],
        ["Slice", "Slice", "Add"],
    ),
    "slice read whole as well": (
        lambda x: F.pad((y := x[:, :, ::2])[:, :, :2], (0, 0, 0, 2)) + y,
        ["Slice", "Slice", "Pad", "Add"],
    ),
    "identity slices": (lambda x: x[:, :, 0:, :10][:, :].relu(), ["Relu"]),
    "nothing": (lambda x: F.dropout(x.detach().clone().contiguous(), 0.5, False).relu(), ["Relu"]),
    "same dtype": (lambda x: x.double().to(torch.float64).relu(), ["Relu"]),
    "adaptive to the same size": (lambda x: F.adaptive_avg_pool2d(x, (8, 10)).relu(), ["Relu"]),
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_function(case: str) -> None:
    function, expected = FUNCTIONS[case]
    assert sorted(kinds(check(Calls(function)))) == sorted(expected)


def test_in_place_calls_change_every_name_of_a_tensor() -> None:
    def function(x: Tensor, conv: nn.Module) -> Tensor:
        y = conv(x)
        same = y.detach()
        y.relu_()
        y += conv(x)
        return y + same  # same has seen both changes

    assert kinds(check(Calls(function, conv=nn.Conv2d(4, 4, 1)))).count("Add") == 2


def test_a_clone_does_not_see_in_place_calls() -> None:
    def function(x: Tensor, conv: nn.Module) -> Tensor:
        y = conv(x)
        before = y.clone()
        F.relu(y, inplace=True)
        return y + before

    check(Calls(function, conv=nn.Conv2d(4, 4, 1)))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, 4, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.relu(self.bn1(self.conv1(x)))) + x


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(Block(), Block())
        self.table = nn.Conv2d(4, 4, 1)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.table(self.table(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


NET_NAMES = [
    "x", "layer1_0_conv1", "layer1_0_bn1", "layer1_0_relu", "layer1_0_add",
    "layer1_1_conv1", "layer1_1_bn1", "layer1_1_relu", "layer1_1_add",
    "table_conv", "table_conv_1", "relu", "avg_pool", "flatten", "fc", "result",
]  # fmt: skip


def test_names_come_from_the_module_path() -> None:
    graph = check(Net())
    assert list(graph) == NET_NAMES
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) and name not in KEYWORDS for name in graph)


def test_names_without_a_path() -> None:
    assert list(check(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU())))[1:-1] == ["conv_0", "relu_1"]
    assert list(check(nn.ReLU()))[1:-1] == ["relu"]


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        ("layer1.0.conv1", "conv", "layer1_0_conv1"),
        ("", "add", "add"),
        ("0", "conv", "conv_0"),
        ("Down__Sample.2", "conv", "down_sample_2"),
        ("_hidden", "conv", "hidden"),
        ("output", "linear", "output_linear"),
        ("logic", "relu", "logic_relu"),
        ("größe", "relu", "gr_e"),
    ],
)
def test_safe_name(path: str, kind: str, name: str) -> None:
    assert safe_name(path, kind) == name


def test_decomposed_programs_give_the_same_graph() -> None:
    plain, core = check(Net()), check(Net(), decompose=True)
    assert kinds(plain) == kinds(core)


def test_decomposed_linear_pools_and_padding() -> None:
    layers = [nn.MaxPool2d(2, 2, 1), nn.ZeroPad2d(1), nn.ReLU6(), nn.AvgPool2d(2), nn.Flatten()]
    graph = check(nn.Sequential(*layers, nn.Linear(48, 3, bias=False)), decompose=True)
    assert kinds(graph) == ["MaxPool", "Pad", "Clip", "AvgPool", "Flatten", "Linear"]


@pytest.mark.parametrize("layer", [nn.Hardswish(), nn.Hardsigmoid()])
def test_decomposed_hard_activations(layer: nn.Module) -> None:
    graph = check(nn.Sequential(nn.ReLU(), layer, nn.ReLU()), decompose=True)
    assert kinds(graph) == ["Relu", type(layer).__name__.replace("rds", "rdS"), "Relu"]


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("make", [mobilenet_v3_small, mobilenet_v3_large])
def test_mobilenets_with_squeeze_and_excite(make: Callable[..., nn.Module], negative: bool) -> None:
    model = make(10, 0.1, "cifar-fast", negative_padding=negative)
    graph = check(model, 3, 32, 32, decompose=negative)
    pads = {graph.op(n).value for n in graph.find(ops.Pad)}
    assert pads == ({-0.375} if negative else set())
    assert len(graph.find(ops.Mul)) == len(graph.find(ops.HardSigmoid)) >= 8


@pytest.mark.parametrize("decompose", [False, True])
def test_dynamic_batch(decompose: bool) -> None:
    def function(x: Tensor, fc: nn.Module) -> Tensor:
        return fc(F.adaptive_avg_pool2d(x[:, :, ::2], 1).view(x.size(0), -1))

    module = Calls(function, fc=nn.Linear(4, 3)).eval()
    shapes = ({0: torch.export.Dim("n")},)
    program = torch.export.export(module, (torch.zeros(2, 4, 8, 8),), dynamic_shapes=shapes)
    graph = import_program(program.run_decompositions() if decompose else program)
    x = torch.randn(5, 4, 8, 8)
    torch.testing.assert_close(run_nn(graph, x), module(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_example_batch_does_not_matter(batch: int) -> None:
    module = Net().eval()
    assert str(import_module(module, (torch.zeros(batch, 4, 8, 8),))) == str(
        import_module(module, (torch.zeros(3, 4, 8, 8),))
    )


def test_weights_are_copies_and_keep_their_precision() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).eval()
    graph = import_module(module, (torch.zeros(1, 3),))
    before = graph.op("linear_0").weight.copy()
    with torch.no_grad():
        module[0].weight.zero_()  # type: ignore[union-attr, operator]
    np.testing.assert_array_equal(graph.op("linear_0").weight, before)
    assert graph.op("linear_0").weight.dtype == np.float32
    assert graph.op("batch_norm_1").scale.dtype == np.float64


def test_weights_computed_from_parameters_are_folded() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3))
    assert kinds(check(nn.Sequential(layer))) == ["Conv"]


def test_what_the_result_does_not_need_is_dropped() -> None:
    graph = check(Calls(lambda x: (x.relu() + x[:, :, :, ::1], x.flatten(1))[0]))
    assert kinds(graph) == ["Relu", "Add"]


def test_a_tuple_of_one_result() -> None:
    graph = import_module(Calls(lambda x: (x.relu(),)), (torch.zeros(1, 2, 3, 3),))  # type: ignore[arg-type, return-value]
    assert kinds(graph) == ["Relu"]
    assert graph.find(ops.Output) == ["result"]


def test_pt2_round_trip(tmp_path: Path) -> None:
    module, x = Net().eval(), torch.randn(2, 4, 8, 8)
    shapes = ({0: torch.export.Dim("n")},)
    torch.export.save(torch.export.export(module, (x,), dynamic_shapes=shapes), tmp_path / "m.pt2")
    graph = load_pt2(tmp_path / "m.pt2")
    assert list(graph) == NET_NAMES
    assert str(graph) == str(import_module(module, (x,)))
    torch.testing.assert_close(run_nn(graph, x), module(x), rtol=0, atol=1e-5)
