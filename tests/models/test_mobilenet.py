"""The MobileNets: names and sizes of the published weights, stems, widths, padding, import."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.frontend.torch_export import import_module
from qcompiler.models import mobilenet_parts as parts
from qcompiler.models.mobilenet_v1 import VWW, load_vww, mobilenet_v1
from qcompiler.models.mobilenet_v2 import mobilenet_v2
from qcompiler.models.mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small
from qcompiler.reference.nn import run_batched

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
needs_vww = pytest.mark.skipif(
    not (DATA / f"{VWW}.npz").exists(), reason=f"no weights of MLPerf Tiny's VWW network in {DATA}"
)
# parameters, and entries of the state dict
TOTALS = ((4_231_976, 164), (3_504_872, 314), (2_542_856, 244), (5_483_032, 312))
FACTORIES = (mobilenet_v1, mobilenet_v2, mobilenet_v3_small, mobilenet_v3_large)
Factory = Callable[..., nn.Module]
every_network = pytest.mark.parametrize("make", FACTORIES, ids=lambda make: make.__name__)

# some names of the state dict with their shapes
NAMES: dict[Factory, str] = {
    mobilenet_v1: """features.0.0.weight:32x3x3x3 features.1.0.weight:32x1x3x3
        features.1.1.running_var:32 features.26.0.weight:1024x1024x1x1
        classifier.weight:1000x1024""",
    mobilenet_v2: """features.0.0.weight:32x3x3x3 features.0.1.running_mean:32
        features.1.conv.0.0.weight:32x1x3x3 features.1.conv.1.weight:16x32x1x1
        features.1.conv.2.bias:16 features.2.conv.0.0.weight:96x16x1x1
        features.2.conv.1.0.weight:96x1x3x3 features.17.conv.3.num_batches_tracked:
        features.18.0.weight:1280x320x1x1 classifier.1.weight:1000x1280""",
    mobilenet_v3_small: """features.1.block.0.0.weight:16x1x3x3 features.1.block.1.fc2.bias:16
        features.1.block.1.fc1.weight:8x16x1x1 features.2.block.2.0.weight:24x72x1x1
        features.4.block.1.0.weight:96x1x5x5 features.4.block.2.fc1.weight:24x96x1x1
        features.4.block.3.1.running_var:40 features.12.0.weight:576x96x1x1
        classifier.0.weight:1024x576 classifier.3.weight:1000x1024""",
    mobilenet_v3_large: """features.1.block.1.0.weight:16x16x1x1 classifier.0.bias:1280
        features.4.block.2.fc1.weight:24x72x1x1 features.7.block.1.0.weight:240x1x3x3
        features.13.block.2.fc1.weight:168x672x1x1 features.15.block.3.0.weight:160x960x1x1
        features.16.0.weight:960x160x1x1 classifier.3.weight:1000x1280""",
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def settled(model: nn.Module, side: int) -> nn.Module:
    """In eval mode, batch norms filled from noise: at random weights the logits vanish else."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            nn.init.normal_(module.bias, 0, 0.3)
    with torch.no_grad():
        model.train()(torch.rand(8, 3, side, side))
    return model.eval()


@every_network
def test_names_and_sizes(make: Factory) -> None:
    names, model = dict(entry.split(":") for entry in NAMES[make].split()), make()
    state = model.state_dict()
    totals = (sum(p.numel() for p in model.parameters()), len(state))
    assert totals == TOTALS[FACTORIES.index(make)]
    assert {name: "x".join(map(str, state[name].shape)) for name in names} == names
    settings = {(m.eps, m.momentum) for m in model.modules() if isinstance(m, nn.BatchNorm2d)}
    assert settings == {(1e-3, 0.01) if "v3" in make.__name__ else (1e-5, 0.1)}


@every_network
def test_stems(make: Factory) -> None:
    maps: list[tuple[int, ...]] = []
    for stem, side, end in (("imagenet", 64, 2), ("cifar", 32, 4)):
        model = make(7, 0.25, stem).eval()
        model.features.register_forward_hook(lambda *hook: maps.append(tuple(hook[2].shape[2:])))
        assert model(torch.rand(2, 3, side, side)).shape == (2, 7)
        assert maps.pop() == (end, end)
    assert make(7, 0.25).state_dict().keys() == model.state_dict().keys()


@every_network
def test_eval_is_deterministic(make: Factory) -> None:
    model, x = settled(make(10, 0.25, "cifar"), 32), torch.rand(2, 3, 32, 32)
    first, second = model(x), model(x)
    assert torch.equal(first, second) and first.std() > 1e-3
    torch.testing.assert_close(first[:1], model(x[:1]))


