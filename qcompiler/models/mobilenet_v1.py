"""MobileNetV1 (arXiv 1704.04861), and MLPerf Tiny's for Visual Wake Words with its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.models.data import load_arrays
from qcompiler.models.mobilenet_parts import (
    ConvBNActivation,
    check_options,
    initialize,
    make_divisible,
    stem_strides,
)
from qcompiler.models.resnet8 import PARAMETERS
from qcompiler.models.weights import fill_keras

# channels and depthwise stride of each separable convolution
PAIRS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)
VWW = "mlperf_tiny_vww_mobilenetv1_025"


class MobileNetV1(nn.Module):
    """(N, 3, H, W) to (N, classes) logits; make it with ``mobilenet_v1`` or ``load_vww``.

    ``features.0`` is the stem, then a depthwise (odd) and a pointwise (even) layer take turns.

    Args:
        keras: As MLPerf Tiny's original: convolutions have biases, stride 2 pads 0 before and 1
            after, which is TensorFlow's "same" on even sizes.
        eps: Of every batch norm.
    """

    def __init__(
        self, classes: int, width: float, stem: str, *, keras: bool = False, eps: float = 1e-5
    ) -> None:
        super().__init__()
        check_options(classes, width, stem)
        first, *strides = stem_strides(stem, [2, *(stride for _, stride in PAIRS)])

        def layer(
            inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
        ) -> ConvBNActivation:
            pad = nn.ZeroPad2d((0, 1, 0, 1)) if keras and stride == 2 else None
            return ConvBNActivation(
                inputs, outputs, kernel, stride, groups=groups, bias=keras, eps=eps, pad=pad
            )

        inputs = make_divisible(32 * width)
        features = [layer(3, inputs, 3, first)]
        for (channels, _), stride in zip(PAIRS, strides, strict=True):
            outputs = make_divisible(channels * width)
            features.append(layer(inputs, inputs, 3, stride, inputs))
            features.append(layer(inputs, outputs, 1))
            inputs = outputs
        self.features = nn.Sequential(*features)
        self.classifier = nn.Linear(inputs, classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(self.features(x), 1).flatten(1)
        logits: Tensor = self.classifier(x)
        return logits


def mobilenet_v1(classes: int = 1000, width: float = 1.0, stem: str = "imagenet") -> MobileNetV1:
    """MobileNetV1 with random weights.

    Args:
        width: Factor of all channels; the products are rounded to multiples of 8.
        stem: "imagenet" divides the sides by 32 (224x224 ends at 7x7). "cifar" divides them by
            8 (32x32 ends at 4x4): the stem and the second separable convolution, to 128
            channels, have stride 1.
    """
    return MobileNetV1(classes, width, stem)


def load_vww(folder: str | Path) -> MobileNetV1:
    """MLPerf Tiny's Visual Wake Words network, in eval mode, with its Keras weights.

    (N, 3, 96, 96) pixels over 255, as its training script has them, to (N, 2) logits: no person,
    person. The original's softmax is left out.

    Args:
        folder: Holds the npz file and the ``.keras_config.json`` beside it.
    """
    path = Path(folder) / f"{VWW}.npz"
    arrays = load_arrays(path)
    layers = _keras_layers(path.with_suffix(".keras_config.json"))
    eps = {layer["epsilon"] for layer in layers if "epsilon" in layer}
    if len(eps) != 1:
        raise QCompilerError(f"one batch norm epsilon was expected, not {eps}", where=VWW)
    model = MobileNetV1(2, 0.25, "imagenet", keras=True, eps=eps.pop())
    modules = [module for module in model.modules() if type(module) in PARAMETERS]
    if len(modules) != len(layers):
        raise QCompilerError(
            f"{len(layers)} layers with weights were found, {len(modules)} expected", where=VWW
        )
    for module, layer in zip(modules, layers, strict=True):
        if layer.get("strides", [1, 1]) != list(getattr(module, "stride", (1, 1))):
            raise QCompilerError(f"{layer['name']} has strides {layer['strides']}", where=VWW)
        for ours, keras in PARAMETERS[type(module)].items():
            depthwise = ours == "weight" and "depth_multiplier" in layer
            key = f"{layer['name']}.{'depthwise_' if depthwise else ''}{keras}"
            if key not in arrays:
                raise QCompilerError(f"the file lacks {key}", where=str(path))
            fill_keras(getattr(module, ours), arrays.pop(key), depthwise, f"{path}, {key}")
    if arrays:
        raise QCompilerError(f"the network has no {', '.join(arrays)}", where=str(path))
    return model.eval()


def _keras_layers(path: Path) -> list[dict[str, Any]]:
    """The settings of the layers that have weights, from input to output."""
    kinds = ("Conv2D", "DepthwiseConv2D", "BatchNormalization", "Dense")
    try:
        layers = json.loads(path.read_text())["config"]["layers"]
        return [layer["config"] for layer in layers if layer["class_name"] in kinds]
    except FileNotFoundError:
        raise QCompilerError("there is no such file", where=str(path)) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise QCompilerError(f"is no Keras configuration: {error}", where=str(path)) from None
