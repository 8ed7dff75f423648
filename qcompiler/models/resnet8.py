"""MLPerf Tiny's ResNet-8 for CIFAR-10, with the weights and the names of its Keras original."""

from __future__ import annotations

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.models.data import load_arrays
from qcompiler.models.weights import fill_keras

EPS = 1e-3  # Keras' default


class Block(nn.Module):
    """Two 3x3 convolutions beside an identity or a 1x1 convolution (which has no batch norm).

    TensorFlow's "same" padding for stride 2 on an even size is 0 before and 1 after.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1 if stride == 1 else 0)
        self.bn1 = nn.BatchNorm2d(outputs, EPS)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.bn2 = nn.BatchNorm2d(outputs, EPS)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if stride != 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.stride == 1 else F.pad(x, (0, 1, 0, 1))
        y = F.relu(self.bn1(self.conv1(y)))
        y = self.bn2(self.conv2(y))
        return F.relu(self.shortcut(x) + y)


class ResNet8(nn.Module):
    """(N, 3, 32, 32) raw pixels 0..255 to (N, 10) logits; the original's softmax is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, 1, 1)
        self.bn = nn.BatchNorm2d(16, EPS)
        self.block1 = Block(16, 16, 1)
        self.block2 = Block(16, 32, 2)
        self.block3 = Block(32, 64, 2)
        self.pool = nn.AvgPool2d(8)
        self.dense = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.conv(x)))
        x = self.pool(self.block3(self.block2(self.block1(x))))
        logits: Tensor = self.dense(x.flatten(1))
        return logits


# Keras numbers its layers in the order in which they were made.
KERAS_NAMES = {
    "conv": "conv2d",
    "bn": "batch_normalization",
    "block1.conv1": "conv2d_1",
    "block1.bn1": "batch_normalization_1",
    "block1.conv2": "conv2d_2",
    "block1.bn2": "batch_normalization_2",
    "block2.conv1": "conv2d_3",
    "block2.bn1": "batch_normalization_3",
    "block2.conv2": "conv2d_4",
    "block2.shortcut": "conv2d_5",
    "block2.bn2": "batch_normalization_4",
    "block3.conv1": "conv2d_6",
    "block3.bn1": "batch_normalization_5",
    "block3.conv2": "conv2d_7",
    "block3.shortcut": "conv2d_8",
    "block3.bn2": "batch_normalization_6",
    "dense": "dense",
}
PARAMETERS: dict[type, dict[str, str]] = {
    nn.Conv2d: {"weight": "kernel", "bias": "bias"},
    nn.Linear: {"weight": "kernel", "bias": "bias"},
    nn.BatchNorm2d: {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    },
}


def load_resnet8(path: str | Path) -> ResNet8:
    """The network in eval mode with Keras weights (HWIO kernels) from an npz file."""
    model, arrays = ResNet8(), load_arrays(path)
    for ours, keras in KERAS_NAMES.items():
        module = model.get_submodule(ours)
        for name, keras_name in PARAMETERS[type(module)].items():
            key = f"{keras}.{keras_name}"
            if key not in arrays:
                raise QCompilerError(f"the file lacks {key}", where=str(path))
            fill_keras(getattr(module, name), arrays[key], False, f"{path}, {key}")
    return model.eval()