@every_network
@pytest.mark.parametrize("width", [0.1, 0.35, 0.75, 1.4])
def test_widths(make: Factory, width: float) -> None:
    model, stem = make(10, width, "cifar"), 16 if "v3" in make.__name__ else 32
    assert all(m.out_channels % 8 == 0 for m in model.modules() if isinstance(m, nn.Conv2d))
    assert model.features[0][0].out_channels == parts.make_divisible(stem * width)


def test_make_divisible() -> None:
    values = {1: 8, 8: 8, 11.9: 16, 12: 16, 18.4: 24, 20: 24, 42: 40, 44.8: 48, 1280: 1280}
    assert {value: parts.make_divisible(value) for value in values} == values
    assert parts.stem_strides("cifar", (2, 1, 2, 2)) == [1, 1, 1, 2]
    assert mobilenet_v2(width=0.5).classifier[1].in_features == 1280
    assert mobilenet_v2(width=1.4).classifier[1].in_features == 1792


@every_network
def test_unknown_options(make: Factory) -> None:
    with pytest.raises(QCompilerError, match="stem: 'svhn' is none of imagenet, cifar"):
        make(stem="svhn")
    with pytest.raises(QCompilerError, match="classes: 0 was given"):
        make(classes=0)
    for width in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(QCompilerError, match="a finite number above 0 was expected"):
            make(width=width)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2)])
def test_negative_padding_by_hand(kernel: int, stride: int) -> None:
    p = kernel // 2
    layer = parts.ConvBNActivation(4, 4, kernel, stride, groups=4, pad=parts.NegativePad2d(p))
    assert list(dict(layer.named_parameters())) == ["0.weight", "1.weight", "1.bias"]
    x = torch.rand(2, 4, 6, 6)
    framed = torch.full((2, 4, 6 + 2 * p, 6 + 2 * p), -0.375)
    framed[:, :, p:-p, p:-p] = x
    expected = torch.empty(2, 4, 6 // stride, 6 // stride)
    for i in range(6 // stride):
        for j in range(6 // stride):
            patch = framed[:, :, i * stride :, j * stride :][:, :, :kernel, :kernel]
            expected[:, :, i, j] = (patch * layer[1].weight[:, 0]).sum((2, 3))
    torch.testing.assert_close(layer[1](layer[0](x)), expected)
    torch.testing.assert_close(layer.eval()(x), F.relu(expected / (1 + 1e-5) ** 0.5))
    assert F.hardswish(torch.linspace(-4, 4, 801)).min() == -0.375


@pytest.mark.parametrize("make", [mobilenet_v3_small, mobilenet_v3_large])
def test_where_negative_padding_is(make: Factory) -> None:
    model = settled(make(10, 0.5, "cifar", negative_padding=True), 32)
    padded = {name.split(".")[1] for name, m in model.named_modules() if name.endswith("pad")}
    first_hswish, end = (4, 12) if make is mobilenet_v3_small else (7, 16)
    assert padded == {"1", *map(str, range(first_hswish, end))}
    for module in model.modules():
        if isinstance(module, parts.ConvBNActivation) and hasattr(module, "pad"):
            conv = module.get_submodule("0")
            assert isinstance(module.pad, parts.NegativePad2d) and conv.groups > 1
            assert conv.padding == (0, 0) and 2 * module.pad.padding + 1 == conv.kernel_size[0]
    plain, x = make(10, 0.5, "cifar").eval(), torch.rand(2, 3, 32, 32)
    plain.load_state_dict(model.state_dict(), strict=True)
    assert (model(x) - plain(x)).abs().max() > 1e-4


def test_squeeze_excite_by_hand() -> None:
    block, x = parts.SqueezeExcite(8, 4), torch.randn(2, 8, 3, 3)
    hidden = F.relu(F.linear(x.mean((2, 3)), block.fc1.weight[:, :, 0, 0], block.fc1.bias))
    raw = F.linear(hidden, block.fc2.weight[:, :, 0, 0], block.fc2.bias)
    torch.testing.assert_close(block(x), x * ((raw + 3).clamp(0, 6) / 6)[:, :, None, None])


@pytest.mark.parametrize("suffix", ["npz", "pt"])
@pytest.mark.parametrize("make", [mobilenet_v2, mobilenet_v3_small])
def test_load_mobilenet(make: Factory, suffix: str, tmp_path: Path) -> None:
    saved, path = settled(make(10, 0.25, "cifar"), 32), tmp_path / f"net.{suffix}"
    state = {k: v for k, v in saved.state_dict().items() if not k.endswith("batches_tracked")}
    torch.save(state, path) if suffix == "pt" else np.savez(path, **state)
    loaded, x = parts.load_mobilenet(path, make(10, 0.25, "cifar")), torch.rand(2, 3, 32, 32)
    assert not loaded.training and torch.equal(loaded(x), saved(x))
    with pytest.raises(QCompilerError, match="does not fit MobileNetV"):
        parts.load_mobilenet(path, make(10, 0.5, "cifar"))


def compare(model: nn.Module, x: Tensor) -> None:
    expected = model(x).detach()
    got = run_batched(import_module(model, (x[:1],)), x, batch=4)
    assert expected.std() > 1e-2
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [mobilenet_v1, mobilenet_v2])
def test_import(make: Factory) -> None:
    compare(settled(make(10, 0.25, "cifar"), 32), torch.rand(4, 3, 32, 32))


def keras_forward(arrays: dict[str, np.ndarray], config: Path, x: Tensor) -> Tensor:
    """What the configuration says, layer by layer, on the file's arrays."""
    for layer in json.loads(config.read_text())["config"]["layers"]:
        kind, c = layer["class_name"], layer["config"]
        w = [torch.from_numpy(v) for k, v in arrays.items() if k.split(".")[0] == c["name"]]
        if kind in ("Conv2D", "DepthwiseConv2D"):
            kernel = w[0].permute((3, 2, 0, 1) if kind == "Conv2D" else (2, 3, 0, 1))
            if c["kernel_size"] == [3, 3]:
                x = F.pad(x, (0, 1, 0, 1) if c["strides"] == [2, 2] else (1, 1, 1, 1))
            x = F.conv2d(x, kernel, w[1], c["strides"], groups=x.shape[1] // kernel.shape[1])
        elif kind == "BatchNormalization":
            gamma, beta, mean, variance = (value[:, None, None] for value in w)
            x = (x - mean) / (variance + c["epsilon"]) ** 0.5 * gamma + beta
        elif kind == "Activation":
            x = x.relu()
        elif kind == "AveragePooling2D":
            x = F.avg_pool2d(x, c["pool_size"])
        elif kind == "Dense":
            x = x.flatten(1) @ w[0] + w[1]
    return x


@needs_vww
def test_vww() -> None:
    model, x = load_vww(DATA), torch.rand(3, 3, 96, 96)
    arrays = dict(np.load(DATA / f"{VWW}.npz"))
    logits = model(x).detach()
    assert logits.shape == (3, 2) and logits.isfinite().all() and not model.training
    expected = keras_forward(arrays, DATA / f"{VWW}.keras_config.json", x)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    state = [v.numpy() for k, v in model.state_dict().items() if not k.endswith("tracked")]
    ours, theirs = (sorted(np.sort(a, None).tobytes() for a in b) for b in (state, arrays.values()))
    assert ours == theirs  # each array once
    compare(model, x)


@needs_vww
def test_vww_files_that_differ(tmp_path: Path) -> None:
    npz, config = (tmp_path / f"{VWW}{suffix}" for suffix in (".npz", ".keras_config.json"))
    text = (DATA / config.name).read_text()
    for arrays, old, new, message in (
        ({"dense_1.bias": np.zeros(2)}, "", "", "the network has no dense_1.bias"),
        ({"dense.bias": np.zeros(3)}, "", "", r"shape \(3,\) was found, \(2,\) expected"),
        ({}, "conv2d_3", "conv2d_x", "the file lacks conv2d_x.kernel"),
        ({}, '"strides": [2, 2]', '"strides": [1, 1]', "conv2d has strides"),
        ({}, '"epsilon": 0.001', '"epsilon": 0.01', "one batch norm epsilon"),
        ({}, '"Dense"', '"Dropout"', "54 layers with weights were found, 55"),
        ({}, '"layers"', '"no_layers"', "is no Keras configuration"),
    ):
        np.savez(npz, **{**np.load(DATA / npz.name), **arrays})
        config.write_text(text.replace(old, new, 1))
        with pytest.raises(QCompilerError, match=message):
            load_vww(tmp_path)


def test_vww_without_files(tmp_path: Path) -> None:
    with pytest.raises(QCompilerError, match="npz: there is no such file"):
        load_vww(tmp_path)
